//! Windows of tokens that lie in a file, read when they are needed.

use super::large::TokenFile;
use super::windows::{TokenWindows, parts};
use crate::data::{Elements, IGNORED, Labels, ReadSamples, Samples};
use crate::error::Result;
use crate::files::RowFile;
use crate::files::memory::DataBound;

/// Samples of a language model, read when they are needed.
pub struct Streamed {
    /// What a model reads, `[count, context]`.
    pub samples: Samples,
    /// What it is to foretell, `[count, context]`.
    pub labels: Labels,
    /// The number of samples.
    pub count: usize,
    /// Tokens at the end that fill no sample.
    pub left: usize,
}

impl TokenFile {
    /// [`TokenWindows::split`] of the tokens.
    ///
    /// Fails as that does.
    pub fn split(
        &self,
        windows: &TokenWindows,
        name: &str,
        val_share: f64,
        bound: DataBound,
    ) -> Result<(Streamed, Option<Streamed>)> {
        let (train, val) = parts(name, self.tokens, val_share)?;
        let first = self.windows(windows, &train.name, 0..train.tokens, bound)?;
        let val = val.map(|val| self.windows(windows, &val.name, train.tokens..self.tokens, bound));
        Ok((first, val.transpose()?))
    }

    fn windows(
        &self,
        windows: &TokenWindows,
        name: &str,
        tokens: std::ops::Range<usize>,
        bound: DataBound,
    ) -> Result<Streamed> {
        let (context, stride) = (windows.width() - 1, windows.stride());
        let count = windows.counted(name, tokens.len())?;
        let read = |from: usize| -> Result<Samples> {
            let rows = self.file.rows(
                from as u64 * self.each,
                stride as u64 * self.each,
                context as u64 * self.each,
                count,
            )?;
            Ok(Samples::read_by(Tokens { rows, each: self.each as usize }, &[context]).within(bound))
        };
        let labels = Labels::Read { labels: read(tokens.start + 1)?, scored: count * context };
        Ok(Streamed { samples: read(tokens.start)?, labels, count, left: windows.left(tokens.len(), count) })
    }

    /// [`TokenWindows::scoring`] of the tokens, behind which there are as many more as a window
    /// has.
    ///
    /// Fails as that does.
    pub fn scoring(&self, windows: &TokenWindows, name: &str, bound: DataBound) -> Result<Streamed> {
        let (context, stride) = (windows.width() - 1, windows.stride());
        let (count, last) = windows.windows_to_score(name, self.tokens)?;
        assert!(self.more > context, "windows are filled up");
        let read = |is_input: bool| -> Result<Samples> {
            let length = (context as u64 + 1) * self.each;
            let rows = self.file.rows(0, stride as u64 * self.each, length, count)?;
            let of = Tokens { rows, each: self.each as usize };
            Ok(Samples::read_by(Scoring { of, context, stride, last, is_input }, &[context]).within(bound))
        };
        let labels = Labels::Read { labels: read(false)?, scored: last };
        Ok(Streamed { samples: read(true)?, labels, count, left: 0 })
    }
}

/// Rows of tokens.
struct Tokens {
    rows: RowFile,
    /// Bytes of a token.
    each: usize,
}

impl Tokens {
    fn ids(&self, rows: &[usize], width: usize) -> Result<Vec<u32>> {
        let mut all = vec![0; rows.len() * width];
        self.rows.read(rows, &mut |place, bytes| {
            let own = all[place * width..][..width].iter_mut().zip(bytes.chunks_exact(self.each));
            own.for_each(|(id, b)| {
                *id = match b {
                    [a, b] => u32::from(u16::from_le_bytes([*a, *b])),
                    _ => u32::from_le_bytes([b[0], b[1], b[2], b[3]]),
                };
            });
        })?;
        Ok(all)
    }
}

impl ReadSamples for Tokens {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn elements(&self) -> Elements {
        Elements::Tokens
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        let width = self.rows.length() as usize / self.each;
        Ok(Samples::Tokens(self.ids(rows, width)?.into()))
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// Windows that score each token once.
struct Scoring {
    /// Windows with the token behind each.
    of: Tokens,
    context: usize,
    stride: usize,
    /// The last token.
    last: usize,
    /// Whether what is read is asked for, or what is to follow.
    is_input: bool,
}

impl ReadSamples for Scoring {
    fn count(&self) -> usize {
        self.of.rows.len()
    }

    fn elements(&self) -> Elements {
        Elements::Tokens
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        let ids = self.of.ids(rows, self.context + 1)?;
        let mut all = Vec::with_capacity(rows.len() * self.context);
        for (&row, ids) in rows.iter().zip(ids.chunks_exact(self.context + 1)) {
            let begin = row * self.stride;
            let end = (begin + self.context).min(self.last);
            let scored = match row {
                0 => 0,
                _ => (begin - self.stride + self.context).min(self.last),
            };
            for at in begin..begin + self.context {
                all.push(match self.is_input {
                    true if at < end => ids[at - begin],
                    true => 0,
                    false if (scored..end).contains(&at) => ids[at - begin + 1],
                    false => IGNORED,
                });
            }
        }
        Ok(Samples::Tokens(all.into()))
    }

    fn repeats(&self) -> bool {
        true
    }
}
