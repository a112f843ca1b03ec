//! Reads what is stored about a release, without the product's own code.
//!
//! Source: Helm 3 and 4, `pkg/storage/driver/util.go`: base64 of gzip of JSON, and base64 once more
//! by the Kubernetes API.

use std::io::Read;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Decodes the `release` key of a release Secret, as the API returns it.
///
/// # Errors
/// Names the layer that does not decode.
pub fn decode_record(data: &str) -> Result<Value> {
    let outer = STANDARD.decode(data).context("the Secret's base64")?;
    let inner = STANDARD.decode(outer).context("the record's base64")?;
    decode_gzip(&inner)
}

/// Decodes the `evidence` key of an evidence Secret, as the API returns it.
///
/// # Errors
/// Names the layer that does not decode.
pub fn decode_evidence(data: &str) -> Result<Value> {
    decode_gzip(&STANDARD.decode(data).context("the Secret's base64")?)
}

fn decode_gzip(bytes: &[u8]) -> Result<Value> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_string(&mut text)
        .context("the gzip layer")?;
    serde_json::from_str(&text).context("the JSON layer")
}
