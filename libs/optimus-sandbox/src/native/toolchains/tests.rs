//! Toolchains that come, go and change.

use std::future::pending;

use tokio::time::timeout;

use super::{state::FIRST_PAUSE, *};

#[test]
fn an_image_goes_before_the_host_also_when_it_comes_later() {
    let top = tempfile::tempdir().unwrap();
    let mut settings = optimus_settings::defaults::<Settings>();
    let mut languages = LanguagesFile::BuiltIn.load().unwrap();
    let at = languages
        .languages
        .iter()
        .position(|language| language.name.as_str() == "cpp");
    languages.languages[at.unwrap()].execution.compile[0] = "no-such-compiler".to_owned();
    let file = top.path().join("languages.json");
    fs::write(&file, serde_json::to_string(&languages).unwrap()).unwrap();
    settings.languages_file = LanguagesFile::At(file);
    let languages = languages.languages;
    settings.data_dir = top.path().join("data").into();
    settings.native.roots = top.path().join("images");
    let toolchains = Toolchains::find(&languages, &settings);
    let all = toolchains.list();
    assert!(
        all.iter()
            .map(|found| &found.language)
            .eq(languages.iter().map(|language| &language.name))
    );

    let cpp = "cpp".parse().unwrap();
    let root = || toolchains.0.root(&cpp);
    assert!(root().is_err());
    let folder = top.path().join("images/cpp");
    fs::create_dir_all(folder.join("optimus")).unwrap();
    fs::write(folder.join("optimus/toolchain"), "\ng++ 99\nCopyright\n").unwrap();
    let is_image = |root: &Root| matches!(root, Root::Image { folder: of, .. } if *of == folder);
    assert!(root().is_ok_and(|root| is_image(&root)));
    let found = toolchains
        .list()
        .into_iter()
        .find(|found| found.language == cpp)
        .unwrap();
    assert_eq!(found.outcome.unwrap().version, "g++ 99");

    let unknown = toolchains.0.root(&"klingon".parse().unwrap()).unwrap_err();
    assert!(unknown.contains("languages' file"), "{unknown}");
}

/// Needs a C compiler, as everything here does.
#[tokio::test]
async fn what_changes_in_the_languages_file_is_looked_for_again() {
    let top = tempfile::tempdir().unwrap();
    let file = top.path().join("config/languages.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let built_in = LanguagesFile::BuiltIn.load().unwrap();
    let write = |change: &dyn Fn(&mut Vec<Language>)| {
        let mut languages = built_in.clone();
        change(&mut languages.languages);
        fs::write(&file, serde_json::to_string(&languages).unwrap()).unwrap();
        languages.languages
    };
    let only_c = |languages: &mut Vec<Language>| languages.retain(|language| language.name.as_str() == "c");
    let languages = write(&only_c);
    let mut settings = optimus_settings::defaults::<Settings>();
    settings.languages_file = LanguagesFile::At(file.clone());
    settings.data_dir = top.path().join("data").into();
    let toolchains = Toolchains::find(&languages, &settings);
    let inner = &toolchains.0;
    // As for the next box that is made when what is known is no longer trusted.
    let now = |name: &LanguageName| {
        let known = inner.find(name);
        inner
            .look_again(name, known.as_ref())
            .and_then(|state| state.toolchain())
    };
    let c = languages[0].name.clone();
    let before = now(&c).unwrap();
    assert_eq!(now(&c).as_ref(), Ok(&before), "nothing has changed");

    let seen = Path::new("/usr/include/stdlib.h");
    write(&|languages| {
        only_c(languages);
        languages[0].host.paths.push(seen.display().to_string());
    });
    let after = now(&c).unwrap();
    assert_ne!(after.root, before.root);
    let Root::Host(root) = &after.root else {
        panic!("there are no images here: {after:?}");
    };
    assert!(root.paths.iter().any(|path| path.host == seen), "{root:?}");

    write(&|languages| {
        only_c(languages);
        languages[0].build.version_command = "echo another version".to_owned();
    });
    assert_eq!(now(&c).unwrap().version, "another version");

    // It was not there when the worker started, and has to be prepared.
    let cpp: LanguageName = "cpp".parse().unwrap();
    assert!(now(&cpp).is_err());
    let folder = top.path().join("dockerfiles/cpp");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("prepare.sh"), "#!/bin/sh\n").unwrap();
    write(&|languages| languages.retain(|language| ["c", "cpp"].contains(&language.name.as_str())));
    let waits = now(&cpp).unwrap_err();
    assert!(waits.contains("once a worker starts"), "{waits}");
    timeout(Duration::from_mins(1), toolchains.unprepared())
        .await
        .expect("whoever prepares languages is told");
    toolchains.prepare_missing(async |_, _, _, _| Ok(())).await;
    let ready = now(&cpp).unwrap();

    fs::write(folder.join("prepare.sh"), "#!/bin/sh\n: another one\n").unwrap();
    assert!(
        now(&cpp).is_err(),
        "what was prepared is of another script: {ready:?}"
    );
}

