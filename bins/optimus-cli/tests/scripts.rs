//! What `setup.sh` does to files of the operator's, in a folder of its own.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
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
