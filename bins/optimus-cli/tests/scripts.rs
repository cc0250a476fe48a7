//! What `setup.sh` does to files of the operator's, in a folder of its own.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

const OURS: [&str; 2] = ["REDIS_IMAGE=optimus/redis:local", "BASE_IMAGE=debian"];

/// A checkout of nothing but the script.
fn checkout() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/common.sh");
    fs::create_dir(folder.path().join("scripts")).unwrap();
    fs::copy(script, folder.path().join("scripts/common.sh")).unwrap();
    folder
}

fn sh(folder: &TempDir, script: &str) -> Output {
    Command::new("sh")
        .args(["-euc", &format!(". scripts/common.sh\n{script}")])
        .current_dir(folder.path())
        .output()
        .unwrap()
}

#[track_caller]
fn done(folder: &TempDir, script: &str) -> String {
    let output = sh(folder, script);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn env_file(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join(".env")).unwrap()
}

fn keep(pairs: &[&str]) -> String {
    format!("keep_in_env {}", pairs.join(" "))
}

#[test]
fn what_an_operator_wrote_is_kept() {
    let folder = checkout();
    let own = "# mine\nOPTIMUS__API__TOKENS=secret\nBASE_IMAGE=mine:1";
    let path = folder.path().join(".env");
    fs::write(&path, own).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let said = done(&folder, &keep(&OURS));
    assert!(said.contains("BASE_IMAGE is set in .env"), "{said}");
    let with_ours = env_file(&folder);
    assert!(with_ours.starts_with(&format!("{own}\n")), "{with_ours}");
    assert!(with_ours.contains("\nREDIS_IMAGE=optimus/redis:local\n"));
    assert!(!with_ours.contains("BASE_IMAGE=debian"), "{with_ours}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // Once more changes nothing, and lines that were added after ours stay, too.
    done(&folder, &keep(&OURS));
    assert_eq!(env_file(&folder), with_ours);
    fs::write(&path, format!("{with_ours}API_PORT=9\n")).unwrap();
    done(&folder, &keep(&["REDIS_IMAGE=other"]));
    let text = env_file(&folder);
    assert!(text.starts_with(own) && text.contains("API_PORT=9\n"), "{text}");
    assert_eq!(text.matches("REDIS_IMAGE=").count(), 1, "{text}");

    // Where nothing of ours is needed, nothing of theirs goes.
    done(&folder, "keep_in_env");
    assert_eq!(env_file(&folder), format!("{own}\nAPI_PORT=9\n"));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 3, "scripts, target and .env: {left:?}");
}

#[test]
fn a_broken_mark_encloses_nothing() {
    let folder = checkout();
    done(&folder, &keep(&OURS));
    let first_mark = env_file(&folder).lines().next().unwrap().to_owned();
    let own = format!("A=1\n{first_mark}\nB=2\n");
    fs::write(folder.path().join(".env"), &own).unwrap();
    done(&folder, "keep_in_env");
    assert_eq!(env_file(&folder), own);
    done(&folder, &keep(&OURS));
    done(&folder, "keep_in_env");
    assert_eq!(env_file(&folder), own);
}

#[test]
fn what_was_once_the_whole_file_is_ours() {
    let folder = checkout();
    let base = "optimus/debian-base:bookworm";
    let once = format!(
        "# Written by setup.sh: no registry answered, so nothing may be pulled.\nREDIS_IMAGE=optimus/redis:local\n\
         BUILD_IMAGE={base}\nBASE_IMAGE=mine:1\nOPTIMUS_DEBIAN_BASE={base}\nAPI_PORT=9\n"
    );
    fs::write(folder.path().join(".env"), once).unwrap();
    done(&folder, "keep_in_env");
    assert_eq!(
        env_file(&folder),
        format!("BASE_IMAGE=mine:1\nOPTIMUS_DEBIAN_BASE={base}\nAPI_PORT=9\n"),
        "what follows a line that was changed is the operator's"
    );
}

#[test]
fn settings_elsewhere_stay_where_they_are() {
    let folder = checkout();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("optimus.env"), "A=1\n").unwrap();
    symlink(elsewhere.path().join("optimus.env"), folder.path().join(".env")).unwrap();
    done(&folder, &keep(&OURS));
    assert!(folder.path().join(".env").is_symlink());
    assert!(env_file(&folder).starts_with("A=1\n"));
    // And none are made where none are needed.
    let folder = checkout();
    done(&folder, "keep_in_env");
    assert!(!folder.path().join(".env").exists());
}

#[test]
fn logs_are_in_the_checkout_and_do_not_grow_without_end() {
    let folder = checkout();
    let temporary = tempfile::tempdir().unwrap();
    let script = format!("TMPDIR={} quietly talking echo hello", temporary.path().display());
    done(&folder, &script);
    assert_eq!(
        fs::read_to_string(folder.path().join("target/build.log")).unwrap(),
        "hello\n"
    );
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    let output = sh(&folder, "quietly talking sh -c 'echo why; exit 3'");
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("why\n") && told.contains("talking failed"),
        "{told}"
    );

    done(
        &folder,
        "head -c 15000000 /dev/zero | tr '\\0' x | fold -w 99999 | bounded_log log",
    );
    let size = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len();
    assert!(size("log") + size("log.old") < 11 << 20);
    assert!(size("log.old") > 5 << 20);
}

