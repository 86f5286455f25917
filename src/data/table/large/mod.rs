//! Tables of which text and cells take more memory than a set may: they stay in their file and
//! are read in pieces of whole rows.
//!
//! Opening one passes over the file once. It finds where pieces begin, draws rows that are held
//! as a [`Table`] to learn from ([`LargeTable::sample`]; all rows, where they fit), and keeps a
//! few columns of all rows ([`LargeTable::beside`]) that decide how rows are split. What was
//! learned then makes features piece by piece, which a passing file holds.

mod apply;
mod draw;
mod form;
mod learn;
mod pieces;
mod predict;
mod reader;
mod tally;

pub use apply::{Encoded, Wanted};
pub use predict::{Part as PredictedPart, Parts as PredictedParts};

use super::super::bytes::{STANDARD_INPUT, Source};
use super::cells::Cells;
use super::cut::Way;
use super::layout::ReadOptions;
use super::marks::settle;
use super::number::FileMark;
use super::read::{Top, mark, separators};
use super::rows::Cut;
use super::table::{Column, Table};
use super::{arff, container, json};
use crate::data::origin::CellsOfRows;
use crate::data::{Store, Stored};
use crate::error::{Error, Result};
use crate::files::memory::{self, DataBound};
use crate::files::{self, Placed};
use draw::Draw;
use form::{Form, Raw};
use pieces::{Cuts, Piece};
use rayon::prelude::*;
use reader::{Part, Reader};
use std::path::Path;
use std::sync::Arc;

/// Bytes of text that are drawn to learn from, whatever the bound: less would say too little.
const LEAST_DRAWN: u64 = 4 << 20;
/// Bytes of a piece at least and at most.
const PIECE: [u64; 2] = [64 << 10, 8 << 20];
/// What a piece takes in memory while it is made features, as a multiple of its text.
const TIMES: u64 = 6;
/// Notes on lines that are kept.
const NOTES: usize = 20;
/// Lines that a note lists.
const SHOWN: usize = 5;

/// A table that stays in its file.
pub struct LargeTable {
    reader: Arc<Reader>,
    /// Rows that were drawn, in the order of the file.
    pub sample: Table,
    /// The number of each of them in the table.
    pub drawn: Vec<usize>,
    /// Columns of all rows that are in memory: those that were asked for. Its lines are not
    /// those of the file.
    pub beside: Table,
    /// How much of the table may be in memory.
    pub bound: DataBound,
}

/// How a table is to be held.
pub struct Plan<'a> {
    /// How much of it may be in memory.
    pub store: &'a Store,
    /// Draws rows.
    pub seed: u32,
    /// The columns that are needed of all rows, of a table that has all columns and no row.
    pub beside: &'a dyn Fn(&Table) -> Result<Vec<String>>,
}

/// Opens a table: in memory where its text and its cells have room there, else in its file.
///
/// Fails as [`Table::open`] does, and where a table that has no room is in a form that cannot be
/// read in pieces.
pub fn open(path: &Path, options: &ReadOptions, plan: &Plan) -> Result<Stored<Table, LargeTable>> {
    let name = path.display().to_string();
    let bound = plan.store.bound;
    let is_input = path.as_os_str() == STANDARD_INPUT;
    let length = std::fs::metadata(path).ok().filter(|meta| !is_input && meta.is_file()).map(|meta| meta.len());
    let refuse = |bytes: u64, what: &str, how: &str| Err(refusal(&name, bytes, what, how, bound));
    let Some(length) = length.filter(|length| length.saturating_mul(2) > bound.bytes) else {
        let packed = Source::open(path)?.rest()?;
        let held = packed.len();
        let bytes = container::unpack(&name, packed)?;
        if bytes.len() as u64 > bound.bytes {
            return match is_input {
                true => refuse(bytes.len() as u64, "the standard input", "write it to a file first"),
                false => refuse(bytes.len() as u64, &format!("compressed (in {held} bytes)"), "unpack it"),
            };
        }
        return Table::parse(&name, &bytes, options).map(Stored::Held);
    };
    let file = files::open(path).map_err(|e| Error::io(format!("cannot read {name}"), e))?;
    let file = Arc::new(Placed::of(file, path.into())?);
    let size = (bound.bytes / 16).clamp(PIECE[0], PIECE[1]) as usize;
    let mut head = vec![0; length.min(PIECE[1]) as usize];
    file.read(&mut head, 0)?;
    if let Some(format) = other_format(&name, &head) {
        if let Some(error) = container::refusal(&name, &head) {
            return Err(error);
        }
        // Text alone says how much of it there is; packed files are unpacked, and judged then.
        let is_packed = format == PACKED;
        return match length > bound.bytes {
            true => refuse(length, format, if is_packed { "unpack it" } else { "convert it to CSV" }),
            false if is_packed => {
                let bytes = container::unpack(&name, Source::open(path)?.rest()?)?;
                match bytes.len() as u64 > bound.bytes {
                    true => refuse(bytes.len() as u64, format, "unpack it"),
                    false => Table::parse(&name, &bytes, options).map(Stored::Held),
                }
            }
            false => Table::open(path, options).map(Stored::Held),
        };
    }
    LargeTable::open(&name, file, &head, size, options, plan).map(Stored::Read)
}