/// C alone, which has something to prepare here.
fn of_c_with_a_script(top: &Path) -> Toolchains {
    let mut languages = LanguagesFile::BuiltIn.load().unwrap();
    languages
        .languages
        .retain(|language| language.name.as_str() == "c");
    let c = languages.languages.first().expect("C is built in");
    let folder = top.join(c.dockerfile_path.parent().unwrap());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("prepare.sh"), "#!/bin/sh\n").unwrap();
    let file = top.join("config/languages.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, serde_json::to_string(&languages).unwrap()).unwrap();
    let mut settings = optimus_settings::defaults::<Settings>();
    settings.languages_file = LanguagesFile::At(file);
    settings.data_dir = top.join("data").into();
    Toolchains::find(&languages.languages, &settings)
}

/// Needs a C compiler, as everything here does.
#[tokio::test]
async fn a_language_that_is_being_prepared_says_so() {
    let top = tempfile::tempdir().unwrap();
    let toolchains = of_c_with_a_script(top.path());
    let c = &toolchains.0.known()[0].language.clone();
    let why = || toolchains.list()[0].outcome.clone().unwrap_err();

    let before = why();
    assert!(before.contains("once a worker starts"), "{before}");
    let begun = Notify::new();
    let given_up = toolchains.prepare_missing(async |_, _, _, _| {
        begun.notify_one();
        pending().await
    });
    tokio::select! {
        () = given_up => unreachable!("it never ends"),
        () = begun.notified() => {}
    }
    assert_eq!(why(), before, "nobody prepares it any more");
    timeout(Duration::from_mins(1), toolchains.unprepared())
        .await
        .expect("whoever prepares languages is told");

    let read = Mutex::new(None);
    toolchains
        .prepare_missing(async |_, _, _, _| {
            let meanwhile = why();
            assert!(meanwhile.contains("being prepared"), "{meanwhile}");
            tokio::time::sleep(Duration::from_millis(1100)).await;
            assert_eq!(why(), meanwhile, "or it would be told with each second");
            *read.lock().unwrap() = toolchains.0.find(&c.name);
            Err("no box".to_owned())
        })
        .await;
    let after = why();
    assert!(after.contains("could not be prepared"), "{after}");
    assert!(after.ends_with(": no box"), "{after}");

    // Whoever began to look while it was prepared, and has only now seen that nothing has changed.
    let read = read.into_inner().unwrap().unwrap();
    let state = read.state.clone();
    let told = toolchains.0.learn_instead_of(Some(&read), c, state);
    assert_eq!(told.toolchain().unwrap_err(), after);
    assert_eq!(why(), after);
    let now = toolchains.0.find(&c.name).unwrap();
    toolchains
        .0
        .learn_instead_of(Some(&now), c, ToolchainState::Missing("gone".to_owned()));
    assert_eq!(why(), "gone");
}

/// Needs a C compiler, as everything here does.
#[tokio::test]
async fn what_could_not_be_prepared_is_tried_again_after_a_pause_that_grows() {
    let top = tempfile::tempdir().unwrap();
    let toolchains = of_c_with_a_script(top.path());
    let c = toolchains.list()[0].language.clone();
    let tries = Mutex::new(0);
    let prepare = async |outcome: Result<(), String>| {
        let ran = async |_, _, _, _| {
            *tries.lock().unwrap() += 1;
            outcome.clone()
        };
        toolchains.prepare_missing(ran).await;
        *tries.lock().unwrap()
    };
    // As if it had failed so long ago.
    let failed_before = |pause: Duration| {
        let known = toolchains.0.find(&c).unwrap();
        let ToolchainState::Broken(toolchain, preparation, failure) = known.state.clone() else {
            panic!("it failed: {known:?}");
        };
        let at = Instant::now().checked_sub(pause).unwrap();
        let failure = PreparationFailure { at, ..failure };
        let state = ToolchainState::Broken(toolchain, preparation, failure);
        toolchains.0.learn(&known.language, state);
    };
    let busy = || Err("it was not done in time".to_owned());
    assert_eq!(prepare(busy()).await, 1);
    assert_eq!(prepare(busy()).await, 1, "not at once");
    failed_before(FIRST_PAUSE);
    assert_eq!(prepare(busy()).await, 2);
    failed_before(FIRST_PAUSE);
    assert_eq!(prepare(busy()).await, 2, "the pause has grown");
    failed_before(FIRST_PAUSE * 2);
    assert_eq!(prepare(Ok(())).await, 3);
    assert!(toolchains.list()[0].outcome.is_ok());
}
