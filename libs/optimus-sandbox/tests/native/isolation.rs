//! What boxes see of each other and of the host.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use optimus_common::{WorkerId, facts::RunEnd};
use optimus_sandbox::{
    Backend, BackendError, BoxSpec,
    native::{HostPath, HostRoot, NativeBackend, NativeError, Root, Roots},
};

use crate::{
    conformance::{Job, first_output, open},
    host::{settings, shell, start},
    roles::Place,
};

/// Holds everything by which a process might make itself known to one in another box.
const HOLDER: &str = r#"
exec perl -MSocket -MFcntl=:flock -e '
    open my $lock, "<", "/usr/bin/env" or die; flock $lock, LOCK_EX or die;
    open my $null, "<", "/dev/null" or die; flock $null, LOCK_EX or die;
    socket my $abstract, AF_UNIX, SOCK_STREAM, 0 or die;
    bind $abstract, pack("Sa*", AF_UNIX, "\0neighbour") or die; listen $abstract, 1 or die;
    socket my $tcp, AF_INET, SOCK_STREAM, 0 or die;
    bind $tcp, sockaddr_in(5555, INADDR_LOOPBACK) or die; listen $tcp, 1 or die;
    for (qw(/dev/shm/neighbour /tmp/neighbour /box/neighbour)) { open my $f, ">", $_ or die; }
    $| = 1; print "holding\n"; sleep 3333'
"#;

/// Looks for all of it, and says what it finds.
const SEEKER: &str = r#"
exec perl -MSocket -MFcntl=:flock -e '
    open my $lock, "<", "/usr/bin/env" or die; print "lock " unless flock $lock, LOCK_EX | LOCK_NB;
    open my $null, "<", "/dev/null" or die; print "device " unless flock $null, LOCK_EX | LOCK_NB;
    socket my $abstract, AF_UNIX, SOCK_STREAM, 0 or die;
    print "abstract " if connect $abstract, pack("Sa*", AF_UNIX, "\0neighbour");
    socket my $tcp, AF_INET, SOCK_STREAM, 0 or die;
    print "tcp " if connect $tcp, sockaddr_in(5555, INADDR_LOOPBACK);
    for (qw(/dev/shm/neighbour /tmp/neighbour /box/neighbour)) { print "$_ " if -e; }
    local $/;
    for (glob "/proc/[0-9]*/cmdline") { open my $f, "<", $_; print "$_ " if <$f> =~ /s[l]eep 3333/; }
    kill 0, 2 .. 9 and print "process ";
    print "end"'
"#;

pub(crate) async fn two_boxes_cannot_find_each_other(place: &Place) {
    let backend = start(place, WorkerId::new()).await;
    let mut holder = Job::shell(HOLDER).start(open(&backend, &shell()).await).await;
    let (mut sender, mut receiver) = holder.split();
    sender.test(0, b"").await.unwrap();
    first_output(&mut receiver).await;
    let found = Job::shell(SEEKER)
        .grade(open(&backend, &shell()).await, &[b""])
        .await;
    let stderr = String::from_utf8_lossy(&found[0].stderr);
    // Its own process is one of those that it may signal.
    assert_eq!(
        String::from_utf8_lossy(&found[0].stdout).replace("process ", ""),
        "end",
        "{stderr}"
    );
    // The same program finds all of it in its own box, so it would have found it in the other.
    let both = format!("({}) > /dev/null & sleep 1; {}", HOLDER.trim(), SEEKER.trim());
    let found = Job::shell(&both)
        .grade(open(&backend, &shell()).await, &[b""])
        .await;
    let stdout = String::from_utf8_lossy(&found[0].stdout);
    for trace in [
        "lock ",
        "device ",
        "abstract ",
        "tcp ",
        "/dev/shm/neighbour",
        "/proc/",
    ] {
        assert!(stdout.contains(trace), "{trace} is not found: {stdout}");
    }
}

