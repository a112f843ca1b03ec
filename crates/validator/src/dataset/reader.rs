//! Parquet's view of an object: footers and byte ranges over any [`ObjectSource`].

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::source::{Object, ObjectSource, SourceError, check_ranges};

/// The footer is fetched together with this much before it, which for most files saves a
/// second request.
const FOOTER_BYTES_GUESS: usize = 64 * 1024;
/// A file up to this size is read whole for its footer, and not asked for again: datasets of many
/// small files cost one request a file.
const WHOLE_BYTES_MAX: u64 = 512 * 1024;

/// Reads one object as a Parquet file.
#[derive(Clone, Debug)]
pub(super) struct ObjectReader {
    source: Arc<dyn ObjectSource>,
    object: Arc<Object>,
    /// All bytes of a small file, once its footer was read.
    whole: Option<Bytes>,
}

impl ObjectReader {
    pub(super) fn new(source: Arc<dyn ObjectSource>, object: Arc<Object>) -> Self {
        Self {
            source,
            object,
            whole: None,
        }
    }

    async fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        let read = match &self.whole {
            Some(whole) => check_ranges(&self.object, ranges).map(|()| {
                let cut =
                    |range: &Range<u64>| whole.slice(range.start as usize..range.end as usize);
                ranges.iter().map(cut).collect()
            }),
            None => self.source.read(&self.object, ranges).await,
        };
        read.map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let mut bytes = self.read(&[range]).await?;
            bytes
                .pop()
                .ok_or_else(|| ParquetError::EOF("no bytes were read".to_owned()))
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.read(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let bytes = self.object.bytes;
            if bytes <= WHOLE_BYTES_MAX {
                self.whole = Some(self.get_bytes(0..bytes).await?);
            }
            let metadata = ParquetMetaDataReader::new()
                .with_prefetch_hint(Some(FOOTER_BYTES_GUESS))
                .load_and_finish(self, bytes)
                .await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}

/// Takes a failure of the source out of Parquet's wrapping.
pub(super) fn source_error(error: ParquetError) -> Result<SourceError, ParquetError> {
    match error {
        ParquetError::External(inner) => match inner.downcast::<SourceError>() {
            // A range behind the object is the footer's fault, not the source's.
            Ok(inner) if matches!(*inner, SourceError::OutOfRange { .. }) => {
                Err(ParquetError::External(inner))
            }
            Ok(inner) => Ok(*inner),
            Err(inner) => Err(ParquetError::External(inner)),
        },
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow::array::{ArrayRef, Float32Array, RecordBatch};
    use futures::TryStreamExt;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// One object in memory, and how often it was asked for.
    #[derive(Debug)]
    struct Counting {
        bytes: Bytes,
        requests: AtomicUsize,
    }

    impl ObjectSource for Counting {
        fn uri(&self) -> String {
            "memory".to_owned()
        }

        fn list(&self) -> BoxFuture<'_, Result<Vec<Object>, SourceError>> {
            async { Ok(Vec::new()) }.boxed()
        }

        fn read<'a>(
            &'a self,
            object: &'a Object,
            ranges: &'a [Range<u64>],
        ) -> BoxFuture<'a, Result<Vec<Bytes>, SourceError>> {
            async move {
                check_ranges(object, ranges)?;
                self.requests.fetch_add(1, Ordering::Relaxed);
                let cut =
                    |range: &Range<u64>| self.bytes.slice(range.start as usize..range.end as usize);
                Ok(ranges.iter().map(cut).collect())
            }
            .boxed()
        }
    }

    /// Reads a file of so many rows of one column; returns its rows, its size and the requests.
    async fn read(rows: usize) -> (usize, u64, usize) {
        let values: ArrayRef = Arc::new(Float32Array::from_iter_values(
            (0..rows).map(|row| row as f32),
        ));
        let batch = RecordBatch::try_from_iter([("x", values)]).unwrap();
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .build();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let bytes = file.len() as u64;
        let object = Object {
            name: "x.parquet".to_owned(),
            uri: "memory/x.parquet".to_owned(),
            bytes,
            pin: String::new(),
        };
        let source = Arc::new(Counting {
            bytes: file.into(),
            requests: AtomicUsize::new(0),
        });
        let reader = ObjectReader::new(Arc::clone(&source) as Arc<dyn ObjectSource>, object.into());
        let batches: Vec<RecordBatch> = ParquetRecordBatchStreamBuilder::new(reader)
            .await
            .unwrap()
            .build()
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        let found = batches.iter().map(RecordBatch::num_rows).sum();
        (found, bytes, source.requests.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_small_file_costs_one_request_and_a_large_one_is_read_in_ranges() {
        let (rows, bytes, requests) = read(1_000).await;
        assert!(bytes <= WHOLE_BYTES_MAX);
        assert_eq!((rows, requests), (1_000, 1));
        let (rows, bytes, requests) = read(200_000).await;
        assert!(bytes > WHOLE_BYTES_MAX);
        assert_eq!((rows, requests), (200_000, 2));
    }
}
