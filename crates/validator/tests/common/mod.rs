//! What the integration tests share.

pub(crate) mod s3_server;
