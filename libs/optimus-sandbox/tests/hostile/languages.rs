//! The languages of the cases: those of Optimus, and a shell.

use std::path::PathBuf;

use optimus_common::language::{Language, LanguagesFile};
use optimus_testkit::languages::{self, strings};

/// What the suite knows of a language beside its recipe.
#[derive(Debug)]
pub(crate) struct Dialect {
    name: &'static str,
    extension: &'static str,
    /// Sent along with every program: reads what is asked for, and does all but the attack.
    helper: (&'static str, &'static str),
    /// CPU time in which its honest tests are done on a busy machine.
    pub(crate) timeout_ms: u64,
}

macro_rules! dialect {
    ($name:literal, $extension:literal, $helper:literal, $timeout_ms:literal) => {
        Dialect {
            name: $name,
            extension: $extension,
            helper: ($helper, include_str!(concat!("support/", $helper))),
            timeout_ms: $timeout_ms,
        }
    };
}

const DIALECTS: [Dialect; 8] = [
    dialect!("c", "c", "hostile.h", 400),
    dialect!("cpp", "cpp", "hostile.h", 400),
    dialect!("python", "py", "hostile.py", 600),
    dialect!("java", "java", "Hostile.java", 1500),
    dialect!("go", "go", "hostile.go", 400),
    dialect!("javascript", "js", "hostile.js", 800),
    dialect!("rust", "rs", "hostile.rs", 400),
    dialect!("shell", "sh", "hostile.sh", 400),
];

impl Dialect {
    /// The one that a program's name tells.
    pub(crate) fn of(program: &str) -> &'static Self {
        let extension = program.rsplit('.').next().unwrap_or_default();
        DIALECTS
            .iter()
            .find(|dialect| dialect.extension == extension)
            .unwrap_or_else(|| panic!("{program} is in no language of the suite"))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Name and text of the file that is sent along.
    pub(crate) fn helper(&self) -> (&'static str, &'static str) {
        self.helper
    }
}

/// Every language that a case may have.
pub(crate) fn all() -> Vec<Language> {
    let mut languages = LanguagesFile::BuiltIn
        .load()
        .expect("the shipped languages are valid")
        .languages;
    let c = languages.iter().find(|language| language.name.as_str() == "c");
    let mut shell = languages::interpreted("shell");
    shell.image.clone_from(&c.expect("C is one of them").image);
    shell.dockerfile_path = PathBuf::new();
    shell.execution.command = "sh".into();
    shell.execution.args = strings(&["{source}"]);
    shell.execution.file_extension = ".sh".into();
    shell.execution.source_name = "main.sh".into();
    shell.memory_limit_mb = 256;
    shell.build.version_command = "echo sh".into();
    languages.push(shell);
    #[cfg(optimus_weaken)]
    if optimus_common::weaken::is_active() {
        for language in &mut languages {
            language.image = crate::weakened::image_of(language.name.as_str());
        }
    }
    languages
}
