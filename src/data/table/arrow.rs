//! Parquet files, and Arrow's own (Feather): read where the feature `arrow` is built in.
//! Their values become cells as text, by the rules of the other tables; what is null is
//! missing.

use super::body::{LONGEST_CELL, MOST_COLUMNS};
use super::cells::Cells;
use super::table::Column;
use crate::error::{Error, Result, caught};
use crate::files::memory;
use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fmt::{Display, Write};
use std::io::Cursor;

/// What begins a file of Parquet, and one of Arrow.
const PARQUET: &[u8] = b"PAR1";
const ARROW: &[u8] = b"ARROW1";
/// Bits of the sign of a stream of Arrow without a footer, which has no name of its own.
const CONTINUES: [u8; 4] = [0xff; 4];

/// Whether a file that begins so is one of these.
pub(in crate::data) fn is_arrow(start: &[u8]) -> bool {
    start.starts_with(PARQUET) || start.starts_with(ARROW) || start.starts_with(&CONTINUES)
}

/// The columns of a file; what to know is added to `notes`.
///
/// Fails where it is damaged, has values that are no cells, or is more than the budget of
/// memory.
pub(super) fn columns(name: &str, bytes: Vec<u8>, notes: &mut Vec<String>) -> Result<Vec<Column>> {
    // The readers trust lengths and offsets of the file, and panic where these are wrong.
    caught(|| read(name, bytes, notes)).unwrap_or_else(|| {
        Err(Error::data(format!("{name} is damaged (it contradicts itself); copy or write it again")))
    })
}

fn read(name: &str, bytes: Vec<u8>, notes: &mut Vec<String>) -> Result<Vec<Column>> {
    let held = bytes.len() as u64;
    let broken = |e: &dyn Display| Error::data(format!("{name} is damaged ({e}); copy or write it again"));
    if bytes.starts_with(PARQUET) {
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).map_err(|e| broken(&e))?;
        let schema = builder.schema().clone();
        let batches = builder.build().map_err(|e| broken(&e))?;
        return of_batches(name, &schema, batches, held, notes);
    }
    if bytes.starts_with(ARROW) {
        let reader = FileReader::try_new(Cursor::new(bytes), None).map_err(|e| broken(&e))?;
        return of_batches(name, &reader.schema(), reader, held, notes);
    }
    let reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(|e| broken(&e))?;
    of_batches(name, &reader.schema(), reader, held, notes)
}