const PACKED: &str = "compressed";

/// What a file is whose start is no text of a table in UTF-8.
fn other_format(name: &str, head: &[u8]) -> Option<&'static str> {
    #[cfg(feature = "arrow")]
    if super::arrow::is_arrow(head) {
        return Some("Parquet or Arrow");
    }
    match () {
        () if head.starts_with(&[0x1f, 0x8b]) || head.starts_with(b"PK\x03\x04") => Some(PACKED),
        () if container::refusal(name, head).is_some() => Some("another format"),
        () if super::encoding::is_utf16(head) => Some("UTF-16 text"),
        () if json::is_json(name, head) => Some("JSON"),
        () if arff::begins_relation(head) => Some("ARFF"),
        () => None,
    }
}

fn refusal(name: &str, bytes: u64, what: &str, how: &str, bound: DataBound) -> Error {
    Error::data(format!(
        "{name} is {what} and takes {} as text, more than {bound}: a table beyond that is read from its file piece by \
         piece, which needs plain CSV or TSV in UTF-8; {how}, or raise --data-memory",
        memory::size(bytes)
    ))
}

impl LargeTable {
    fn open(
        name: &str,
        file: Arc<Placed>,
        head: &[u8],
        size: usize,
        options: &ReadOptions,
        plan: &Plan,
    ) -> Result<LargeTable> {
        let mut notes = vec![];
        let mark_bytes = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let start = String::from_utf8_lossy(&head[mark_bytes..]);
        let top = Top::of(start.as_bytes(), options, &mut notes);
        let (cut, quote) = separators(name, &start[top.end..], &top, options, &mut notes)?;
        let (begin, line) = ((mark_bytes + top.end) as u64, 1 + top.lines);
        drop(start);
        let way = match cut {
            Cut::At(delimiter) => Way::Quoted { delimiter, quote, escape: false },
            Cut::Blanks => Way::Blanks,
        };
        let mut cuts = Cuts::new(&file, (begin, line), size, way);
        let mut next = cuts.next()?;
        let Some((first, text)) = &next else {
            return Err(Error::data(format!("{name} is empty; expected a table: a row of cells per line")));
        };
        let mut of_names = vec![];
        let options = ReadOptions { delimiter: Some(cut.shown()), skip_rows: 0, ..options.clone() };
        let form = Form::of(name, text, first.line, (cut, quote), &options, &mut of_names)?;
        let reader = Reader {
            name: name.into(),
            width: form.names.len(),
            kept: options.kept.clone().unwrap_or_default(),
            decimal: options.decimal.map_or(FileMark::Unknown, FileMark::Given),
            parts: vec![],
            form,
            file: file.clone(),
        };
        let empty = reader.form.names.iter().map(|name| Column::new(name.clone(), Cells::new())).collect();
        let wanted = (plan.beside)(&reader.table(empty, vec![]))?;
        let places: Vec<usize> = (0..reader.width).filter(|&i| wanted.contains(&reader.form.names[i])).collect();
        let bound = plan.store.bound;
        let mut seen = Seen {
            draw: Draw::new(reader.width, (bound.bytes / 4).max(LEAST_DRAWN), plan.seed),
            beside: vec![Cells::new(); places.len()],
            rows: 0,
            parts: vec![],
            is_filled: vec![false; reader.width],
            left_out: vec![],
            notes: vec![],
        };
        let together = workers(bound, size);
        while next.is_some() {
            let mut some: Vec<(Piece, String)> = next.take().into_iter().collect();
            while some.len() < together
                && let Some(piece) = cuts.next()?
            {
                some.push(piece);
            }
            let read = |(piece, text): &(Piece, String)| {
                reader.form.read(text, piece.line, piece.at == begin, Reader::is_last(&file, piece))
            };
            let raw: Vec<Result<Raw>> = some.par_iter().map(read).collect();
            for ((piece, _), raw) in some.into_iter().zip(raw) {
                seen.piece(piece, raw?, &places);
            }
            if seen.rows > u32::MAX as usize {
                return Err(Error::data(format!("{name} has more than {} rows; cut it into several files", u32::MAX)));
            }
            next = cuts.next()?;
        }
        seen.finish(reader, places, &options, [notes, of_names], bound)
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.reader.name
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.beside.rows()
    }

