//! Variations of the real validation set, each wrong in one way, written as Parquet.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::filter_record_batch;
use arrow::compute::kernels::nullif::nullif;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use crate::datasets;

/// Some real rows of the validation set, to be spoilt.
#[derive(Debug, Clone)]
pub struct Table {
    batch: RecordBatch,
}

impl Table {
    /// Reads up to `rows` rows from the first file of the validation set.
    ///
    /// # Errors
    /// Fails when the set is missing or unreadable.
    pub fn validation(rows: usize) -> Result<Self> {
        let folder = datasets::validation()?;
        let mut files = std::fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        files.retain(|path| path.extension().is_some_and(|suffix| suffix == "parquet"));
        files.sort();
        let Some(first) = files.first() else {
            bail!("`{}` has no Parquet files", folder.display());
        };
        Self::of_file(first, rows)
    }

    /// Reads up to `rows` rows from a Parquet file.
    ///
    /// # Errors
    /// Fails when the file is missing, unreadable or empty.
    pub fn of_file(path: &Path, rows: usize) -> Result<Self> {
        let mut reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?
            .with_batch_size(rows)
            .build()?;
        let batch = reader
            .next()
            .with_context(|| format!("`{}` is empty", path.display()))??;
        Ok(Self { batch })
    }

    /// Returns the names of the feature columns, in file order.
    pub fn features(&self) -> Vec<String> {
        self.batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .filter(|name| name != datasets::LABEL)
            .collect()
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Returns the features of each row, in file order.
    ///
    /// # Errors
    /// Fails when a feature is no number.
    pub fn feature_rows(&self) -> Result<Vec<Vec<f64>>> {
        let mut rows = vec![Vec::new(); self.rows()];
        for name in self.features() {
            let column = self.batch.column(self.index(&name)?);
            let numbers = arrow::compute::cast(column, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            for (row, value) in rows.iter_mut().zip(numbers.values()) {
                row.push(*value);
            }
        }
        Ok(rows)
    }

    /// Returns a column of whole numbers.
    ///
    /// # Errors
    /// Fails when there is no such column.
    pub fn integers(&self, column: &str) -> Result<Vec<i64>> {
        let numbers =
            arrow::compute::cast(self.batch.column(self.index(column)?), &DataType::Int64)?;
        Ok(numbers.as_primitive::<Int64Type>().values().to_vec())
    }

    /// Keeps no row at all.
    #[must_use]
    pub fn without_rows(&self) -> Self {
        Self {
            batch: self.batch.slice(0, 0),
        }
    }

    /// Drops a column.
    ///
    /// # Errors
    /// Fails when there is no such column.
    pub fn without(&self, column: &str) -> Result<Self> {
        let mut batch = self.batch.clone();
        batch.remove_column(self.index(column)?);
        Ok(Self { batch })
    }

    /// Replaces a column, or adds it last, by numbers; a `None` is a null.
    ///
    /// # Errors
    /// Fails when the number of values differs from the number of rows.
    pub fn with_numbers(&self, column: &str, values: Vec<Option<f64>>) -> Result<Self> {
        self.with(column, Arc::new(Float64Array::from(values)))
    }

    /// Replaces a column, or adds it last, by whole numbers; a `None` is a null.
    ///
    /// # Errors
    /// Fails when the number of values differs from the number of rows.
    pub fn with_integers(&self, column: &str, values: Vec<Option<i64>>) -> Result<Self> {
        self.with(column, Arc::new(Int64Array::from(values)))
    }

    /// Replaces a column, or adds it last, by text.
    ///
    /// # Errors
    /// Fails when the number of values differs from the number of rows.
    pub fn with_texts(&self, column: &str, values: Vec<&str>) -> Result<Self> {
        self.with(column, Arc::new(StringArray::from(values)))
    }

    /// Rounds a column to four decimals and writes it in another type, such as a decimal or a dictionary.
    ///
    /// # Errors
    /// Fails when a value has no place in the type.
    pub fn rounded_as(&self, column: &str, data_type: &DataType) -> Result<Self> {
        let numbers =
            arrow::compute::cast(self.batch.column(self.index(column)?), &DataType::Float64)?;
        let rounded: Float64Array = numbers
            .as_primitive::<Float64Type>()
            .unary(|number| (number * 1e4).round() / 1e4);
        let values = match data_type {
            // There is no direct way to a dictionary of numbers.
            DataType::Dictionary(_, of) => {
                let plain = arrow::compute::cast(&rounded, of)?;
                arrow::compute::cast(&plain, data_type)?
            }
            plain => arrow::compute::cast(&rounded, plain)?,
        };
        self.with(column, values)
    }

    /// Writes the columns in the opposite order.
    ///
    /// # Errors
    /// Fails when there are no columns.
    pub fn turned_round(&self) -> Result<Self> {
        let order: Vec<usize> = (0..self.batch.num_columns()).rev().collect();
        Ok(Self {
            batch: self.batch.project(&order)?,
        })
    }

    /// Writes the table as one Parquet file, making its folder.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut writer = ArrowWriter::try_new(File::create(path)?, self.batch.schema(), None)?;
        writer.write(&self.batch)?;
        writer.close()?;
        Ok(())
    }

    /// Writes the table as one Parquet file with at most so many rows in a row group, making its folder.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn write_in_groups(&self, path: &Path, rows: usize) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(rows))
            .build();
        let file = File::create(path)?;
        let mut writer = ArrowWriter::try_new(file, self.batch.schema(), Some(properties))?;
        writer.write(&self.batch)?;
        writer.close()?;
        Ok(())
    }

    /// Keeps some of the rows.
    ///
    /// # Errors
    /// Fails when there are not so many.
    pub fn rows_of(&self, rows: Range<usize>) -> Result<Self> {
        if rows.end > self.rows() {
            bail!("the table has {} rows, not {}", self.rows(), rows.end);
        }
        Ok(Self {
            batch: self.batch.slice(rows.start, rows.len()),
        })
    }

    /// Keeps the rows that a condition on their positions holds for.
    ///
    /// # Errors
    /// Fails when Arrow does.
    pub fn rows_where(&self, keep: impl Fn(usize) -> bool) -> Result<Self> {
        let mask: BooleanArray = (0..self.rows()).map(|row| Some(keep(row))).collect();
        Ok(Self {
            batch: filter_record_batch(&self.batch, &mask)?,
        })
    }

    /// Makes values of a column null.
    ///
    /// # Errors
    /// Fails when there is no such column.
    pub fn with_nulls(&self, column: &str, at: impl Fn(usize) -> bool) -> Result<Self> {
        let mask: BooleanArray = (0..self.rows()).map(|row| Some(at(row))).collect();
        let values = nullif(self.batch.column(self.index(column)?), &mask)?;
        self.with(column, values)
    }

    /// Replaces a column, or adds it last, by values of any type.
    ///
    /// # Errors
    /// Fails when the number of values differs from the number of rows.
    pub fn with(&self, column: &str, values: ArrayRef) -> Result<Self> {
        let schema = self.batch.schema();
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
        let mut columns = self.batch.columns().to_vec();
        let field = Arc::new(Field::new(column, values.data_type().clone(), true));
        match self.index(column) {
            Ok(index) => {
                fields[index] = field;
                columns[index] = values;
            }
            Err(_new_column) => {
                fields.push(field);
                columns.push(values);
            }
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        Ok(Self { batch })
    }

    fn index(&self, column: &str) -> Result<usize> {
        self.batch
            .schema()
            .index_of(column)
            .with_context(|| format!("the validation set has no column `{column}`"))
    }
}
