//! Chart repositories as data: the list of them, their indexes, and the search in these.
//!
//! Fetching and storing them is the deployer's; nothing here reads a file or asks a server.

mod index;
mod list;
mod search;
mod urls;

pub use index::{ChartVersion, Index, IndexError, NotFound, ParsedIndex};
pub use list::{Repository, RepositoryList};
pub use search::{Found, SearchError, Term, search};
pub use urls::{below, equal, file_name, join, resolve};