    /// Whether all rows were drawn: what is learned of them is learned of the whole table.
    pub fn is_all_drawn(&self) -> bool {
        self.drawn.len() == self.rows()
    }

    /// The places among the drawn rows of those that are among some rows, which ascend.
    pub fn drawn_of(&self, rows: &[usize]) -> Vec<usize> {
        (0..self.drawn.len()).filter(|&i| rows.binary_search(&self.drawn[i]).is_ok()).collect()
    }

    /// What there is to say of a table that is not in memory.
    pub fn describe(&self) -> String {
        let size = memory::size(self.reader.file.length());
        let (n, rows, bound) = (self.drawn.len(), self.rows(), self.bound);
        let read = format!(
            "{}: its text takes {size}, and with its cells more than {bound}: it is read from its file piece by piece",
            self.name()
        );
        match self.is_all_drawn() {
            true => format!("{read}; what is learned of its columns is learned of all {rows} rows"),
            false => format!(
                "{read}; {n} of {rows} rows, drawn at random by the seed, are what types, categories, gaps and scales of its \
                 columns are learned from (of the target it is all rows); raise --data-memory (data.memory) to learn from more"
            ),
        }
    }

    /// The rows of a piece, with the columns that are in memory as they are there.
    fn piece(&self, i: usize) -> Result<Table> {
        let mut table = self.reader.piece(i)?;
        let Part { first, rows, .. } = self.reader.parts[i];
        if table.rows() != rows {
            return Err(Error::data(format!("{}: it was written to while it was in use; begin again", self.name())));
        }
        for column in &mut table.columns {
            if let Some(own) = self.beside.columns.iter().find(|own| own.name == column.name) {
                column.cells = (first..first + rows).map(|row| own.cells.at(row)).collect();
            }
        }
        Ok(table)
    }

    /// The number of pieces.
    pub fn pieces(&self) -> usize {
        self.reader.parts.len()
    }

    /// The rows of a piece, and the number of its first.
    ///
    /// Fails when the file cannot be read, or was written to.
    pub fn read(&self, piece: usize) -> Result<(usize, Table)> {
        Ok((self.reader.parts[piece].first, self.piece(piece)?))
    }

    /// Keeps another column of all rows in memory.
    ///
    /// Fails when the file cannot be read, or was written to.
    pub fn gather(&mut self, name: &str) -> Result<()> {
        if self.beside.columns.iter().any(|column| column.name == name) {
            return Ok(());
        }
        let mut cells = Cells::new();
        for i in 0..self.pieces() {
            let table = self.piece(i)?;
            table.column(name)?.cells.iter().for_each(|cell| cells.push(cell));
        }
        self.beside.columns.push(Column::new(name, cells));
        Ok(())
    }

    /// What can show the cells of its rows.
    pub fn shown(&self) -> Arc<dyn CellsOfRows> {
        self.reader.clone()
    }

    /// Gives some columns of all rows other cells: those of `table`, by name.
    pub fn replace(&mut self, table: Table) {
        for column in table.columns {
            if let Some(own) = self.sample.columns.iter_mut().find(|own| own.name == column.name) {
                own.cells = self.drawn.iter().map(|&row| column.cells.at(row)).collect();
            }
            if let Some(own) = self.beside.columns.iter_mut().find(|own| own.name == column.name) {
                *own = column;
            }
        }
    }
}

/// Pieces that are made features at a time.
fn workers(bound: DataBound, size: usize) -> usize {
    let fits = bound.bytes / 2 / (TIMES * size as u64);
    (fits as usize).clamp(1, rayon::current_num_threads())
}

