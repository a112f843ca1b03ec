//! Which row groups belong to a shard, and what the shards have read together.
//!
//! All files, in the order of their names, are laid end to end; shard i of n has the i-th of n
//! equal stretches of their bytes, and the row groups whose middle lies within. The listing alone
//! sets the stretches, so a shard opens only the files that touch its own, and each row group
//! belongs to exactly one shard.
//!
//! Source: the rule by which Hadoop's Parquet input splits choose row groups.

use std::collections::BTreeMap;
use std::ops::Range;

use parquet::file::metadata::RowGroupMetaData;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::nulls::Dropped;
use super::source::Object;
use super::stream::{Evidence, Tally};

/// One of so many shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which, from 0.
    pub index: u32,
    /// How many there are, at least 1.
    pub of: u32,
}

impl Share {
    /// The only shard.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Returns the stretch of all bytes that belongs to the shard.
    fn stretch(self, bytes_total: u64) -> Range<u64> {
        let cut = |index: u32| {
            let before = u128::from(bytes_total) * u128::from(index) / u128::from(self.of);
            u64::try_from(before).unwrap_or(u64::MAX)
        };
        cut(self.index)..cut(self.index + 1)
    }
}

/// A file with the places of its bytes among those of all files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    start: u64,
    bytes: u64,
    stretch_start: u64,
    stretch_end: u64,
}

impl Extent {
    /// Tells whether a row group belongs to the shard.
    pub(super) fn holds(&self, row_group: &RowGroupMetaData) -> bool {
        let first = row_group
            .columns()
            .iter()
            .map(|column| {
                let dictionary = column.dictionary_page_offset();
                dictionary.unwrap_or_else(|| column.data_page_offset())
            })
            .map(|offset| u64::try_from(offset).unwrap_or_default())
            .min()
            .unwrap_or_default();
        let half = u64::try_from(row_group.compressed_size()).unwrap_or_default() / 2;
        // Whatever a footer says, the place is within the file, and so in one stretch.
        let middle = first.saturating_add(half).min(self.bytes.saturating_sub(1));
        (self.stretch_start..self.stretch_end).contains(&(self.start + middle))
    }
}

/// Returns the files that touch a shard's stretch, by their position among all.
pub(super) fn files_of<'a>(
    files: impl Iterator<Item = &'a Object> + Clone,
    share: Share,
) -> Vec<(usize, Extent)> {
    let total = files.clone().map(|file| file.bytes).sum();
    let stretch = share.stretch(total);
    let mut start = 0;
    let mut touching = Vec::new();
    for (index, file) in files.enumerate() {
        let end = start + file.bytes;
        if start < stretch.end && stretch.start < end {
            let extent = Extent {
                start,
                bytes: file.bytes,
                stretch_start: stretch.start,
                stretch_end: stretch.end,
            };
            touching.push((index, extent));
        }
        start = end;
    }
    touching
}

/// What a shard has read of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRead {
    /// The file's position in the listing, from 0.
    pub file: u64,
    /// Its name relative to the dataset.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// How many row groups it has.
    pub row_groups: u64,
    /// Those that this shard has read.
    pub read: Vec<RowGroupRead>,
    /// Their rows that were left out for nulls.
    #[serde(default, skip_serializing_if = "Dropped::is_none")]
    pub dropped: Dropped,
}

/// A row group that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowGroupRead {
    /// Its number within the file, from 0.
    pub row_group: u64,
    /// Its rows that were used.
    pub rows: u64,
    /// The SHA-256 of features and labels, in hexadecimal.
    pub digest: String,
}

/// Why what shards have read is not the dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoverageError {
    /// A file that no shard has opened.
    #[error("file {file} of the listing (counted from 0) was read by no shard")]
    File {
        /// Its position.
        file: u64,
    },
    /// A row group that is not there exactly once.
    #[error("row group {row_group} of `{name}` was read {times} times, not once")]
    RowGroup {
        /// The file.
        name: String,
        /// The row group.
        row_group: u64,
        /// How often.
        times: usize,
    },
    /// Two shards saw different files.
    #[error("shards tell different things of `{name}`")]
    Differs {
        /// The file.
        name: String,
    },
    /// A digest that is none.
    #[error("`{digest}` is no digest of a row group")]
    Digest {
        /// What stands there.
        digest: String,
    },
}

