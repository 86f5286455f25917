//! Rows of a large table drawn at random while it is read: which ones depends on the seed and
//! their numbers alone. Where all fit, all are drawn.

use super::super::cells::Cells;
use crate::tensor::random::{pcg4d, stream};

/// The rows that are drawn so far.
pub(super) struct Draw {
    seed: u32,
    /// The bytes of text that may be held.
    most: u64,
    held: u64,
    /// Rows whose number is above it are left out.
    bound: u32,
    /// The number of each row in the table, ascending.
    pub rows: Vec<usize>,
    /// The line of the file in which each begins.
    pub lines: Vec<usize>,
    /// The cells of all columns.
    pub columns: Vec<Cells>,
}

impl Draw {
    /// Of a table with so many columns, as many rows as so many bytes hold.
    pub fn new(columns: usize, most: u64, seed: u32) -> Draw {
        let columns = vec![Cells::new(); columns];
        Draw { seed, most, held: 0, bound: u32::MAX, rows: vec![], lines: vec![], columns }
    }

    fn is_drawn(&self, row: usize) -> bool {
        self.bound == u32::MAX || mark(self.seed, row) <= self.bound
    }

    /// Looks at the rows of a piece, the first of which has a number.
    pub fn see(&mut self, first: usize, columns: &[Cells], lines: &[usize]) {
        for (i, &line) in lines.iter().enumerate() {
            if !self.is_drawn(first + i) {
                continue;
            }
            self.rows.push(first + i);
            self.lines.push(line);
            for (own, cells) in self.columns.iter_mut().zip(columns) {
                let cell = cells.at(i);
                self.held += cell.map_or(0, |cell| cell.len() as u64) + Cells::beside_text(1);
                own.push(cell);
            }
            while self.held > self.most && self.rows.len() > 1 {
                self.halve();
            }
        }
    }

    /// Leaves out about half of the rows.
    fn halve(&mut self) {
        self.bound /= 2;
        let kept: Vec<usize> = (0..self.rows.len()).filter(|&i| self.is_drawn(self.rows[i])).collect();
        let pick = |all: &[usize]| kept.iter().map(|&i| all[i]).collect();
        (self.rows, self.lines) = (pick(&self.rows), pick(&self.lines));
        self.held = 0;
        for own in &mut self.columns {
            let cells: Cells = kept.iter().map(|&i| own.at(i)).collect();
            self.held += cells.present().map(|cell| cell.len() as u64).sum::<u64>() + Cells::beside_text(cells.len());
            *own = cells;
        }
    }
}

/// A number as good as random for each row.
fn mark(seed: u32, row: usize) -> u32 {
    pcg4d([seed, stream::ROWS, row as u32, (row as u64 >> 32) as u32])[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(n: usize, most: u64, pieces: usize) -> Draw {
        let mut draw = Draw::new(2, most, 3);
        for start in (0..n).step_by(pieces) {
            let rows: Vec<usize> = (start..n.min(start + pieces)).collect();
            let column = |cell: &dyn Fn(usize) -> Option<String>| rows.iter().map(|&i| cell(i)).collect::<Cells>();
            let columns =
                [column(&|i| Some(i.to_string())), column(&|i| (!i.is_multiple_of(3)).then(|| "x".repeat(i % 9)))];
            draw.see(start, &columns, &rows.iter().map(|i| i + 2).collect::<Vec<_>>());
        }
        draw
    }

    #[test]
    fn what_fits_is_drawn_and_else_a_part_of_it() {
        let all = drawn(1000, 1 << 20, 64);
        assert!(all.bound == u32::MAX && all.rows.iter().copied().eq(0..1000));
        let some = drawn(10_000, 20_000, 64);
        let n = some.rows.len();
        assert!(some.bound < u32::MAX && (500..1600).contains(&n) && some.held <= 20_000, "{n} {}", some.held);
        assert!(some.rows.is_sorted_by(|a, b| a < b));
        let mean = some.rows.iter().sum::<usize>() as f64 / n as f64;
        assert!((mean - 5000.0).abs() < 400.0, "{mean}");
        for (i, &row) in some.rows.iter().enumerate() {
            assert_eq!((some.columns[0].at(i), some.lines[i]), (Some(row.to_string().as_str()), row + 2));
            assert_eq!(some.columns[1].at(i).is_none(), row.is_multiple_of(3));
        }
        assert_eq!(drawn(10_000, 20_000, 999).rows, some.rows, "pieces do not matter");
    }
}
