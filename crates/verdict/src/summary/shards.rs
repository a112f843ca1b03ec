//! Whether a set of runs is complete and belongs together.

use super::RunHeader;

/// Why runs must not be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// There is nothing to merge.
    #[error("there are no shards")]
    None,
    /// Two runs were made from different models, datasets or settings.
    #[error("shards {first} and {second} were made from different models, data or settings")]
    Mixed {
        /// A shard.
        first: u32,
        /// One that does not match it.
        second: u32,
    },
    /// The runs disagree about how many there are.
    #[error("shard {shard} says that there are {found} shards, others say {expected}")]
    Number {
        /// The shard that disagrees.
        shard: u32,
        /// What it says.
        found: u32,
        /// What the first one says.
        expected: u32,
    },
    /// A shard is there twice; its rows would count twice.
    #[error("shard {shard} is there more than once")]
    Repeated {
        /// Which.
        shard: u32,
    },
    /// A shard is not there; the result would not be that of all rows.
    #[error("shard {shard} of {shards} is missing")]
    Missing {
        /// The first that is not there.
        shard: u32,
        /// How many there should be.
        shards: u32,
    },
    /// An index that cannot be.
    #[error("a shard has the index {shard} of {shards}")]
    Index {
        /// The index.
        shard: u32,
        /// How many there should be.
        shards: u32,
    },
}

/// Checks that every shard is there exactly once and all have the same identity.
///
/// # Errors
/// [`ShardError`]: merging would give the result of other rows than all of them.
pub fn check_shards(headers: &[RunHeader]) -> Result<(), ShardError> {
    let first = headers.first().ok_or(ShardError::None)?;
    let shards = first.shards;
    let mut indices = Vec::with_capacity(headers.len());
    for header in headers {
        let shard = header.shard;
        if header.shards != shards {
            return Err(ShardError::Number {
                shard,
                found: header.shards,
                expected: shards,
            });
        }
        if shard >= shards {
            return Err(ShardError::Index { shard, shards });
        }
        if header.identity != first.identity || header.weighted != first.weighted {
            return Err(ShardError::Mixed {
                first: first.shard,
                second: shard,
            });
        }
        indices.push(shard);
    }
    indices.sort_unstable();
    if let Some(pair) = indices.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(ShardError::Repeated { shard: pair[0] });
    }
    let missing = (0..)
        .zip(&indices)
        .find(|(expected, found)| expected != *found);
    match missing {
        Some((shard, _)) => Err(ShardError::Missing { shard, shards }),
        None if indices.len() < shards as usize => Err(ShardError::Missing {
            shard: indices.len() as u32,
            shards,
        }),
        None => Ok(()),
    }
}