/// Puts together what the shards have read, as one machine would tell it.
///
/// # Errors
/// [`CoverageError`] unless each row group of each of `files_total` files was read exactly once.
pub fn joined(
    shards: impl IntoIterator<Item = Vec<FileRead>>,
    files_total: u64,
) -> Result<Evidence, CoverageError> {
    let mut files: BTreeMap<u64, FileRead> = BTreeMap::new();
    for read in shards.into_iter().flatten() {
        match files.get_mut(&read.file) {
            None => {
                files.insert(read.file, read);
            }
            Some(known) => {
                let of = |file: &FileRead| (file.name.clone(), file.bytes, file.row_groups);
                if of(known) != of(&read) {
                    return Err(CoverageError::Differs { name: read.name });
                }
                known.read.extend(read.read);
                known.dropped.add(&read.dropped);
            }
        }
    }
    let mut tally = Tally::default();
    for file in 0..files_total {
        let mut read = files.remove(&file).ok_or(CoverageError::File { file })?;
        read.read.sort_by_key(|group| group.row_group);
        let mut digest = Sha256::new();
        let mut rows = 0;
        for row_group in 0..read.row_groups {
            let same = |group: &&RowGroupRead| group.row_group == row_group;
            let from = read
                .read
                .partition_point(|group| group.row_group < row_group);
            let times = read.read[from..].iter().take_while(same).count();
            if times != 1 {
                return Err(CoverageError::RowGroup {
                    name: read.name,
                    row_group,
                    times,
                });
            }
            let group = &read.read[from];
            let bytes = hex::decode(&group.digest)
                .ok()
                .filter(|bytes| bytes.len() == 32);
            digest.update(bytes.ok_or_else(|| CoverageError::Digest {
                digest: group.digest.clone(),
            })?);
            rows += group.rows;
        }
        if let Some(beyond) = read
            .read
            .last()
            .filter(|last| last.row_group >= read.row_groups)
        {
            return Err(CoverageError::RowGroup {
                name: read.name,
                row_group: beyond.row_group,
                times: 1,
            });
        }
        tally.add(&read, rows, digest.finalize().into());
    }
    if let Some((_, beyond)) = files.pop_first() {
        return Err(CoverageError::Differs { name: beyond.name });
    }
    Ok(tally.evidence())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(bytes: u64) -> Object {
        Object {
            name: format!("{bytes}.parquet"),
            uri: String::new(),
            bytes,
            pin: String::new(),
        }
    }

    fn read(file: u64, groups: &[u64]) -> FileRead {
        FileRead {
            file,
            name: format!("{file}.parquet"),
            bytes: 100,
            row_groups: 3,
            read: groups
                .iter()
                .map(|&row_group| RowGroupRead {
                    row_group,
                    rows: 10,
                    digest: format!("{:064x}", file * 10 + row_group),
                })
                .collect(),
            dropped: dropped(groups.len() as u64),
        }
    }

    /// One row of each row group has a null.
    fn dropped(rows: u64) -> Dropped {
        let columns = [("x", rows), ("y", 2 * rows)];
        let columns = columns.map(|(name, rows)| (name.to_owned(), rows));
        Dropped {
            rows,
            columns: columns.into_iter().filter(|(_, rows)| *rows > 0).collect(),
        }
    }

    #[test]
    fn any_split_is_put_together_to_the_same_evidence() {
        let whole = joined([vec![read(0, &[0, 1, 2]), read(1, &[0, 1, 2])]], 2).expect("complete");
        let split = joined(
            [
                vec![read(0, &[0]), read(1, &[])],
                vec![read(1, &[2])],
                vec![read(0, &[1, 2]), read(1, &[0, 1])],
            ],
            2,
        )
        .expect("complete");
        assert_eq!(whole, split);
        assert_eq!((whole.rows_total, whole.files_total), (60, 2));
        assert_eq!(whole.dropped, dropped(6));
        assert_eq!(whole.files[1].rows_dropped, 3);
    }

    #[test]
    fn what_is_missing_or_there_twice_is_named() {
        let missing = joined([vec![read(0, &[0, 2])]], 1).expect_err("row group 1");
        assert!(
            missing
                .to_string()
                .contains("row group 1 of `0.parquet` was read 0 times")
        );
        let twice = joined([vec![read(0, &[0, 1, 2])], vec![read(0, &[1])]], 1);
        assert!(matches!(
            twice,
            Err(CoverageError::RowGroup { times: 2, .. })
        ));
        let unread = joined([vec![read(0, &[0, 1, 2])]], 2);
        assert_eq!(unread, Err(CoverageError::File { file: 1 }));
        let beyond = joined([vec![read(0, &[0, 1, 2, 3])]], 1);
        assert!(matches!(
            beyond,
            Err(CoverageError::RowGroup { row_group: 3, .. })
        ));
        let mut other = read(0, &[1]);
        other.bytes = 99;
        let differs = joined([vec![read(0, &[0, 2])], vec![other]], 1);
        assert!(matches!(differs, Err(CoverageError::Differs { .. })));
    }

    proptest! {
        /// Every byte, and so every row group, is in exactly one stretch.
        #[test]
        fn stretches_cover_all_bytes_once(
            sizes in prop::collection::vec(1u64..50, 1..20),
            of in 1u32..12,
        ) {
            let files: Vec<Object> = sizes.iter().map(|&bytes| object(bytes)).collect();
            let total: u64 = sizes.iter().sum();
            let mut owners = vec![0; usize::try_from(total).expect("small")];
            let mut opened = vec![0; files.len()];
            for index in 0..of {
                let stretch = Share { index, of }.stretch(total);
                for byte in stretch {
                    owners[usize::try_from(byte).expect("small")] += 1;
                }
                for (file, _) in files_of(files.iter(), Share { index, of }) {
                    opened[file] += 1;
                }
            }
            prop_assert!(owners.iter().all(|&owners| owners == 1));
            prop_assert!(opened.iter().all(|&opened| opened >= 1));
        }
    }
}
