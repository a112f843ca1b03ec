//! Charts from elsewhere: chart repositories over HTTP, OCI registries, and the credentials for
//! both.
//!
//! [`locate`] is the way from what the command line calls a chart to a folder or an archive on this
//! machine. What can be decided without asking anybody (indexes, ranges, digests, ranking) is in
//! the crate `chart`. Nothing here prints: what there is to say comes back as notes.

mod access;
mod cache;
mod connection;
mod credentials;
mod dependencies;
mod download;
mod error;
mod files;
mod helper;
mod http;
mod index_folder;
mod locate;
mod login;
mod loopback;
mod manifest;
mod oci;
mod places;
mod provenance;
mod reference;
mod repositories;
mod token;
mod unpack;

pub use access::{Access, Secret, TlsFiles};
pub use cache::{download_index, index_path, load_index, remove_index};
pub use credentials::{forget, store};
pub use dependencies::{DependencyManager, Listing, list_dependencies};
pub use download::{Downloaded, Downloader, Signature, Verify, underscore_note};
pub use error::RegistryError;
pub(crate) use error::shown;
pub use files::Lock;
pub(crate) use files::write_whole;
pub(crate) use http::get;
pub use index_folder::{IndexOptions, index_folder};
pub use locate::{LocateOptions, Located, find_in_repository, locate};
pub use login::login;
pub use oci::{Pushed, Registries};
pub use places::Places;
pub use provenance::{Keyring, ProvenanceError, Signer, Verification, verify_archive};
pub use reference::{OCI_PREFIX, OciReference, is_oci};
pub use repositories::{load_repositories, save_repositories};
pub use unpack::unpack;
