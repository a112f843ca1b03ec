//! Whether shards belong together and are all there.

use verdict::summary::shards::check_shards;
use verdict::summary::{KeyWidth, RunHeader};

use super::error::ShardsError;
use super::file::{Identity, ShardFile};

/// What an identity tells of one thing.
type Told = fn(&Identity) -> String;

/// Checks that the shards are of one run, each there exactly once, and of the gate that is asked.
///
/// # Errors
/// [`ShardsError`] that names the first two that do not fit, or the first that is missing.
pub fn check(shards: &[ShardFile], gate_digest: &str) -> Result<(), ShardsError> {
    let first = shards.first().ok_or(ShardsError::None)?;
    let what: [(&'static str, Told); 6] = [
        ("the validator's version", |identity| {
            identity.validator_version.clone()
        }),
        ("the number of shards", |identity| {
            identity.shards.to_string()
        }),
        ("the gate", |identity| identity.gate_digest.clone()),
        ("the model's SHA-256", |identity| {
            identity.model_sha256.clone()
        }),
        ("the dataset's listing", |identity| {
            identity.listing_digest.clone()
        }),
        ("the number of files", |identity| {
            identity.files_total.to_string()
        }),
    ];
    for other in &shards[1..] {
        for (what, of) in what {
            let (left, right) = (of(&first.facts.identity), of(&other.facts.identity));
            if left != right {
                return Err(ShardsError::Differs {
                    what,
                    first: first.name.clone(),
                    second: other.name.clone(),
                    left,
                    right,
                });
            }
        }
    }
    let headers: Vec<RunHeader> = shards
        .iter()
        .map(|shard| RunHeader {
            width: KeyWidth::Single,
            weighted: false,
            identity: shard.facts.identity.digest(),
            shard: shard.facts.shard,
            shards: shard.facts.identity.shards,
        })
        .collect();
    check_shards(&headers)?;
    if first.facts.identity.gate_digest != gate_digest {
        return Err(ShardsError::OtherGate {
            found: first.facts.identity.gate_digest.clone(),
            expected: gate_digest.to_owned(),
        });
    }
    Ok(())
}
