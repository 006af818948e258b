//! Requests as an Apache Parquet file, in columns, for programs that process many of them.

use std::io::{self, Write};
use std::sync::Arc;

use memtap_api::Request;
use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use crate::rows::Rows;

/// Columns of the API with their types. `docs/stores.md` documents them for users.
const SCHEMA: &str = "message request {
    optional binary host (STRING);
    required int64 timestamp (TIMESTAMP(MICROS, true));
    required int32 pid (INTEGER(32, false));
    required int32 tid (INTEGER(32, false));
    required binary process_name (STRING);
    required binary call (STRING);
    required int64 memory_size (INTEGER(64, false));
    required int64 address (INTEGER(64, false));
    required int64 delta_bytes;
    optional int32 errno (INTEGER(16, false));
    optional binary error (STRING);
    required int64 virtual_bytes (INTEGER(64, false));
    required binary arguments (STRING);
    optional binary file (STRING);
    required int32 lost_before (INTEGER(32, false));
}";

/// Requests per row group, which is held in memory until it is written.
const GROUP: usize = 100_000;

/// A Parquet file during writing.
pub(super) struct Parquet<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: Vec<Request>,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(output: W) -> anyhow::Result<Self> {
        let schema = parse_message_type(SCHEMA)?;
        // Timestamps are nearly sorted, so they are delta-encoded. Other columns repeat values and
        // use a dictionary.
        let properties = WriterProperties::builder()
            .set_created_by(concat!("memtap ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_column_dictionary_enabled(ColumnPath::from("timestamp"), false)
            .set_column_encoding(ColumnPath::from("timestamp"), Encoding::DELTA_BINARY_PACKED)
            .build();
        let file = SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties));
        Ok(Self { file: file.map_err(cause)?, group: Vec::new() })
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        if !self.group.is_empty() {
            let done = self.file.next_row_group().and_then(|group| columns(group, &self.group));
            done.map_err(cause)?;
            self.group.clear();
        }
        Ok(())
    }
}

impl<W: Write + Send> Rows for Parquet<W> {
    fn write(&mut self, request: Request) -> anyhow::Result<()> {
        self.group.push(request);
        if self.group.len() < GROUP { Ok(()) } else { self.write_group() }
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.write_group()?;
        self.file.close().map_err(cause)?;
        Ok(())
    }
}

/// Writes the columns in the order of [`SCHEMA`]. Unsigned numbers keep their bits.
fn columns<W: Write + Send>(mut to: SerializedRowGroupWriter<'_, W>, requests: &[Request]) -> Result<()> {
    let rows = || requests.iter();
    optional::<ByteArrayType, _>(&mut to, rows().map(|row| row.host.as_deref().map(ByteArray::from)))?;
    required::<Int64Type, _>(&mut to, rows().map(|row| row.timestamp.0.0.div_euclid(1000)))?;
    required::<Int32Type, _>(&mut to, rows().map(|row| row.pid.cast_signed()))?;
    required::<Int32Type, _>(&mut to, rows().map(|row| row.tid.cast_signed()))?;
    required::<ByteArrayType, _>(&mut to, rows().map(|row| ByteArray::from(&*row.process_name)))?;
    required::<ByteArrayType, _>(&mut to, rows().map(|row| ByteArray::from(&*row.call)))?;
    required::<Int64Type, _>(&mut to, rows().map(|row| row.memory_size.cast_signed()))?;
    required::<Int64Type, _>(&mut to, rows().map(|row| row.address.0.cast_signed()))?;
    required::<Int64Type, _>(&mut to, rows().map(|row| row.delta_bytes))?;
    optional::<Int32Type, _>(&mut to, rows().map(|row| row.errno.map(i32::from)))?;
    optional::<ByteArrayType, _>(&mut to, rows().map(|row| row.error.as_deref().map(ByteArray::from)))?;
    required::<Int64Type, _>(&mut to, rows().map(|row| row.virtual_bytes.cast_signed()))?;
    required::<ByteArrayType, _>(&mut to, rows().map(|row| ByteArray::from(&*row.arguments)))?;
    optional::<ByteArrayType, _>(&mut to, rows().map(|row| row.file.as_deref().map(ByteArray::from)))?;
    required::<Int32Type, _>(&mut to, rows().map(|row| row.lost_before.cast_signed()))?;
    to.close().map(drop)
}

fn required<T: DataType, W: Write + Send>(
    to: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = T::T>,
) -> Result<()> {
    column::<T, W>(to, &values.collect::<Vec<_>>(), None)
}

/// Writes an optional column: the present values, and which rows have one.
fn optional<T: DataType, W: Write + Send>(
    to: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<()> {
    let mut levels = Vec::new();
    let there: Vec<_> = values.inspect(|value| levels.push(i16::from(value.is_some()))).flatten().collect();
    column::<T, W>(to, &there, Some(&levels))
}

fn column<T: DataType, W: Write + Send>(
    to: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    let column = to.next_column()?;
    let mut column =
        column.ok_or_else(|| ParquetError::General("the schema has no such column".to_owned()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// Returns the underlying I/O error, if there is one.
fn cause(error: ParquetError) -> anyhow::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => ParquetError::External(error).into(),
        },
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_the_api() {
        let schema = parse_message_type(SCHEMA).unwrap();
        let names: Vec<_> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        assert_eq!(names, Request::COLUMNS);
    }
}
