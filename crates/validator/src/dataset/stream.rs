//! Streams a dataset as checked rows, in file order, with the next row groups read ahead.
//!
//! Each row group is fetched and decoded by a task of its own; a budget of bytes and a short
//! queue bound what is in memory, whatever the size of the dataset. The consumer sees rows in
//! one order only, so what it reports does not depend on which task was quicker.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use verdict::report::DatasetFile;

use super::columns::{ColumnSelection, Columns, resolve_like_first};
use super::error::DatasetError;
use super::nulls::{Dropped, complete_rows, needed_columns};
use super::partition::partitions;
use super::reader::{ObjectReader, source_error};
use super::share::{Extent, FileRead, RowGroupRead, Share, files_of};
use super::source::{Object, ObjectSource};
use super::values::{LabelsSeen, Place, RowBatch, ValueError, constant, convert};

/// Footers that are read ahead, small files whole with them: a store answers in tens of milliseconds.
const FOOTERS_AHEAD: usize = 32;
/// Row groups that are read ahead, the one being consumed not counted.
const ROW_GROUPS_AHEAD: usize = 3;
/// Decoded batches that wait for the consumer in each row group.
const BATCHES_AHEAD: usize = 2;
/// Encoded bytes of row groups in memory; a single larger row group is read alone.
const BUDGET_BYTES: u64 = 256 * 1024 * 1024;
/// Decoded size that a batch aims at.
const BATCH_BYTES: usize = 1024 * 1024;
const BATCH_ROWS_MAX: usize = 8192;
const BATCH_ROWS_MIN: usize = 16;
/// Rows of a batch where the width is only known once a row is decoded.
const BATCH_ROWS_UNKNOWN_WIDTH: usize = 1024;

/// A file whose footer has been read.
#[derive(Clone, Debug)]
pub(super) struct OpenFile {
    pub(super) reader: ObjectReader,
    pub(super) metadata: ArrowReaderMetadata,
}

/// Reads a file's footer.
pub(super) async fn open_file(
    source: Arc<dyn ObjectSource>,
    object: Arc<Object>,
) -> Result<OpenFile, DatasetError> {
    let file = object.uri.clone();
    let mut reader = ObjectReader::new(source, object);
    // Decoding foreign bytes may panic inside the reader; a task of its own contains that.
    let opened = tokio::spawn(async move {
        let options = ArrowReaderOptions::new();
        let metadata = reader.get_metadata(Some(&options)).await?;
        let metadata = ArrowReaderMetadata::try_new(metadata, options)?;
        Ok::<_, ParquetError>(OpenFile { reader, metadata })
    });
    match opened.await {
        Ok(Ok(open)) => Ok(open),
        Ok(Err(error)) => Err(match source_error(error) {
            Ok(error) => DatasetError::Source(error),
            Err(error) => DatasetError::NotParquet {
                file,
                source: error.into(),
            },
        }),
        Err(error) => Err(DatasetError::NotParquet {
            file,
            source: gave_up(&error).into(),
        }),
    }
}

fn gave_up(error: &tokio::task::JoinError) -> String {
    if error.is_panic() {
        "the Parquet decoder gave up on malformed bytes".to_owned()
    } else {
        "reading was cancelled".to_owned()
    }
}

/// What all tasks need to know.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) source: Arc<dyn ObjectSource>,
    pub(super) files: Vec<Arc<Object>>,
    pub(super) selection: ColumnSelection,
    /// Label and features of the first file, which sets them for all.
    pub(super) columns: Columns,
    pub(super) first: OpenFile,
    /// Which row groups are read.
    pub(super) share: Share,
}

enum Item {
    File {
        object: Arc<Object>,
        /// Its position in the listing.
        index: usize,
        row_groups: usize,
    },
    RowGroup {
        number: usize,
        messages: mpsc::Receiver<Message>,
    },
    Failed(DatasetError),
    /// Every file was handed over. Without it, the task that does so has died, and what came
    /// before is a part of the dataset only.
    End,
}

enum Message {
    Batch(RowBatch),
    Failed(DatasetError),
    /// The row group is complete.
    Done(RowGroupDone),
}

/// What is left to say of a row group once its batches were sent.
struct RowGroupDone {
    /// Covers the features and labels of the rows that were sent.
    digest: [u8; 32],
    /// The rows that were not.
    dropped: Dropped,
}