fn of_batches(
    name: &str,
    schema: &Schema,
    batches: impl Iterator<Item = std::result::Result<RecordBatch, ArrowError>>,
    mut held: u64,
    notes: &mut Vec<String>,
) -> Result<Vec<Column>> {
    let broken = |e: &dyn Display| Error::data(format!("{name} is damaged ({e}); copy or write it again"));
    let width = schema.fields().len();
    if width > MOST_COLUMNS {
        return Err(Error::data(format!("{name} has {width} columns; expected at most {MOST_COLUMNS}")));
    }
    let kinds = schema.fields().iter().map(|field| (field.name(), field.data_type()));
    for (column, kind) in kinds.clone() {
        if let DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) | DataType::BinaryView = kind {
            return Err(Error::data(format!(
                "{name}: column \"{column}\" holds bytes ({kind}), which are no cells of a table; leave it out, or \
                 write pictures as files in a folder"
            )));
        }
        if kind.is_nested() && !matches!(kind, DataType::Dictionary(..)) {
            notes.push(format!("{column}: its values are nested ({kind}), kept as text"));
        }
    }
    let mut columns: Vec<Column> = kinds.map(|(column, _)| Column::new(column.clone(), Cells::new())).collect();
    let (budget, options, mut cell) = (memory::budget(), FormatOptions::default(), String::new());
    let mut rows = 0;
    for batch in batches {
        let batch = batch.map_err(|e| broken(&e))?;
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            let values = ArrayFormatter::try_new(array, &options).map_err(|e| broken(&e))?;
            for i in 0..batch.num_rows() {
                if array.is_null(i) {
                    column.cells.push(None);
                    continue;
                }
                cell.clear();
                write!(cell, "{}", values.value(i)).map_err(|e| broken(&e))?;
                if cell.len() > LONGEST_CELL {
                    return Err(Error::data(format!(
                        "{name}, row {}: \"{}\" has {} bytes; expected at most {LONGEST_CELL}",
                        rows + i + 1,
                        column.name,
                        cell.len()
                    )));
                }
                let text = cell.trim();
                held += text.len() as u64;
                column.cells.push((!text.is_empty()).then_some(text));
            }
        }
        rows += batch.num_rows();
        held += Cells::beside_text(batch.num_rows() * width);
        if held > budget {
            let cells = format!("more than {} (the file and its cells, by row {rows})", memory::size(budget));
            return Err(memory::too_much(&name, &cells, budget));
        }
    }
    match rows {
        0 => Err(Error::data(format!("{name} has {width} columns and no rows; expected at least one"))),
        _ => Ok(columns),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decimal, FileMark, Kind, ReadOptions, Table, TableAudit, TableOptions};
    use super::*;
    use arrow_array::types::Int32Type;
    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, StringArray,
    };
    use std::sync::Arc;

    fn batch() -> RecordBatch {
        let n = 60;
        let column = |array: ArrayRef, name: &str| (name.to_string(), array, true);
        let numbers = Float64Array::from_iter((0..n).map(|i| (i % 7 != 0).then(|| f64::from(i) * 0.25)));
        let words: DictionaryArray<Int32Type> = (0..n).map(|i| ["low", "high"][i as usize % 2]).collect();
        RecordBatch::try_from_iter_with_nullable([
            column(Arc::new(numbers), "x"),
            column(Arc::new(Int64Array::from_iter_values((0..n).map(|i| i64::from(i) << 40))), "big"),
            column(Arc::new(words), "level"),
            column(Arc::new(Date32Array::from_iter_values(18_000..18_000 + n)), "day"),
            column(Arc::new(BooleanArray::from_iter((0..n).map(|i| Some(i % 3 == 0)))), "yes"),
            column(Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("a, \"b\" {}", i % 4)))), "text"),
        ])
        .unwrap()
    }

    fn parquet(batch: &RecordBatch) -> Vec<u8> {
        let mut bytes = vec![];
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    fn ipc(batch: &RecordBatch) -> Vec<u8> {
        let mut bytes = vec![];
        let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
        drop(writer);
        bytes
    }

    fn open(bytes: &[u8]) -> Result<Table> {
        Table::parse("t.parquet", bytes, &ReadOptions::default())
    }

    #[test]
    fn values_are_the_cells_that_a_csv_would_have() {
        for bytes in [parquet(&batch()), ipc(&batch())] {
            let table = open(&bytes).unwrap();
            assert_eq!(table.names(), ["x", "big", "level", "day", "yes", "text"]);
            assert_eq!((table.rows(), table.decimal), (60, FileMark::Proven(Decimal::Point)));
            let row: Vec<Option<&str>> = table.columns.iter().map(|c| c.cells.at(3)).collect();
            let big = (3i64 << 40).to_string();
            let expected = ["0.75", &big, "high", "2019-04-17", "true", "a, \"b\" 3"];
            assert_eq!(row, expected.map(Some));
            assert_eq!(table.columns[0].cells.at(7), None);
            let audit = TableAudit::new(&table, &TableOptions::default()).unwrap();
            let kinds: Vec<Kind> = audit.columns.iter().map(|c| c.kind).collect();
            assert_eq!(kinds[..4], [Kind::Number, Kind::Number, Kind::Category, Kind::Date]);
        }
    }

    #[test]
    fn no_byte_that_is_wrong_ends_the_program() {
        for whole in [parquet(&batch()), ipc(&batch())] {
            for at in (0..whole.len()).step_by(7) {
                let mut bytes = whole.clone();
                bytes[at] ^= 0x55;
                // It may be read, where the byte is part of a value.
                let _ = open(&bytes);
            }
        }
    }

    #[test]
    fn what_is_damaged_or_no_table_is_refused() {
        let whole = parquet(&batch());
        for cut in [5, whole.len() / 2, whole.len() - 1] {
            assert!(open(&whole[..cut]).unwrap_err().to_string().contains("t.parquet is damaged"), "{cut}");
        }
        let ipc = ipc(&batch());
        assert!(open(&ipc[..ipc.len() / 2]).unwrap_err().to_string().contains("damaged"));
        let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values([b"1"]));
        let binary = RecordBatch::try_from_iter([("picture", bytes)]).unwrap();
        let message = open(&parquet(&binary)).unwrap_err().to_string();
        assert!(message.contains("column \"picture\" holds bytes"), "{message}");
        let none = open(&parquet(&batch().slice(0, 0))).unwrap_err().to_string();
        assert!(none.contains("6 columns and no rows"), "{none}");
    }
}