pub(crate) async fn folders_may_have_any_name(place: &Place) {
    let host = tempfile::tempdir().unwrap();
    let names = [
        "a,b",
        "c:d",
        "e\\f",
        "g h\ni",
        "lowerdir=x",
        "-o ro",
        "ü",
        "%s$(id)",
    ];
    let mut paths: Vec<_> = settings(place).paths.iter().map(HostPath::same).collect();
    for name in names {
        let folder = host.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), name).unwrap();
        paths.push(HostPath {
            inside: Path::new("/shown").join(name),
            host: folder,
        });
    }
    let backend = with_paths(place, paths).await;
    for name in names {
        let program = format!("cat '/shown/{name}/file'; echo x 2>/dev/null > '/shown/{name}/file'");
        let runs = Job::shell(&program)
            .grade(open(&backend, &shell()).await, &[b""])
            .await;
        assert_eq!(String::from_utf8_lossy(&runs[0].stdout), name);
        assert_eq!(
            fs::read_to_string(host.path().join(name).join("file")).unwrap(),
            name
        );
    }
}

pub(crate) async fn a_place_outside_of_a_box_is_refused(place: &Place) {
    let secret = tempfile::tempdir().unwrap();
    for (inside, told) in [
        ("/../../etc", "is no place in a box"),
        ("relative", "is no place in a box"),
        ("/bin/below", "lies behind the link"),
    ] {
        let mut paths: Vec<_> = settings(place).paths.iter().map(HostPath::same).collect();
        paths.push(HostPath {
            host: secret.path().to_owned(),
            inside: inside.into(),
        });
        let backend = with_paths(place, paths).await;
        let error = backend.create(&shell()).await.unwrap_err();
        let BackendError::Unavailable { reason, .. } = error else {
            panic!("{error:?}");
        };
        assert!(reason.contains(told), "{inside}: {reason}");
    }
}

pub(crate) async fn another_runtime_is_not_to_be_had(place: &Place) {
    let backend = start(place, WorkerId::new()).await;
    let spec = BoxSpec {
        runtime: "runsc".to_owned(),
        ..shell()
    };
    let error = backend.create(&spec).await.unwrap_err();
    assert!(
        matches!(&error, BackendError::Unavailable { reason, .. } if reason.contains("runsc")),
        "{error:?}"
    );
}

/// A program prepares a folder, which its boxes then see and cannot change.
pub(crate) async fn a_language_is_prepared_once_and_then_read_only(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let paths: Vec<_> = settings(place).paths.iter().map(HostPath::same).collect();
    let root = |support: Option<&Path>| {
        Root::Host(HostRoot {
            paths: paths.clone(),
            path: "/usr/bin:/bin".to_owned(),
            support: support.map(Path::to_owned),
            ..HostRoot::default()
        })
    };
    let prepared = root(Some(folder.path()));
    let roots = Roots::new(move |_| Ok(prepared.clone()));
    let backend = NativeBackend::start(&settings(place), roots, WorkerId::new())
        .await
        .unwrap();
    let language = "shell".parse().unwrap();
    let script = |text: &str| ["sh", "-c", text].map(str::to_owned).to_vec();

    let write = script("cd /optimus/shell && mkdir sub && echo made > sub/file && ln -s /etc/shadow link");
    backend
        .prepare(&language, &root(None), folder.path(), &write)
        .await
        .unwrap();
    for name in ["", "sub", "sub/file", "link"] {
        let data = fs::symlink_metadata(folder.path().join(name)).unwrap();
        assert_eq!((data.uid(), data.gid()), (0, 0), "{name}");
    }
    let failed = backend
        .prepare(
            &language,
            &root(None),
            folder.path(),
            &script("echo so bad; exit 3"),
        )
        .await
        .unwrap_err();
    assert!(
        matches!(&failed, NativeError::Preparation(why) if why.contains("so bad") && why.contains('3')),
        "{failed:?}"
    );

    let look = "cat /optimus/shell/sub/file; echo x > /optimus/shell/sub/file; rm -r /optimus/shell/sub";
    let runs = Job::shell(look)
        .grade(open(&backend, &shell()).await, &[b""])
        .await;
    assert_eq!(runs[0].stdout, b"made\n");
    assert_ne!(runs[0].facts.end, RunEnd::Exited { code: 0 });
    assert_eq!(
        fs::read_to_string(folder.path().join("sub/file")).unwrap(),
        "made\n"
    );
}

async fn with_paths(place: &Place, paths: Vec<HostPath>) -> NativeBackend {
    let root = Root::Host(HostRoot {
        paths,
        path: "/usr/bin:/bin".to_owned(),
        ..HostRoot::default()
    });
    let roots = Roots::new(move |_| Ok(root.clone()));
    NativeBackend::start(&settings(place), roots, WorkerId::new())
        .await
        .unwrap()
}