/// The rows of a dataset, in file order.
#[derive(Debug)]
pub struct RowBatches {
    items: mpsc::Receiver<Item>,
    row_group: Option<(usize, mpsc::Receiver<Message>)>,
    current: Option<CurrentFile>,
    /// What was read of each file, for a shard.
    reads: Option<Vec<FileRead>>,
    label: String,
    vector_column: String,
    labels_seen: LabelsSeen,
    width: Option<usize>,
    /// What each column gave, where columns of vectors and of numbers mix.
    column_widths: Vec<usize>,
    is_complete: bool,
    tally: Tally,
}

#[derive(Debug)]
struct CurrentFile {
    object: Arc<Object>,
    rows: u64,
    rows_before: u64,
    digest: Sha256,
    read: FileRead,
}

/// What was read, once all of it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The first files, in name order; see [`FILES_LISTED_MAX`].
    pub files: Vec<DatasetFile>,
    /// How many files there were.
    pub files_total: u64,
    /// The sum of their sizes.
    pub bytes_total: u64,
    /// The sum of the rows that were used.
    pub rows_total: u64,
    /// The rows that were left out for nulls.
    pub dropped: Dropped,
    /// `sha256:` over the names and the digests of all files; a file's digest covers the
    /// numbers that the model saw and the labels, so it is the same wherever the file lies.
    pub digest: String,
}

/// At most this many files are listed in a report.
pub const FILES_LISTED_MAX: usize = 1000;

/// Evidence in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    evidence: Evidence,
    total: Sha256,
}

impl Tally {
    /// Adds the next file; `digest` covers features and labels of its `rows`, those without nulls.
    pub(super) fn add(&mut self, file: &FileRead, rows: u64, digest: [u8; 32]) {
        let name = &file.name;
        self.total.update((name.len() as u64).to_le_bytes());
        self.total.update(name.as_bytes());
        self.total.update(rows.to_le_bytes());
        self.total.update(digest);
        self.evidence.files_total += 1;
        self.evidence.bytes_total += file.bytes;
        self.evidence.rows_total += rows;
        self.evidence.dropped.add(&file.dropped);
        if self.evidence.files.len() < FILES_LISTED_MAX {
            self.evidence.files.push(DatasetFile {
                name: name.clone(),
                bytes: file.bytes,
                rows,
                rows_dropped: file.dropped.rows,
                identity: format!("sha256:{}", hex::encode(digest)),
            });
        }
    }

    /// Returns what was added so far.
    pub(super) fn evidence(&self) -> Evidence {
        let mut evidence = self.evidence.clone();
        evidence.digest = format!("sha256:{}", hex::encode(self.total.clone().finalize()));
        evidence
    }
}

impl RowBatches {
    pub(super) fn start(plan: Plan) -> Self {
        let (sender, items) = mpsc::channel(ROW_GROUPS_AHEAD);
        let batches = Self::receiving(items, &plan.selection.label, &plan.columns);
        tokio::spawn(coordinate(plan, sender));
        batches
    }

    /// The same, noting what is read of each file.
    pub(super) fn start_noting(plan: Plan) -> Self {
        Self {
            reads: Some(Vec::new()),
            ..Self::start(plan)
        }
    }

    fn receiving(items: mpsc::Receiver<Item>, label: &str, columns: &Columns) -> Self {
        Self {
            items,
            row_group: None,
            current: None,
            reads: None,
            label: label.to_owned(),
            vector_column: columns.feature_names().join(","),
            labels_seen: LabelsSeen::default(),
            width: columns.width(),
            column_widths: Vec::new(),
            is_complete: false,
            tally: Tally::default(),
        }
    }

