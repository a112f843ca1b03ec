//! An S3 server on a folder, in this process: it verifies SigV4 signatures, pages listings, serves
//! ranges and denies what it is told to deny.
//!
//! Bucket `b` is the folder `ROOT/b`; an object is a file below it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The bucket that exists and that no credentials may read.
pub const FORBIDDEN_BUCKET: &str = "forbidden";

/// A key and its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key's id.
    pub access_key: String,
    /// The secret that signs requests.
    pub secret_key: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            access_key: "AKIAE2ETESTSUITE".to_owned(),
            secret_key: "e2e-secret-for-tests-only".to_owned(),
        }
    }
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    root: PathBuf,
    credentials: Credentials,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `root` on loopback, on a free port.
    ///
    /// # Errors
    /// Fails when the folder or the port cannot be had.
    pub fn start(root: &Path) -> Result<Self> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_on(root, Credentials::default(), &[loopback])
    }

    /// Serves `root` on loopback and on another address of this machine, each on a free port.
    ///
    /// # Errors
    /// Fails when the folder or a port cannot be had.
    pub fn start_for_pods(root: &Path, host: IpAddr) -> Result<Self> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let outside = SocketAddr::from((host, 0));
        Self::start_on(root, Credentials::default(), &[loopback, outside])
    }

    /// Serves `root` on the given addresses; port 0 asks for a free one.
    ///
    /// # Errors
    /// Fails when the folder cannot be opened or an address cannot be bound.
    pub fn start_on(root: &Path, credentials: Credentials, wanted: &[SocketAddr]) -> Result<Self> {
        std::fs::create_dir_all(root)?;
        let service = service(root, &credentials)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let listeners = wanted
            .iter()
            .map(|address| {
                runtime
                    .block_on(TcpListener::bind(address))
                    .with_context(|| format!("failed to listen on {address}"))
            })
            .collect::<Result<Vec<_>>>()?;
        let addresses = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<std::io::Result<Vec<_>>>()?;
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("s3-server".to_owned())
            .spawn(move || {
                for listener in listeners {
                    runtime.spawn(accept(listener, service.clone()));
                }
                runtime.block_on(wait_for_stop(stopped));
                runtime.shutdown_background();
            })?;
        Ok(Self {
            root: root.to_path_buf(),
            credentials,
            addresses,
            stop,
            thread: Some(thread),
        })
    }

    /// Returns the endpoint on the first address.
    pub fn endpoint(&self) -> String {
        self.endpoints()
            .next()
            .expect("a server listens on one address at least")
    }

    /// Returns the endpoint on the last address, which is the one that pods reach.
    pub fn endpoint_for_pods(&self) -> String {
        self.endpoints()
            .last()
            .expect("a server listens on one address at least")
    }

    /// Returns the endpoints in the order in which the addresses were given.
    pub fn endpoints(&self) -> impl Iterator<Item = String> {
        self.addresses
            .iter()
            .map(|address| format!("http://{address}"))
    }

    /// Returns the credentials that the server accepts.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the environment by which an AWS client reaches the server from this machine.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", self.credentials.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.credentials.secret_key.clone()),
        ]
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// Fails when the folder cannot be made.
    pub fn bucket(&self, bucket: &str) -> Result<()> {
        Ok(std::fs::create_dir_all(self.root.join(bucket))?)
    }

    /// Copies a file, or a folder with all that is below it, to `s3://BUCKET/KEY`.
    ///
    /// # Errors
    /// Fails when the source cannot be read.
    pub fn put(&self, bucket: &str, key: &str, source: &Path) -> Result<()> {
        let target = self.root.join(bucket).join(key);
        copy_all(source, &target).with_context(|| {
            format!(
                "failed to copy `{}` to s3://{bucket}/{key}",
                source.display()
            )
        })
    }

    /// Tells whether there is such an object.
    pub fn has(&self, bucket: &str, key: &str) -> bool {
        self.root.join(bucket).join(key).is_file()
    }

    /// Writes an object.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn write(&self, bucket: &str, key: &str, bytes: &[u8]) -> Result<()> {
        let target = self.root.join(bucket).join(key);
        let folder = target
            .parent()
            .ok_or_else(|| anyhow!("`{key}` is no key"))?;
        std::fs::create_dir_all(folder)?;
        Ok(std::fs::write(target, bytes)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the server thread has already gone.
        let _gone = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Denies everything in [`FORBIDDEN_BUCKET`], and everything without credentials.
struct ForbiddenBucket;

#[async_trait::async_trait]
impl S3Access for ForbiddenBucket {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let forbidden = context.s3_path().get_bucket_name() == Some(FORBIDDEN_BUCKET);
        if forbidden || context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(())
    }
}

fn service(root: &Path, credentials: &Credentials) -> Result<S3Service> {
    let files = s3s_fs::FileSystem::new(root)
        .map_err(|error| anyhow!("failed to serve `{}`: {error:?}", root.display()))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(
        credentials.access_key.clone(),
        credentials.secret_key.clone(),
    ));
    builder.set_access(ForbiddenBucket);
    Ok(builder.build())
}

async fn accept(listener: TcpListener, service: S3Service) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // The client went away between its knock and our answer.
            continue;
        };
        // Else each answer of two segments waits for the client's delayed acknowledgement, 40 ms. An
        // error means that the client has gone.
        let _gone = socket.set_nodelay(true);
        let service = service.clone();
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            // A connection that breaks concerns its client, which reports it.
            let _broken = builder
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn wait_for_stop(mut stopped: watch::Receiver<bool>) {
    // An error means that the handle is gone, which is a stop as well.
    let _handle_gone = stopped.wait_for(|stop| *stop).await;
}

fn copy_all(source: &Path, target: &Path) -> Result<()> {
    if source.is_dir() {
        std::fs::create_dir_all(target)?;
        for entry in std::fs::read_dir(source)? {
            let entry = entry?;
            copy_all(&entry.path(), &target.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(source, target)?;
    Ok(())
}
