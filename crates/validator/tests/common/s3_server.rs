//! An S3 server on a folder, in this process, that verifies signatures.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(crate) const ACCESS_KEY: &str = "AKIDVALIDATORTESTS";
pub(crate) const SECRET_KEY: &str = "a secret for tests only";

/// A running server; it stops when dropped.
pub(crate) struct S3Server {
    folder: TempDir,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl S3Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a non-blocking listener");
        let address = listener.local_addr().expect("an address");
        let service = service(folder.path());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("within the runtime");
            accept(listener, service).await;
        });
        Self {
            folder,
            address,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The folder whose sub-folders are buckets.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root().join(bucket).join(key)
    }

    pub(crate) fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let path = self.path(bucket, key);
        let parent = path.parent().expect("a key below a bucket");
        std::fs::create_dir_all(parent).expect("a folder");
        std::fs::write(path, bytes).expect("an object");
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Tests drop a server within their own runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

fn service(root: &Path) -> S3Service {
    let files = s3s_fs::FileSystem::new(root).expect("a served folder");
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    builder.build()
}

async fn accept(listener: TcpListener, service: S3Service) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let service = service.clone();
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            // A connection that breaks concerns its client, which reports it.
            let _ = builder
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}
