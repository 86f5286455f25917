//! What was done to each column, in words.

use super::columns::{Encoder, FittedColumn, Gap};
use super::fitted::Fitted;
use super::normalize::Normalize;
use super::number::show;
use super::table::clip;
use super::target::Goal;
use super::text::TextRule;

impl Fitted {
    /// A sentence per column, the target first, and then what else to know.
    pub fn describe(&self) -> Vec<String> {
        let mut all = vec![];
        match &self.goal {
            Goal::Classes { column, names, counts } => {
                let shown = names.iter().zip(counts).take(10);
                let shown: Vec<String> = shown.map(|(name, n)| format!("{} ({n})", clip(name))).collect();
                let more = if names.len() > 10 { ", ..." } else { "" };
                all.push(format!("{column}: the target, {} classes: {}{more}", names.len(), shown.join(", ")));
            }
            Goal::Values(targets) => all.extend(targets.iter().map(|t| {
                format!(
                    "{}: the target, numbers from {} to {}, standardised for training",
                    t.name,
                    show(t.min),
                    show(t.max)
                )
            })),
        }
        all.extend(self.columns.iter().map(FittedColumn::describe));
        all.extend(self.notes.iter().cloned());
        all
    }
}

/// What the features of a list are called together.
fn features(n: usize) -> String {
    if n == 1 { "1 feature".into() } else { format!("{n} features") }
}

impl FittedColumn {
    /// What was done to this column.
    pub fn describe(&self) -> String {
        let (name, kind) = (&self.name, self.kind.name());
        let what = match &self.encoder {
            Encoder::Dropped { reason } => return format!("{name}: dropped ({kind}): {reason}"),
            Encoder::Number { gap, indicator, clip, offset, range: [low, high], .. } => {
                let mut what = format!("number from {} to {}", show(*low), show(*high));
                if let Some([low, high]) = clip {
                    what += &format!(", clipped to {} to {}", show(*low), show(*high));
                }
                if *offset != 0.0 {
                    what += &format!(", less {offset}");
                }
                what + &self.normalised() + &self.gaps(gap, |x| show(*x), *indicator)
            }
            Encoder::Category { slots, ordinal, gap, indicator } => {
                let values: Vec<String> = slots.values.iter().take(8).map(|v| clip(v)).collect();
                let more = if slots.values.len() > 8 { ", ..." } else { "" };
                let rare =
                    if slots.other { format!("; {} rare ones together", slots.rare.len()) } else { String::new() };
                let how = if *ordinal { "a number by its order".to_string() } else { features(slots.width()) };
                let what = format!("category as {how}: {}{more}{rare}", values.join(", "));
                what + &self.gaps(gap, |v| format!("\"{}\"", clip(v)), *indicator)
            }
            Encoder::Date { parts, gap, indicator, format } => {
                let parts: Vec<&str> = parts.iter().map(|p| p.name()).collect();
                let what = format!("date ({format}) as {}", parts.join(", "));
                what + &self.normalised() + &self.gaps(gap, String::clone, *indicator)
            }
            Encoder::Text(rule) => {
                let names = rule.names();
                let how = match rule {
                    TextRule::Prefix(_) => "text, of which the letters before the first digit make a category",
                    TextRule::Word(slots) if slots.values.is_empty() => "text, of which missing cells are marked",
                    TextRule::Word(_) => "text, of which the frequent word makes a category",
                    TextRule::Words(_) => "long text, of which the frequent words are marked",
                };
                let shown: Vec<&str> = names.iter().take(10).map(String::as_str).collect();
                let more = if names.len() > 10 { ", ..." } else { "" };
                format!("{how} ({}): {}{more}", features(names.len()), shown.join(", "))
            }
        };
        format!("{name}: {what}")
    }

    fn normalised(&self) -> String {
        match self.normalize {
            Normalize::None => String::new(),
            Normalize::Standard => ", standardised".into(),
            Normalize::MinMax => ", brought to 0 to 1".into(),
            Normalize::Robust => ", less its median, by the distance of its quartiles".into(),
        }
    }

    fn gaps<T>(&self, gap: &Gap<T>, show: impl Fn(&T) -> String, indicator: bool) -> String {
        let marked = if indicator { ", and are marked" } else { "" };
        match (gap, self.missing) {
            (Gap::Drop, _) => "; a row without it is dropped".into(),
            (_, 0) => String::new(),
            (Gap::Slot, n) => format!("; {n} missing of {} are a category of their own{marked}", self.rows),
            (Gap::Fill { value, how }, n) => {
                format!("; {n} missing of {} become the {how} {}{marked}", self.rows, show(value))
            }
        }
    }
}
