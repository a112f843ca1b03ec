//! How large a record is as it is stored, and which of its parts make it so (pure).

use std::fmt;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::Value;

use super::{CodecError, Release, encode};

/// How many parts are named.
const PARTS_MAX: usize = 5;
/// How many parts are packed to find the largest.
const CANDIDATES_MAX: usize = 30;
/// Room for what is written into a record later: state, description, the outcome of each hook.
const GROWTH_BYTES: usize = 8 << 10;
const GROWTH_BYTES_PER_HOOK: usize = 256;
/// The most bytes of a description in a record; the evidence has the whole text.
pub const DESCRIPTION_BYTES_MAX: usize = 4 << 10;

/// A part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPart {
    /// What it is, such as `file data/model.bin of the chart`.
    pub what: String,
    /// Its bytes in the record's JSON.
    pub bytes: usize,
    /// About what it takes of the stored record: its own bytes, packed.
    pub bytes_packed: usize,
}

impl fmt::Display for RecordPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {} KiB, {} KiB as it is stored",
            self.what,
            self.bytes.div_ceil(1 << 10),
            self.bytes_packed.div_ceil(1 << 10)
        )
    }
}

/// The size of a record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSize {
    /// Bytes of the stored text.
    pub bytes: usize,
    /// Bytes that it may come to have when the operation ends.
    pub bytes_at_end: usize,
    /// The largest parts, largest first.
    pub parts: Vec<RecordPart>,
}

impl RecordSize {
    /// Measures a record that may be too large for `bytes_max`; none when it is far from that.
    ///
    /// # Errors
    /// [`CodecError::Json`] when a value has no JSON form.
    pub fn of(release: &Release, bytes_max: usize) -> Result<Option<Self>, CodecError> {
        let growth = GROWTH_BYTES + GROWTH_BYTES_PER_HOOK * release.hooks.len();
        let unpacked = serde_json::to_vec(release).map_err(CodecError::Json)?.len();
        // Packing never adds a percent, and base64 makes four bytes of three.
        if (unpacked + unpacked / 100) / 3 * 4 + growth < bytes_max / 10 * 9 {
            return Ok(None);
        }
        let bytes = encode(release)?.len();
        if bytes + growth < bytes_max / 10 * 9 {
            return Ok(None);
        }
        Ok(Some(Self {
            bytes,
            bytes_at_end: bytes + growth,
            parts: largest(release, bytes),
        }))
    }
}

/// Returns the largest parts of a record as stored; what takes less than a twentieth of its
/// `bytes_total` explains nothing.
fn largest(release: &Release, bytes_total: usize) -> Vec<RecordPart> {
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |what: String, bytes: Vec<u8>| parts.push((what, bytes));
    add("the manifests".into(), json(&release.manifest));
    add("the values given".into(), json(&release.config));
    add("the notes".into(), json(&release.info.notes));
    for hook in &release.hooks {
        let what = format!("the manifest of hook `{}`", hook.name);
        add(what, json(&hook.manifest));
    }
    for (list, word) in [("templates", "template"), ("files", "file")] {
        for file in release.chart[list].as_array().into_iter().flatten() {
            let name = file["name"].as_str().unwrap_or_default();
            add(format!("{word} `{name}` of the chart"), json(&file["data"]));
        }
    }
    for (field, word) in [("values", "the values"), ("schema", "the values' schema")] {
        add(format!("{word} of the chart"), json(&release.chart[field]));
    }
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.len()));
    parts.truncate(CANDIDATES_MAX);
    let mut parts: Vec<RecordPart> = parts
        .into_iter()
        .map(|(what, bytes)| RecordPart {
            what,
            bytes: bytes.len(),
            bytes_packed: packed(&bytes),
        })
        .collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes_packed));
    let mut rank = 0;
    parts.retain(|part| {
        rank += 1;
        rank == 1 || (rank <= PARTS_MAX && part.bytes_packed * 20 >= bytes_total)
    });
    parts
}

fn json(value: &impl Serialize) -> Vec<u8> {
    match serde_json::to_value(value) {
        Ok(Value::Null) | Err(_) => Vec::new(),
        Ok(value) => value.to_string().into_bytes(),
    }
}

/// Returns the bytes of the stored text that these bytes alone would take.
fn packed(bytes: &[u8]) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.map_or(bytes.len(), |packed| packed.len()) / 3 * 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Text that does not pack.
    fn noise(bytes: usize) -> String {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + u8::try_from(state % 90).unwrap_or_default())
        })
        .take(bytes)
        .collect()
    }

    fn release(file: &str, manifest: &str) -> Release {
        serde_json::from_value(json!({
            "name": "web", "namespace": "prod", "version": 1, "manifest": manifest,
            "chart": {"metadata": {"name": "web"}, "templates": [{"name": "templates/a.yaml", "data": "eA=="}],
                      "files": [{"name": "data/model.bin", "data": file}]},
        }))
        .expect("a release")
    }

    #[test]
    fn a_small_record_is_not_measured_at_length() {
        let measured = RecordSize::of(&release("eA==", "---\n"), 1 << 20).expect("a size");
        assert_eq!(measured, None);
    }

    #[test]
    fn the_largest_part_is_the_one_that_does_not_pack() {
        let plain = "a: b\n".repeat(400_000);
        let size = RecordSize::of(&release(&noise(1_000_000), &plain), 1 << 20)
            .expect("a size")
            .expect("it is large");
        assert!(size.bytes > 1 << 20, "{size:?}");
        assert_eq!(size.parts[0].what, "file `data/model.bin` of the chart");
        assert!(size.parts[0].bytes_packed > 800_000 && size.parts[0].bytes_packed < size.bytes);
        assert_eq!(size.parts.len(), 1, "{size:?}");
    }
}
