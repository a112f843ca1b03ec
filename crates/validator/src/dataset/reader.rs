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

use super::source::{Object, ObjectSource, SourceError};

/// The footer is fetched together with this much before it, which for most files saves a
/// second request.
const FOOTER_BYTES_GUESS: usize = 64 * 1024;

/// Reads one object as a Parquet file.
#[derive(Clone, Debug)]
pub(super) struct ObjectReader {
    source: Arc<dyn ObjectSource>,
    object: Arc<Object>,
}

impl ObjectReader {
    pub(super) fn new(source: Arc<dyn ObjectSource>, object: Arc<Object>) -> Self {
        Self { source, object }
    }

    async fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        self.source
            .read(&self.object, ranges)
            .await
            .map_err(|error| ParquetError::External(Box::new(error)))
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