    /// Returns the next rows, or nothing at the end. Must be called outside of async tasks.
    ///
    /// # Errors
    /// [`DatasetError`] for the first problem in file order; the stream is over then.
    pub fn next_blocking(&mut self) -> Result<Option<RowBatch>, DatasetError> {
        loop {
            let Some((number, messages)) = &mut self.row_group else {
                match self.items.blocking_recv() {
                    Some(Item::RowGroup { number, messages }) => {
                        self.row_group = Some((number, messages));
                    }
                    Some(Item::File {
                        object,
                        index,
                        row_groups,
                    }) => self.begin_file(object, index, row_groups),
                    Some(Item::Failed(error)) => return Err(error),
                    Some(Item::End) => {
                        self.end_file();
                        self.is_complete = true;
                    }
                    None if self.is_complete => return Ok(None),
                    None => {
                        let after = self.current.take().map(|file| file.object.uri.clone());
                        return Err(DatasetError::CutShort { after });
                    }
                }
                continue;
            };
            let number = *number;
            match messages.blocking_recv() {
                Some(Message::Batch(batch)) => return self.accept(batch).map(Some),
                Some(Message::Failed(error)) => return Err(error),
                Some(Message::Done(RowGroupDone { digest, dropped })) => {
                    self.row_group = None;
                    if let Some(current) = &mut self.current {
                        current.digest.update(digest);
                        current.read.dropped.add(&dropped);
                        current.read.read.push(RowGroupRead {
                            row_group: number as u64,
                            rows: current.rows - current.rows_before,
                            digest: hex::encode(digest),
                        });
                        current.rows_before = current.rows;
                    }
                }
                None => {
                    let current = self.current.as_ref();
                    return Err(DatasetError::Damaged {
                        file: current.map_or_else(String::new, |file| file.object.uri.clone()),
                        row_group: number,
                        source: "the Parquet decoder gave up on malformed bytes".into(),
                    });
                }
            }
        }
    }

    /// Returns what was read; complete once [`Self::next_blocking`] returned nothing.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        self.tally.evidence()
    }

    /// Returns what was read of each file that touches the share; empty for batches of no shard.
    pub fn take_reads(&mut self) -> Vec<FileRead> {
        self.reads.take().unwrap_or_default()
    }

    /// Returns which spellings of the negative class occurred so far.
    #[must_use]
    pub const fn labels_seen(&self) -> LabelsSeen {
        self.labels_seen
    }

    fn begin_file(&mut self, object: Arc<Object>, index: usize, row_groups: usize) {
        self.end_file();
        self.current = Some(CurrentFile {
            rows: 0,
            rows_before: 0,
            digest: Sha256::new(),
            read: FileRead {
                file: index as u64,
                name: object.name.clone(),
                bytes: object.bytes,
                row_groups: row_groups as u64,
                read: Vec::new(),
                dropped: Dropped::default(),
            },
            object,
        });
    }

    fn end_file(&mut self) {
        let Some(file) = self.current.take() else {
            return;
        };
        let digest = file.digest.finalize().into();
        self.tally.add(&file.read, file.rows, digest);
        if let Some(reads) = &mut self.reads {
            reads.push(file.read);
        }
    }

    fn accept(&mut self, batch: RowBatch) -> Result<RowBatch, DatasetError> {
        let values_error = |source| DatasetError::Values {
            file: batch.file.to_string(),
            source,
        };
        self.labels_seen
            .merge(batch.labels_seen, &self.label)
            .map_err(values_error)?;
        let found = batch.features().ncols();
        let expected = *self.width.get_or_insert(found);
        if found != expected {
            return Err(values_error(ValueError::VectorWidth {
                column: self.vector_column.clone(),
                row: batch.numbers.of(0),
                found,
                expected,
            }));
        }
        if self.column_widths.is_empty() {
            self.column_widths.clone_from(&batch.column_widths);
        }
        let mut widths = self.column_widths.iter().zip(&batch.column_widths);
        if let Some((&expected, &found)) = widths.find(|(first, now)| first != now) {
            return Err(values_error(ValueError::VectorWidth {
                column: self.vector_column.clone(),
                row: batch.numbers.of(0),
                found,
                expected,
            }));
        }
        if let Some(current) = &mut self.current {
            current.rows += batch.labels.len() as u64;
        }
        Ok(batch)
    }
}