/// What was seen of the pieces so far.
struct Seen {
    draw: Draw,
    beside: Vec<Cells>,
    rows: usize,
    parts: Vec<Part>,
    /// Whether a column has a cell.
    is_filled: Vec<bool>,
    left_out: Vec<usize>,
    notes: Vec<String>,
}

impl Seen {
    fn piece(&mut self, piece: Piece, raw: Raw, places: &[usize]) {
        let first = self.rows;
        self.draw.see(first, &raw.columns, &raw.lines);
        for (own, &place) in self.beside.iter_mut().zip(places) {
            raw.columns[place].iter().for_each(|cell| own.push(cell));
        }
        for (is_filled, cells) in self.is_filled.iter_mut().zip(&raw.columns) {
            *is_filled = *is_filled || cells.present().next().is_some();
        }
        self.parts.push(Part { piece, first, rows: raw.rows() });
        self.rows += raw.rows();
        self.left_out.extend(raw.left_out);
        for note in raw.notes {
            match self.notes.len() {
                NOTES => self.notes.push("later lines are read as the last of these; they are not named".into()),
                n if n < NOTES => self.notes.push(note),
                _ => {}
            }
        }
    }

    fn finish(
        mut self,
        mut reader: Reader,
        places: Vec<usize>,
        options: &ReadOptions,
        [notes, of_names]: [Vec<String>; 2],
        bound: DataBound,
    ) -> Result<LargeTable> {
        let name = reader.name.clone();
        let mut notes = [notes, std::mem::take(&mut self.notes)].concat();
        if self.rows == 0 {
            return Err(Error::data(format!(
                "{name} holds a header only, no rows; expected at least one row below it"
            )));
        }
        if !self.left_out.is_empty() {
            let shown: Vec<String> = self.left_out.iter().take(SHOWN).map(usize::to_string).collect();
            let more = if self.left_out.len() > SHOWN { ", ..." } else { "" };
            notes.push(format!(
                "{} more lines left out ({}{more}): each is blank, a comment, a repetition of the header, or a note or a sum \
                 below the table",
                self.left_out.len(),
                shown.join(", ")
            ));
        }
        let unnamed =
            self.is_filled.iter().rev().take(reader.form.unnamed).take_while(|is_filled| !**is_filled).count();
        let unnamed = unnamed.min(reader.width - 1);
        if unnamed > 0 {
            reader.width -= unnamed;
            let columns = if unnamed == 1 { "1 column".into() } else { format!("{unnamed} columns") };
            notes.push(format!("{columns} at the end without a name or a cell left out"));
        }
        notes.extend(of_names);
        let Draw { columns, rows: drawn, lines, .. } = self.draw;
        let names = reader.form.names.iter().take(reader.width);
        let mut columns: Vec<Column> =
            names.zip(columns).map(|(name, cells)| Column::new(name.clone(), cells)).collect();
        let mut beside: Vec<Column> = places
            .iter()
            .filter(|&&place| place < reader.width)
            .zip(self.beside)
            .map(|(&place, cells)| Column::new(reader.form.names[place].clone(), cells))
            .collect();
        let is_all = drawn.len() == self.rows;
        // Of what all rows are known, all rows decide.
        let kept = if is_all { Default::default() } else { settle(&mut beside, options, &mut notes) };
        let mut said = vec![];
        reader.kept = settle(&mut columns, options, &mut said);
        notes.extend(said.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
        for own in beside.iter_mut().filter(|_| !is_all) {
            if let Some(column) = columns.iter_mut().find(|column| column.name == own.name) {
                column.cells = drawn.iter().map(|&row| own.cells.at(row)).collect();
            }
            reader.kept.remove(&own.name);
        }
        reader.kept.extend(kept);
        for own in beside.iter_mut().filter(|_| is_all) {
            own.cells =
                columns.iter().find(|column| column.name == own.name).map_or_else(Cells::new, |c| c.cells.clone());
        }
        reader.decimal = mark(&columns, options, false);
        reader.parts = self.parts;
        let sample = Table { notes, ..reader.table(columns, lines) };
        // Nobody asks for the lines of all rows: memory that is not written to is not taken.
        let beside = reader.table(beside, vec![0; self.rows]);
        Ok(LargeTable { reader: reader.into(), sample, drawn, beside, bound })
    }
}
