//! PEM: base64 between two lines that name what it is.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A decoded block.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) content: Vec<u8>,
}

/// Writes a block with lines of 64 characters.
pub(super) fn encode(label: &str, content: &[u8]) -> String {
    let mut out = format!("-----BEGIN {label}-----\n");
    let text = STANDARD.encode(content);
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// Reads the first block of a text.
pub(super) fn decode(text: &str) -> Option<Block> {
    let mut search = text;
    loop {
        let start = search.find("-----BEGIN ")?;
        let after = &search[start + "-----BEGIN ".len()..];
        if let Some(block) = block(after) {
            return Some(block);
        }
        search = after;
    }
}

fn block(text: &str) -> Option<Block> {
    let (label, body) = text.split_once("-----")?;
    let end = format!("-----END {label}-----");
    let body = &body[..body.find(&end)?];
    let digits: String = body.lines().filter(|line| !line.contains(':')).collect();
    let digits: String = digits.split_whitespace().collect();
    Some(Block {
        label: label.to_owned(),
        content: STANDARD.decode(digits).ok()?,
    })
}