/// Opens files ahead, starts one task for each row group, hands both over in order.
async fn coordinate(plan: Plan, items: mpsc::Sender<Item>) {
    let plan = Arc::new(plan);
    let budget = Arc::new(Semaphore::new(kibibytes(BUDGET_BYTES) as usize));
    let files = files_of(plan.files.iter().map(AsRef::as_ref), plan.share);
    let opened = futures::stream::iter(files)
        .map(|(index, extent)| {
            let plan = Arc::clone(&plan);
            let object = Arc::clone(&plan.files[index]);
            async move {
                let open = if index == 0 {
                    plan.first.clone()
                } else {
                    open_file(Arc::clone(&plan.source), Arc::clone(&object)).await?
                };
                let file = FileToRead {
                    object,
                    index,
                    extent,
                    open,
                };
                Ok::<_, DatasetError>(file)
            }
        })
        .buffered(FOOTERS_AHEAD);
    let outcome = opened
        .try_for_each(|file| start_file(&plan, &budget, &items, file))
        .await;
    // The consumer may have gone; then nobody waits for the end.
    let _ = items
        .send(outcome.map_or_else(Item::Failed, |()| Item::End))
        .await;
}

/// A file that holds row groups of the share.
struct FileToRead {
    object: Arc<Object>,
    index: usize,
    extent: Extent,
    open: OpenFile,
}

