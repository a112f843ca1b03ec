//! Rendered text to manifests and hooks: splitting, reading heads, ordering.

mod head;
mod kinds;
mod sort;
mod split;

pub use head::Head;
pub use kinds::{INSTALL_ORDER, UNINSTALL_ORDER, compare_kinds, install_order, sort_by_kind};
pub use sort::{Hook, Manifest, SortError, sort_manifests};
pub use split::split_manifests;