/// A program of this name and content, which the scripts find before any other.
fn program(folder: &TempDir, name: &str, script: &str) {
    let path = folder.path().join("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

const OWN_PROGRAMS: &str = "PATH=\"$PWD/bin:$PATH\"\n";

#[test]
fn compose_is_called_as_it_is_here_and_named_so() {
    let folder = checkout();
    program(&folder, "docker-compose", "echo \"old $*\"");
    program(&folder, "docker", "exit 1");
    let script = format!("{OWN_PROGRAMS}compose_name; compose up -d");
    assert_eq!(done(&folder, &script), "docker-compose\nold up -d\n");
    program(&folder, "docker", "echo \"new $*\"");
    assert_eq!(done(&folder, &script), "docker compose\nnew compose up -d\n");
}

#[test]
fn the_api_is_asked_where_it_is_and_with_a_token_it_takes() {
    let folder = checkout();
    program(&folder, "docker", "exit 1");
    let compose = |published: &str, tokens: &str| {
        let script = format!(
            "case \"$*\" in\n'port api 8080') echo '{published}' ;;\n*'printenv OPTIMUS__API__TOKENS') {tokens} ;;\nesac"
        );
        program(&folder, "docker-compose", &script);
    };
    let asked = || done(&folder, &format!("{OWN_PROGRAMS}api_address; api_token"));
    compose("127.0.0.1:18580", "printf 'one,two\\r\\n'");
    assert_eq!(asked(), "http://127.0.0.1:18580\none\n");
    compose("0.0.0.0:80", "exit 1");
    assert_eq!(asked(), "http://127.0.0.1:80\n");
    compose("[::]:80", "exit 1");
    assert_eq!(asked(), "http://[::1]:80\n");
    compose("", "exit 1");
    let output = sh(
        &folder,
        &format!("{OWN_PROGRAMS}API=\"$(api_address)\"; echo goes on"),
    );
    assert!(!output.status.success() && output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("docker-compose logs api"), "{told}");
}

#[test]
fn a_system_that_does_not_become_ready_is_explained() {
    let folder = checkout();
    program(&folder, "docker", "exit 1");
    program(&folder, "sleep", "");
    program(&folder, "curl", "echo 'curl: nobody is there' >&2; exit 7");
    let output = sh(
        &folder,
        &format!("{OWN_PROGRAMS}until_ready http://127.0.0.1:9 3"),
    );
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in [
        "nobody is there",
        "did not become ready at http://127.0.0.1:9",
        "docker-compose logs",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains('\u{1b}'), "colours are for people: {told}");
}

/// The settings that `config/optimus.toml` lists, each as the variable that overrides it.
fn variables() -> Vec<String> {
    let file = fs::read_to_string(project_file("config/optimus.toml")).unwrap();
    let mut section = String::new();
    let mut variables = Vec::new();
    for line in file.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}__", name.trim_end_matches(']').replace('.', "__"));
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            variables.push(format!("OPTIMUS__{section}{key}").to_uppercase());
        }
    }
    variables
}

fn project_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Where compose itself decides, or nothing of it is used.
const DECIDED_BY_COMPOSE: [&str; 9] = [
    "OPTIMUS__LANGUAGES_FILE",
    "OPTIMUS__DATA_DIR",
    "OPTIMUS__REDIS__URL",
    "OPTIMUS__API__HOST",
    "OPTIMUS__API__PORT",
    "OPTIMUS__DOCKER__HOST",
    "OPTIMUS__WORKER__BACKEND",
    "OPTIMUS__WORKER__LANGUAGES",
    "OPTIMUS__NATIVE__",
];

#[test]
fn compose_passes_every_setting_on_and_tokens_to_the_api_alone() {
    let compose = fs::read_to_string(project_file("docker-compose.yml")).unwrap();
    let variables = variables();
    assert!(variables.len() > 50, "{variables:?}");
    for variable in variables {
        let named = compose
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{variable}:")));
        let decided = DECIDED_BY_COMPOSE
            .iter()
            .any(|decided| variable == *decided || decided.ends_with("__") && variable.starts_with(decided));
        assert_ne!(named, decided, "{variable}");
    }
    let (api, others) = {
        let (before, rest) = compose.split_once("\n  api:\n").unwrap();
        let (api, after) = rest.split_once("\n  images:\n").unwrap();
        (api, format!("{before}{after}"))
    };
    let tokens = |text: &str| {
        text.lines()
            .filter(|line| line.trim_start().starts_with("OPTIMUS__API__TOKENS:"))
            .count()
    };
    assert_eq!((tokens(api), tokens(&others)), (1, 0));
}

#[test]
fn compose_passes_on_what_a_bucket_takes() {
    let compose = fs::read_to_string(project_file("docker-compose.yml")).unwrap();
    let (_, settings) = compose.split_once("\nx-settings: &settings\n").unwrap();
    let (settings, services) = settings.split_once("\n\n").unwrap();
    let told = fs::read_to_string(project_file("docs/content.md")).unwrap();
    let names: Vec<_> = told.split('`').filter(|word| word.starts_with("AWS_")).collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        // Without a value: as it is set outside, or not at all.
        assert!(
            settings.lines().any(|line| line == format!("  {name}:")),
            "{name}"
        );
    }
    // The API and the workers, and nobody who has nothing to do with it.
    assert_eq!(services.matches("<<: *settings").count(), 2);
}
