//! What a shard has written, for people and programs.

use serde::Serialize;

use super::numbers::{bytes, count};
use crate::dataset::Share;
use crate::run::ShardWritten;

/// Says in a line what a shard has scored and where its summary lies.
#[must_use]
pub fn render_shard(share: Share, written: &ShardWritten) -> String {
    let plural = |number: u64, one: &str| {
        let ending = if number == 1 { "" } else { "s" };
        format!("{} {one}{ending}", count(number))
    };
    let dropped = match written.rows_dropped {
        0 => String::new(),
        rows => format!(" ({} more dropped for nulls)", count(rows)),
    };
    format!(
        "shard {} of {}: {}{dropped} in {} of {} -> {} ({})\n",
        share.index,
        share.of,
        plural(written.rows, "row"),
        plural(written.row_groups, "row group"),
        plural(written.files, "file"),
        written.uri,
        bytes(written.bytes)
    )
}

/// The same as JSON.
#[derive(Serialize)]
struct ShardReport<'a> {
    kind: &'static str,
    schema_version: u32,
    shard: u32,
    shards: u32,
    rows: u64,
    rows_dropped: u64,
    row_groups: u64,
    files: u64,
    summary: &'a str,
    summary_bytes: u64,
}

/// Says the same as JSON, `validator/shard` of version 1.
#[must_use]
pub fn render_shard_json(share: Share, written: &ShardWritten) -> String {
    let report = ShardReport {
        kind: "validator/shard",
        schema_version: 1,
        shard: share.index,
        shards: share.of,
        rows: written.rows,
        rows_dropped: written.rows_dropped,
        row_groups: written.row_groups,
        files: written.files,
        summary: &written.uri,
        summary_bytes: written.bytes,
    };
    // Plain values with text keys cannot fail to become JSON.
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}
