//! OCI images: one staged folder, one recipe.

pub(crate) mod digest;
