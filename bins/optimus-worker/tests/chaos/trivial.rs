//! A language whose programs cost next to nothing: the shell. It is not one that ships, so the suite brings its recipe.

use std::{fs, path::Path};

use optimus_testkit::project::project;
use serde_json::{Value, json};

pub(crate) const NAME: &str = "shell";

/// Writes the recipe into this folder. The setting by which processes read it.
pub(crate) fn languages_file(folder: &Path) -> (&'static str, String) {
    let shipped = fs::read_to_string(project().join("config/languages.json")).unwrap();
    let mut languages: Value = serde_json::from_str(&shipped).unwrap();
    let all = languages["languages"].as_array_mut().unwrap();
    all.retain(|language| language["name"] == "python");
    let shell = &mut all[0];
    shell["name"] = json!(NAME);
    shell["queue_name"] = json!(format!("optimus:queue:{NAME}"));
    shell["execution"]["command"] = json!("sh");
    shell["execution"]["args"] = json!(["{source}"]);
    shell["execution"]["sample"] = json!("IFS= read -r line\nprintf '%s\\n' \"$line\"\n");
    shell["execution"]["out_of_memory"] = json!([]);
    shell["build"]["version_command"] = json!("echo any shell");
    shell["host"] = json!({});
    shell["memory_limit_mb"] = json!(32);
    let file = folder.join("languages.json");
    fs::write(&file, languages.to_string()).unwrap();
    ("OPTIMUS__LANGUAGES_FILE", file.display().to_string())
}
