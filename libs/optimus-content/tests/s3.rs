//! The suite over a real S3 server, which runs on loopback.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use optimus_common::content::Digest;
use optimus_content::{
    ContentError, ContentStore, ObjectContent, Put, Rules,
    conformance::{Damage, StoreFactory},
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::OnceCell};

const BUCKET: &str = "bucket";
const KEY: &str = "AKEXAMPLES3S";
const SECRET: &str = "SKEXAMPLES3S";

struct Server {
    folder: TempDir,
    address: OnceCell<SocketAddr>,
}

impl Server {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        Self {
            folder,
            address: OnceCell::new(),
        }
    }

    /// For as long as the test's runtime is there.
    async fn start(&self) -> SocketAddr {
        let mut service = S3ServiceBuilder::new(FileSystem::new(self.folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let connection = hyper::server::conn::http1::Builder::new();
                let connection = connection.serve_connection(TokioIo::new(socket), service.clone());
                tokio::spawn(connection);
            }
        });
        address
    }

    async fn store(&self, rules: Rules, secret: &str) -> Result<ObjectContent, ContentError> {
        let address = self.address.get_or_init(|| self.start()).await;
        let options = [
            ("AWS_ENDPOINT", &*format!("http://{address}")),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ];
        ObjectContent::open_url(&format!("s3://{BUCKET}/some/where"), &options, rules).await
    }

    fn versions(&self, digest: Digest) -> Vec<PathBuf> {
        let folder = self
            .folder
            .path()
            .join(format!("{BUCKET}/some/where/kept/{digest}"));
        let versions = fs::read_dir(folder).unwrap();
        versions.map(|version| version.unwrap().path()).collect()
    }
}

#[async_trait]
impl StoreFactory for Server {
    async fn open(&self, rules: Rules) -> Arc<dyn ContentStore> {
        Arc::new(self.store(rules, SECRET).await.unwrap())
    }

    /// S3 tells times in whole seconds.
    fn tick(&self) -> Duration {
        Duration::from_millis(1100)
    }

    fn beside(&self) -> u64 {
        512
    }

    async fn damage(&self, digest: Digest, damage: Damage) {
        for version in self.versions(digest) {
            match damage {
                Damage::Changed => {
                    let mut file = File::options().write(true).open(version).unwrap();
                    file.seek(SeekFrom::Start(7)).unwrap();
                    file.write_all(b"another").unwrap();
                }
                // It is lost as a whole.
                Damage::CutOff => fs::remove_file(version).unwrap(),
            }
        }
    }
}

optimus_content::content_conformance_tests!(crate::Server::new());

fn rules() -> Rules {
    Rules {
        max_bytes: 64 << 20,
        max_total_bytes: 1 << 30,
        retention: Duration::from_hours(1),
        min_kept: Duration::from_hours(1),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_a_part_comes_back_unchanged() {
    let server = Server::new();
    let store = server.open(rules()).await;
    let bytes: Vec<_> = (0..=u8::MAX).cycle().step_by(3).take(12_000_001).collect();
    let digest = Digest::from(<[u8; 32]>::from(Sha256::digest(&bytes)));
    let mut incoming = store.begin(digest).await.unwrap();
    for chunk in bytes.chunks(100_000) {
        incoming.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    assert_eq!(incoming.finish().await.unwrap(), Put::New);
    let content = store.get(digest).await.unwrap().unwrap();
    assert!(content.into_bytes(1 << 30).await.unwrap()[..] == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lets_nobody_in_is_no_store() {
    let server = Server::new();
    let refused = server.store(rules(), "another").await.unwrap_err();
    assert!(matches!(refused, ContentError::Unavailable(_)), "{refused:?}");
    let nowhere = ObjectContent::open_url("s3:/bucket", &[], rules())
        .await
        .unwrap_err();
    assert!(matches!(nowhere, ContentError::Misconfigured(_)), "{nowhere:?}");
}

/// As in an image that has no such file: only where certificates are needed is that an error.
#[test]
fn certificates_are_needed_for_https_alone() {
    const SEARCHED: &str = "OPTIMUS_TEST_WITHOUT_ROOTS";
    if std::env::var_os(SEARCHED).is_none() {
        // Whom to trust is in the environment of the process.
        let nothing = tempfile::tempdir().unwrap();
        let again = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "certificates_are_needed_for_https_alone",
                "--nocapture",
            ])
            .env(SEARCHED, "")
            .env("SSL_CERT_FILE", "/dev/null")
            .env("SSL_CERT_DIR", nothing.path())
            .output()
            .unwrap();
        assert!(
            again.status.success(),
            "{}",
            String::from_utf8_lossy(&again.stderr)
        );
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = Server::new();
        let store = server.store(rules(), SECRET).await.unwrap();
        store.identity().await.unwrap();
        let https = [
            ("AWS_ENDPOINT", "https://127.0.0.1:1"),
            ("AWS_ACCESS_KEY_ID", KEY),
        ];
        let refused = ObjectContent::open_url("s3://bucket", &https, rules())
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, ContentError::Misconfigured(why) if why.contains("ca-certificates")),
            "{refused}"
        );
    });
}
