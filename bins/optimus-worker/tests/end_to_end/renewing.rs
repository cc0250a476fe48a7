//! What boxes are made of becomes something else, under workers that go on.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::{self, Command, Stdio},
};

use optimus_testkit::{
    boxes::Kind,
    client::{assert_verdict, submission},
    project::project,
    until,
};
use serde_json::{Value, json};

use crate::system::{Options, System};

/// An image of this test alone.
struct Image(String);

impl Image {
    fn of(image: &str) -> Self {
        let own = Self(format!("optimus-test/renewed:{}", process::id()));
        docker(&["tag", image, &own.0], "");
        own
    }

    /// Makes another one of this name, which has a file more.
    fn build_anew(&self) {
        let recipe = format!("FROM {}\nRUN echo anew >/etc/renewed\n", self.0);
        docker(&["build", "--network", "none", "--tag", &self.0, "-"], &recipe);
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        docker(&["rmi", "--force", &self.0], "");
    }
}

fn docker(args: &[&str], input: &str) {
    let mut command = Command::new("docker");
    let piped = command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {output:?}");
}

pub(crate) async fn an_image_built_anew_is_used_and_proved_without_a_restart(boxes: Kind) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("languages.json");
    let text = fs::read_to_string(project().join("config/languages.json")).unwrap();
    let mut languages: Value = serde_json::from_str(&text).unwrap();
    let all = languages["languages"].as_array_mut().unwrap();
    all.retain(|language| language["name"] == "python");
    let image = Image::of(all[0]["image"].as_str().unwrap());
    all[0]["image"] = json!(image.0);
    fs::write(&file, languages.to_string()).unwrap();
    let options = Options::hasty(boxes).set("OPTIMUS__LANGUAGES_FILE", file.to_str().unwrap());
    let mut system = System::start(options).await;

    let source = "import os; print(os.path.exists('/etc/renewed'))";
    let [former, anew] = ["False", "True"].map(|expected| submission("python", source, &[("", expected)]));
    assert_verdict(
        &system.client.grade(&former).await,
        "accepted",
        "the former image",
    );
    image.build_anew();
    until("jobs have boxes of the new image", async || {
        let record = system.client.grade(&anew).await;
        record["result"]["verdict"] == "accepted"
    })
    .await;
    // More than were warm: none of the former image is left.
    for _ in 0..6 {
        assert_verdict(&system.client.grade(&anew).await, "accepted", "the new image");
    }

    system.workers[0].assert_running();
    let log = system.workers[0].log();
    let proofs = log
        .lines()
        .filter(|line| line.contains("a program of it ran in a box"));
    let roots: Vec<_> = proofs
        .map(|line| {
            line.split_once("root=")
                .expect("the log tells the root")
                .1
                .to_owned()
        })
        .collect();
    let different: BTreeSet<_> = roots.iter().collect();
    assert_eq!(different.len(), 2, "each image is proved: {roots:?}");
    system.stop().await;
}
