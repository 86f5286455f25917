//! Windows of a text in which each of its tokens is scored once.

use super::windows::TokenWindows;
use crate::data::IGNORED;
use crate::error::{Error, Result};
use crate::files::memory;

/// Samples that score a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoringWindows {
    /// What a model reads, `[count, context]`; the last is filled up with token 0,
    /// behind all that is scored.
    pub inputs: Vec<u32>,
    /// What it is to foretell, `[count, context]`; [`IGNORED`] where nothing is
    /// scored.
    pub labels: Vec<u32>,
    /// The number of samples.
    pub count: usize,
    /// Tokens scored: all but the first, which follows nothing.
    pub scored: usize,
}

impl TokenWindows {
    /// Windows as Hugging Face's "Perplexity of fixed-length models" has them: one
    /// begins every `stride` tokens, sees up to `context` of them, and is scored on
    /// what no window before it was scored on. With a stride of the context they
    /// are disjoint; the shorter it is, the more each token has in front of it. The
    /// last window, and the only one of a short text, sees what there is.
    ///
    /// A window foretells the token behind each of those that it sees, so the last
    /// that is scored in one is the first that the next one sees, and none is lost
    /// between two of them.
    ///
    /// Fails when there is no second token, the stride leaves tokens out, or the
    /// windows would take more than the budget of memory.
    pub fn scoring(&self, name: &str, tokens: &[u32]) -> Result<ScoringWindows> {
        let (context, stride) = (self.width() - 1, self.stride());
        let (count, last) = self.windows_to_score(name, tokens.len())?;
        let total = count.saturating_mul(context);
        let (bytes, budget) = ((total as u64).saturating_mul(8), memory::budget());
        let (mut inputs, mut labels): (Vec<u32>, Vec<u32>) = (vec![], vec![]);
        if bytes > budget || inputs.try_reserve_exact(total).is_err() || labels.try_reserve_exact(total).is_err() {
            return Err(Error::data(format!(
                "{name}: {count} windows of {context} tokens take {}, more than the budget of {} (--max-memory); take a \
                 stride above {stride} or less text",
                memory::size(bytes),
                memory::size(budget),
            )));
        }
        let mut scored = 0;
        for begin in (0..count).map(|i| i * stride) {
            let end = (begin + context).min(last);
            inputs.extend_from_slice(&tokens[begin..end]);
            let known = scored - begin;
            labels.resize(labels.len() + known, IGNORED);
            labels.extend_from_slice(&tokens[begin + known + 1..=end]);
            inputs.resize(inputs.len() + begin + context - end, 0);
            labels.resize(inputs.len(), IGNORED);
            scored = end;
        }
        Ok(ScoringWindows { inputs, labels, count, scored })
    }

    /// The number of windows that score so many tokens, and the last of these.
    ///
    /// Fails when there is no second token, and when the stride leaves tokens out.
    pub(super) fn windows_to_score(&self, name: &str, tokens: usize) -> Result<(usize, usize)> {
        let (context, stride) = (self.width() - 1, self.stride());
        if stride > context {
            return Err(Error::usage(format!(
                "stride {stride}: expected at most the context of {context} tokens, or tokens between two windows would \
                 not be scored"
            )));
        }
        let last = match tokens {
            n @ 0..2 => {
                let found = if n == 0 { "no token" } else { "1 token" };
                return Err(Error::data(format!(
                    "{name} holds {found}; expected at least 2: each is scored by those in front of it, and the first has \
                     none"
                )));
            }
            n => n - 1,
        };
        let count = 1 + last.saturating_sub(context).div_ceil(stride);
        Ok((count, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: u32 = IGNORED;

    fn windows(context: usize, stride: usize, tokens: u32) -> ScoringWindows {
        let tokens: Vec<u32> = (0..tokens).map(|t| 10 + t).collect();
        TokenWindows::new(context, Some(stride)).unwrap().scoring("text", &tokens).unwrap()
    }

    #[test]
    fn windows_as_one_would_write_them_down() {
        let w = windows(3, 3, 6);
        assert_eq!((&w.inputs[..], &w.labels[..]), (&[10, 11, 12, 13, 14, 0][..], &[11, 12, 13, 14, 15, NONE][..]));
        let w = windows(3, 2, 6);
        assert_eq!((&w.inputs[..], &w.labels[..]), (&[10, 11, 12, 12, 13, 14][..], &[11, 12, 13, NONE, 14, 15][..]));
        let w = windows(3, 2, 7);
        assert_eq!((w.count, &w.inputs[6..], &w.labels[6..]), (3, &[14, 15, 0][..], &[NONE, 16, NONE][..]));
        let w = windows(4, 4, 2);
        assert_eq!((&w.inputs[..], &w.labels[..]), (&[10, 0, 0, 0][..], &[11, NONE, NONE, NONE][..]));
    }

    #[test]
    fn every_token_but_the_first_is_scored_once() {
        for context in 1..6usize {
            for stride in 1..=context {
                for n in 2..30u32 {
                    let w = windows(context, stride, n);
                    assert_eq!((w.inputs.len(), w.labels.len()), (w.count * context, w.count * context));
                    let scored: Vec<u32> = w.labels.iter().copied().filter(|&l| l != NONE).collect();
                    assert_eq!(scored, (11..10 + n).collect::<Vec<_>>(), "{context} {stride} {n}");
                    assert_eq!(w.scored, scored.len());
                    // Each window is scored on something, by the token in front of it.
                    for (inputs, labels) in w.inputs.chunks(context).zip(w.labels.chunks(context)) {
                        assert!(labels.iter().any(|&l| l != NONE));
                        assert!(inputs.iter().zip(labels).all(|(&i, &l)| l == NONE || l == i + 1));
                    }
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_scored_is_refused() {
        let said = |stride, tokens: &[u32]| {
            TokenWindows::new(4, Some(stride)).unwrap().scoring("text", tokens).unwrap_err().to_string()
        };
        assert!(said(4, &[1]).contains("text holds 1 token; expected at least 2"));
        assert!(said(4, &[]).contains("text holds no token"));
        assert!(said(5, &[1, 2, 3]).contains("stride 5: expected at most the context of 4 tokens"));
    }
}
