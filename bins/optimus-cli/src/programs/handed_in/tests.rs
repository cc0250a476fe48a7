use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

const MOST_FILES: u64 = 20;
const MOST_BYTES: u64 = 1000;

/// What the archive of a class holds.
struct Class(tempfile::TempDir);

impl Class {
    fn new(files: &[&str]) -> Self {
        let class = Self(tempfile::tempdir().unwrap());
        for name in files {
            fs::create_dir_all(class.at(name).parent().unwrap()).unwrap();
            fs::write(class.at(name), name).unwrap();
        }
        class
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn link(&self, target: &str, name: &str) {
        symlink(target, self.at(name)).unwrap();
    }

    /// Names and contents.
    fn read(&self, name: &str, home: Option<&str>) -> Result<Vec<(String, String)>, String> {
        let home = home.map(|home| self.at(home));
        let found = find(&self.at(name), home.as_deref(), MOST_FILES);
        let mut bytes = Bytes::new(MOST_BYTES);
        found
            .and_then(|handed_in| {
                let files = handed_in.files.into_iter();
                files
                    .map(|(name, path)| Ok((name, String::from_utf8(bytes.read(&path)?).unwrap())))
                    .collect()
            })
            .map_err(|failure| failure.to_string())
    }

    #[track_caller]
    fn refuses(&self, name: &str, part: &str) {
        let why = self.read(name, None).unwrap_err();
        assert!(why.contains(part), "{name}: {part:?} is not in {why}");
    }
}

fn files(named: &[(&str, &str)]) -> Vec<(String, String)> {
    named
        .iter()
        .map(|(name, content)| ((*name).to_owned(), (*content).to_owned()))
        .collect()
}

#[test]
fn links_show_nothing_of_this_machine() {
    let class = Class::new(&["secret", "subs/dir/main.py", "subs/own/main.py", "subs/a.py"]);
    for (n, target) in ["/etc/passwd", "/dev/zero", "../../secret", "../..", "/", "../own"]
        .into_iter()
        .enumerate()
    {
        let name = format!("subs/dir/notes{n}.txt");
        class.link(target, &name);
        class.refuses("subs/dir", "the link leads out of ");
        class.refuses("subs/dir", &format!("notes{n}.txt: "));
        fs::remove_file(class.at(&name)).unwrap();
    }
    class.link("nowhere", "subs/dir/notes.txt");
    class.refuses("subs/dir", "cannot read ");
    // A program that is one file, or that is a link to a folder, with a slash at its end or not.
    for (target, name) in [
        ("/etc/passwd", "subs/b.py"),
        ("../secret", "subs/c.py"),
        ("/etc", "subs/d"),
    ] {
        class.link(target, name);
        class.refuses(name, "the link leads out of ");
    }
    class.refuses("subs/d/", "the link leads out of ");
    class.refuses("subs/d/.", "the link leads out of ");
}

#[test]
fn links_to_what_was_handed_in_are_followed() {
    let class = Class::new(&["dir/main.py", "dir/lib/a.py", "beside.py"]);
    class.link("lib/a.py", "dir/b.py");
    class.link("lib", "dir/more");
    let all = Ok(files(&[
        ("b.py", "dir/lib/a.py"),
        ("lib/a.py", "dir/lib/a.py"),
        ("main.py", "dir/main.py"),
        ("more/a.py", "dir/lib/a.py"),
    ]));
    assert_eq!(class.read("dir", None), all);
    class.link("dir", "other");
    assert_eq!(class.read("other/", None), all);
    class.link("beside.py", "same.py");
    assert_eq!(
        class.read("same.py", None),
        Ok(files(&[("same.py", "beside.py")]))
    );
    // What is part of a package has all of it.
    class.link("../beside.py", "dir/shared.py");
    class.refuses("dir", "the link leads out of ");
    assert_eq!(class.read("dir", Some("")).map(|files| files.len()), Ok(5));
}

#[test]
fn links_in_circles_end_by_name() {
    let class = Class::new(&["dir/main.py", "twins/a/x.py", "twins/b/y.py"]);
    class.link(".", "dir/again");
    class.refuses("dir", "leads back");
    class.link("../b", "twins/a/b");
    class.link("../a", "twins/b/a");
    class.refuses("twins", "leads back");
    class.link("self", "self");
    class.refuses("self", "cannot read ");
}

#[test]
fn nothing_without_an_end_is_waited_for() {
    let class = Class::new(&["dir/main.py"]);
    for name in ["dir/pipe", "pipe.py"] {
        mknodat(CWD, class.at(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }
    class.refuses("dir", "pipe: it is neither a file nor a folder");
    class.refuses("pipe.py", "it is neither a file nor a folder");
    // As where it takes a file's place between the two looks.
    let late = Bytes::new(MOST_BYTES).read(&class.at("pipe.py")).unwrap_err();
    assert!(late.to_string().contains("neither"), "{late}");
    class.link("dir/main.py", "late.py");
    Bytes::new(MOST_BYTES).read(&class.at("late.py")).unwrap_err();
}

#[test]
fn no_more_is_read_than_a_program_may_have() {
    let class = Class::new(&["dir/main.py", "full/a.py", "full/b.py"]);
    fs::File::create(class.at("dir/data.bin"))
        .unwrap()
        .set_len(30 << 30)
        .unwrap();
    class.refuses(
        "dir",
        "data.bin: 32212254720 bytes with this file; at most 1000 are accepted",
    );
    fs::write(class.at("full/a.py"), [b'x'; 500]).unwrap();
    fs::write(class.at("full/b.py"), [b'x'; 500]).unwrap();
    assert_eq!(class.read("full", None).map(|files| files.len()), Ok(2));
    fs::write(class.at("full/b.py"), [b'x'; 501]).unwrap();
    class.refuses("full", "b.py: 1001 bytes with this file");
    // What says that it is empty, and is not.
    let mut bytes = Bytes::new(10);
    bytes.read(Path::new("/proc/self/status")).unwrap_err();
    assert_eq!(bytes.read, 0);
    for n in 0..=MOST_FILES {
        fs::create_dir_all(class.at("many")).unwrap();
        fs::write(class.at(&format!("many/{n:02}.py")), "").unwrap();
    }
    class.refuses("many", "20.py: with it the program has more than 20 files");
}

#[test]
fn files_in_deep_folders_do_not_vanish() {
    let deep = "src/main/java/edu/school/cs/course/hw/task/util/H.java";
    let class = Class::new(&[&format!("dir/{deep}")]);
    let content = format!("dir/{deep}");
    assert_eq!(class.read("dir", None), Ok(files(&[(deep, &content)])));
    let deeper = "x/".repeat(126);
    let class = Class::new(&[&format!("dir/{deeper}a.c"), &format!("deeper/x/{deeper}a.c")]);
    assert_eq!(class.read("dir", None).map(|files| files.len()), Ok(1));
    class.refuses("deeper", "its name in the program must have 1 to 255 bytes");
}
