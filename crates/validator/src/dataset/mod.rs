//! Datasets: labelled Parquet files on S3 or on this machine, as a stream of checked rows.
//!
//! [`Location`] -> [`ObjectSource`] (list, read ranges) -> [`Dataset`] (footers, columns) ->
//! [`RowBatches`] (rows and labels). Nothing here scores, and nothing holds all rows.

mod columns;
#[cfg(test)]
mod columns_tests;
mod error;
mod local;
mod location;
mod nulls;
mod partition;
mod put;
mod ranges;
mod reader;
mod s3;
mod s3_client;
mod s3_error;
mod s3_identity;
mod s3_region;
mod share;
mod source;
mod stream;
mod values;
#[cfg(test)]
mod values_tests;

use std::sync::Arc;

pub use columns::{ColumnError, ColumnSelection, Columns, FeatureSelection};
pub use error::DatasetError;
pub use local::LocalSource;
pub use location::{Location, LocationError};
pub use nulls::{Dropped, NullPolicy};
pub use partition::{Comparison, FileFilter, Relation, split_pattern};
pub use put::{put, put_file};
pub use s3::S3Source;
pub use s3_client::S3Client;
pub use s3_identity::s3_identity;
pub use share::{CoverageError, FileRead, RowGroupRead, Share, joined};
pub use source::{Cause, Object, ObjectSource, SourceError, is_hidden};
pub use stream::{Evidence, FILES_LISTED_MAX, RowBatches};
pub use values::{LabelsSeen, RowBatch, RowNumbers, ValueError};

use columns::resolve;
use partition::partitions;
use stream::{OpenFile, Plan, open_file};

/// Endings of files that are read below a folder or prefix.
const ENDINGS: [&str; 3] = [".parquet", ".parq", ".pq"];

/// A listed dataset whose columns are known.
#[derive(Debug)]
pub struct Dataset {
    source: Arc<dyn ObjectSource>,
    files: Vec<Arc<Object>>,
    skipped: Vec<String>,
    selection: ColumnSelection,
    columns: Columns,
    first: OpenFile,
}

impl Dataset {
    /// Lists the files and reads the footer of the first, which sets label and features for
    /// all.
    ///
    /// # Errors
    /// [`DatasetError`]; nothing is left open.
    pub async fn open(
        source: Arc<dyn ObjectSource>,
        selection: ColumnSelection,
        filter: &FileFilter,
    ) -> Result<Self, DatasetError> {
        let mut objects = source.list().await?;
        let listed = objects.len();
        objects.retain(|object| filter.admits(&object.name));
        if objects.is_empty() && listed > 0 {
            return Err(DatasetError::NoneAdmitted {
                uri: source.uri(),
                files: listed,
            });
        }
        let (files, skipped) = choose(objects, &source.uri());
        let Some(first_object) = files.first() else {
            return Err(DatasetError::NoFiles {
                uri: source.uri(),
                others: skipped.len(),
                example: skipped.into_iter().next(),
            });
        };
        let first = open_file(Arc::clone(&source), Arc::clone(first_object)).await?;
        let in_folders = partitions(&first_object.name);
        let schema = first.metadata.schema();
        let columns =
            resolve(schema, &selection, &in_folders).map_err(|source| DatasetError::Columns {
                file: first_object.uri.clone(),
                source,
            })?;
        Ok(Self {
            source,
            files,
            skipped,
            selection,
            columns,
            first,
        })
    }

    /// Returns where the dataset lies.
    #[must_use]
    pub fn uri(&self) -> String {
        self.source.uri()
    }

    /// Returns label and features.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Returns what becomes of rows with nulls.
    #[must_use]
    pub fn nulls(&self) -> NullPolicy {
        self.selection.nulls
    }

    /// Returns the files that will be read, as they were listed.
    #[must_use]
    pub fn files(&self) -> &[Arc<Object>] {
        &self.files
    }

    /// Returns where they are read from.
    #[must_use]
    pub fn source(&self) -> &Arc<dyn ObjectSource> {
        &self.source
    }

    /// Returns how many files will be read.
    #[must_use]
    pub fn files_total(&self) -> usize {
        self.files.len()
    }

    /// Returns the names of files that are not read since they do not look like Parquet.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Starts reading; must be called within a tokio runtime.
    #[must_use]
    pub fn into_batches(self) -> RowBatches {
        RowBatches::start(self.plan(Share::WHOLE))
    }

    /// Starts reading the row groups of one shard, which may be the only one, and notes which they
    /// are ([`RowBatches::take_reads`]); must be called within a tokio runtime.
    #[must_use]
    pub fn into_share(self, share: Share) -> RowBatches {
        RowBatches::start_noting(self.plan(share))
    }

    fn plan(self, share: Share) -> Plan {
        Plan {
            share,
            source: self.source,
            files: self.files,
            selection: self.selection,
            columns: self.columns,
            first: self.first,
        }
    }
}

/// Splits a listing into the files to read and the names of the others. A file that was
/// named itself is read whatever its name.
fn choose(objects: Vec<Object>, uri: &str) -> (Vec<Arc<Object>>, Vec<String>) {
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for object in objects {
        let name = object.name.to_ascii_lowercase();
        if object.uri == uri || ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            files.push(Arc::new(object));
        } else {
            others.push(object.name);
        }
    }
    (files, others)
}

/// Returns the source of a place. The S3 client is made on first use.
pub async fn source_of(
    location: &Location,
    client: &mut Option<S3Client>,
) -> Arc<dyn ObjectSource> {
    match location {
        Location::Local(path) => Arc::new(LocalSource::new(path)),
        Location::S3 { bucket, key } => {
            let client = match client {
                Some(client) => client.clone(),
                None => client.insert(S3Client::from_environment().await).clone(),
            };
            Arc::new(S3Source::new(client, bucket, key))
        }
    }
}
