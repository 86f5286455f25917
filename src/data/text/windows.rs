//! Samples of a language model: windows of a stream of tokens.
//!
//! A sample is `context + 1` tokens in a row. The model sees the first
//! `context` of them and is to predict the last `context`: each token from those
//! before it.

use crate::error::{Error, Result};
use crate::files::memory;

/// No text has a context or a stride of so many tokens.
const MOST: usize = 2 << 30;

/// How a stream of tokens is cut into samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenWindows {
    context: usize,
    stride: usize,
}

/// Samples of one length, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    /// `[count, context + 1]`.
    pub rows: Vec<u32>,
    /// The number of samples.
    pub count: usize,
    /// Tokens of a sample: `context + 1`.
    pub width: usize,
    /// Tokens at the end that fill no sample.
    pub left: usize,
}

impl TokenWindows {
    /// Samples that see `context` tokens and start every `stride` tokens; every
    /// `context` tokens where no stride is given, so that each token is to be
    /// predicted once.
    ///
    /// Fails when one of them is 0.
    pub fn new(context: usize, stride: Option<usize>) -> Result<TokenWindows> {
        let stride = stride.unwrap_or(context);
        for (what, n) in [("context", context), ("stride", stride)] {
            if n == 0 || n >= MOST {
                return Err(Error::usage(format!("{what} = {n}: expected a number of tokens from 1, below {MOST}")));
            }
        }
        Ok(TokenWindows { context, stride })
    }

    /// Tokens of a sample.
    pub fn width(&self) -> usize {
        self.context + 1
    }

    /// Tokens between the starts of two samples.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The number of samples in so many tokens.
    pub fn count(&self, tokens: usize) -> usize {
        tokens.checked_sub(self.width()).map_or(0, |more| more / self.stride + 1)
    }

    /// The number of samples in so many tokens, one at least.
    pub(super) fn counted(&self, name: &str, tokens: usize) -> Result<usize> {
        match self.count(tokens) {
            0 => Err(Error::data(format!(
                "{name} holds {}; expected at least {}, a context of {} and the token behind it: take more text or a \
                 shorter context",
                said(tokens),
                self.width(),
                self.context
            ))),
            count => Ok(count),
        }
    }

    /// Tokens behind the last of so many samples.
    pub(super) fn left(&self, tokens: usize, count: usize) -> usize {
        tokens - ((count - 1) * self.stride + self.width())
    }

    /// The samples of some tokens; `name` is what messages call them.
    ///
    /// Fails when there are fewer tokens than a sample needs, or the samples
    /// would take more than the budget of memory.
    pub fn cut(&self, name: &str, tokens: &[u32]) -> Result<Windows> {
        let (count, width) = (self.counted(name, tokens.len())?, self.width());
        let total = count.saturating_mul(width);
        let mut rows: Vec<u32> = vec![];
        let (bytes, budget) = ((total as u64).saturating_mul(4), memory::budget());
        if bytes > budget || rows.try_reserve_exact(total).is_err() {
            return Err(Error::data(format!(
                "{name}: {count} samples of {width} tokens take {:.1} GiB, more than the budget of {} (--max-memory); take \
                 a stride above {} or less text",
                total as f64 * 4.0 / (1u64 << 30) as f64,
                memory::size(budget),
                self.stride
            )));
        }
        for i in 0..count {
            rows.extend_from_slice(&tokens[i * self.stride..][..width]);
        }
        Ok(Windows { rows, count, width, left: self.left(tokens.len(), count) })
    }

    /// Samples to train on and samples held out: the last share of the tokens,
    /// with no token in both. A share of 0 holds nothing out.
    ///
    /// Fails when the share is not from 0, below 1, and as [`cut`](Self::cut)
    /// does for either part.
    pub fn split(&self, name: &str, tokens: &[u32], val_share: f64) -> Result<(Windows, Option<Windows>)> {
        let (train, val) = parts(name, tokens.len(), val_share)?;
        let (first, rest) = tokens.split_at(train.tokens);
        let train = self.cut(&train.name, first)?;
        Ok((train, val.map(|val| self.cut(&val.name, rest)).transpose()?))
    }
}

/// A part of a stream of tokens.
pub(super) struct Part {
    /// What messages call it.
    pub name: String,
    /// Its tokens.
    pub tokens: usize,
}

/// What is trained on, and what is held out: the last share of so many tokens.
///
/// Fails when the share is not from 0, below 1.
pub(super) fn parts(name: &str, tokens: usize, val_share: f64) -> Result<(Part, Option<Part>)> {
    if !(0.0..1.0).contains(&val_share) {
        return Err(Error::usage(format!(
            "cannot hold out a share {val_share} of {name}: expected a number from 0, below 1, such as 0.1"
        )));
    }
    if val_share == 0.0 {
        return Ok((Part { name: name.into(), tokens }, None));
    }
    // Rounded down as nanoGPT does, but for what 1 - 0.9 is short of 0.1.
    let kept = ((tokens as f64 * (1.0 - val_share) + 1e-6) as usize).min(tokens);
    let called =
        |what: &str, share: f64| format!("the {what} part of {name} ({:.1} % of {})", 100.0 * share, said(tokens));
    let train = Part { name: called("training", 1.0 - val_share), tokens: kept };
    Ok((train, Some(Part { name: called("validation", val_share), tokens: tokens - kept })))
}

fn said(tokens: usize) -> String {
    if tokens == 1 { "1 token".into() } else { format!("{tokens} tokens") }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