async fn start_file(
    plan: &Plan,
    budget: &Arc<Semaphore>,
    items: &mpsc::Sender<Item>,
    file: FileToRead,
) -> Result<(), DatasetError> {
    let FileToRead {
        object,
        index,
        extent,
        open,
    } = file;
    let columns_error = |source| DatasetError::Columns {
        file: object.uri.clone(),
        source,
    };
    let first_file = &plan.files[0].name;
    let in_folders = partitions(&object.name);
    let columns = resolve_like_first(
        open.metadata.schema(),
        &plan.selection,
        &plan.columns,
        first_file,
        &in_folders,
    )
    .map_err(columns_error)?;
    let row_groups = open.metadata.metadata().num_row_groups();
    let begun = Item::File {
        object: Arc::clone(&object),
        index,
        row_groups,
    };
    if items.send(begun).await.is_err() {
        return Ok(());
    }
    let features = plan.columns.feature_names();
    let needed = needed_columns(&plan.selection, &features);
    let mut first_row: u64 = 0;
    for row_group in 0..row_groups {
        let declared = open.metadata.metadata().row_group(row_group);
        let rows = u64::try_from(declared.num_rows()).unwrap_or_default();
        if !extent.holds(declared) {
            first_row = first_row.saturating_add(rows);
            continue;
        }
        let job = RowGroupJob {
            file: Arc::from(object.uri.as_str()),
            open: open.clone(),
            columns: columns.clone(),
            features: features.clone(),
            needed: needed.clone(),
            selection: plan.selection.clone(),
            partitions: in_folders.clone(),
            row_group,
            first_row,
            rows,
        };
        first_row = first_row.saturating_add(rows);
        let cost = kibibytes(job.encoded_bytes()).clamp(1, kibibytes(BUDGET_BYTES));
        let Ok(permit) = Arc::clone(budget).acquire_many_owned(cost).await else {
            return Ok(());
        };
        let (sender, messages) = mpsc::channel(BATCHES_AHEAD);
        tokio::spawn(job.run(sender, permit));
        let started = Item::RowGroup {
            number: row_group,
            messages,
        };
        if items.send(started).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn kibibytes(bytes: u64) -> u32 {
    u32::try_from(bytes / 1024).unwrap_or(u32::MAX)
}

struct RowGroupJob {
    file: Arc<str>,
    open: OpenFile,
    columns: Columns,
    features: Vec<String>,
    /// Columns in which a row without a value is left out.
    needed: Vec<String>,
    selection: ColumnSelection,
    partitions: Vec<(String, Option<String>)>,
    row_group: usize,
    first_row: u64,
    rows: u64,
}

impl RowGroupJob {
    /// Returns the size of the columns that will be fetched.
    fn encoded_bytes(&self) -> u64 {
        let metadata = self.open.metadata.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let wanted = self.columns.indices();
        let chunks = metadata.row_group(self.row_group).columns().iter();
        chunks
            .enumerate()
            .filter(|(leaf, _)| wanted.contains(&schema.get_column_root_idx(*leaf)))
            .map(|(_, chunk)| u64::try_from(chunk.compressed_size()).unwrap_or_default())
            .fold(0, u64::saturating_add)
    }

    fn batch_rows(&self) -> usize {
        self.columns
            .width()
            .map_or(BATCH_ROWS_UNKNOWN_WIDTH, |width| {
                (BATCH_BYTES / size_of::<f32>() / width.max(1))
                    .clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX)
            })
    }

    async fn run(self, sender: mpsc::Sender<Message>, permit: OwnedSemaphorePermit) {
        let message = match self.decode(&sender).await {
            Ok(Some(done)) => Message::Done(done),
            Ok(None) => return,
            Err(error) => Message::Failed(error),
        };
        // The consumer may have gone after an earlier error.
        let _ = sender.send(message).await;
        drop(permit);
    }

    /// Sends all batches; returns nothing when the consumer has gone.
    async fn decode(
        &self,
        sender: &mpsc::Sender<Message>,
    ) -> Result<Option<RowGroupDone>, DatasetError> {
        let damaged = |error: ParquetError| match source_error(error) {
            Ok(error) => DatasetError::Source(error),
            Err(error) => DatasetError::Damaged {
                file: self.file.to_string(),
                row_group: self.row_group,
                source: error.into(),
            },
        };
        let schema = self
            .open
            .metadata
            .metadata()
            .file_metadata()
            .schema_descr_ptr();
        let projection = ProjectionMask::roots(&schema, self.columns.indices());
        let mut batches = ParquetRecordBatchStreamBuilder::new_with_metadata(
            self.open.reader.clone(),
            self.open.metadata.clone(),
        )
        .with_row_groups(vec![self.row_group])
        .with_projection(projection)
        .with_batch_size(self.batch_rows())
        .build()
        .map_err(damaged)?;
        let values_error = |source| DatasetError::Values {
            file: self.file.to_string(),
            source,
        };
        let is_constant = |name: &str| constant(&self.partitions, name).is_some();
        // Labels apart from features, so that the size of batches does not show.
        let (mut of_features, mut of_labels) = (Sha256::new(), Sha256::new());
        let (mut rows, mut dropped) = (0, Dropped::default());
        while let Some(batch) = batches.try_next().await.map_err(damaged)? {
            let first_row = self.first_row + rows;
            rows += batch.num_rows() as u64;
            let (batch, numbers) =
                complete_rows(&batch, &self.needed, first_row, is_constant, &mut dropped)
                    .map_err(values_error)?;
            if batch.num_rows() == 0 {
                continue;
            }
            let place = Place {
                file: &self.file,
                numbers,
                vector_width: self.columns.width(),
                partitions: &self.partitions,
            };
            let batch =
                convert(&batch, &self.selection, &self.features, &place).map_err(values_error)?;
            of_labels.update(batch.label_bytes());
            of_features.update(batch.feature_bytes());
            if sender.send(Message::Batch(batch)).await.is_err() {
                return Ok(None);
            }
        }
        if rows != self.rows {
            return Err(DatasetError::Damaged {
                file: self.file.to_string(),
                row_group: self.row_group,
                source: format!("its footer promises {} rows, it has {rows}", self.rows).into(),
            });
        }
        let digest = of_features.chain_update(of_labels.finalize());
        Ok(Some(RowGroupDone {
            digest: digest.finalize().into(),
            dropped,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::{Column, FeatureColumns};
    use super::*;

    fn receiving(items: mpsc::Receiver<Item>) -> RowBatches {
        let column = |name: &str, index| Column {
            name: name.to_owned(),
            index,
        };
        let columns = Columns {
            label: column("label", 0),
            features: FeatureColumns::Scalars(vec![column("x", 1)]),
            along: Vec::new(),
            unused: Vec::new(),
        };
        RowBatches::receiving(items, "label", &columns)
    }

    /// A task that dies, as on a footer that makes the decoder panic, closes its channel just
    /// as one that is done does.
    #[test]
    fn a_reader_that_died_is_not_the_end_of_the_dataset() {
        let (sender, items) = mpsc::channel(1);
        drop(sender);
        let ended = receiving(items).next_blocking();
        assert!(
            matches!(ended, Err(DatasetError::CutShort { .. })),
            "{ended:?}"
        );
    }

    #[test]
    fn the_end_is_the_end_however_often_it_is_asked_for() {
        let (sender, items) = mpsc::channel(1);
        sender.blocking_send(Item::End).expect("there is room");
        drop(sender);
        let mut batches = receiving(items);
        for _ in 0..2 {
            assert!(batches.next_blocking().is_ok_and(|batch| batch.is_none()));
        }
    }
}
