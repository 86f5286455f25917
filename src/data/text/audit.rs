//! What is in a text, and what is odd about it.

use super::super::findings::{Block, Findings, Section};
use super::super::html::Bar;
use super::Vocabulary;
use crate::error::Result;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// Characters that are listed.
const LISTED: usize = 20;
/// Characters of a line that is likely no line.
const LONG: usize = 10_000;
/// A share of lines that occurred before from which on it is said.
const REPEATED: f64 = 0.2;
/// Lines from which on their repeating means something.
const ENOUGH: usize = 50;

/// How often a character occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CharacterCount {
    /// The character as it can be shown.
    pub character: String,
    /// Its number in Unicode.
    pub code: u32,
    /// How often it occurs.
    pub count: u64,
}

/// The longest line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LongestLine {
    /// Its number, from 1.
    pub line: usize,
    /// Its length in characters.
    pub characters: usize,
}

/// How lines end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LineEnds {
    /// `\n` alone, as Unix has it.
    pub lf: usize,
    /// `\r\n`, as Windows has it.
    pub crlf: usize,
    /// `\r` alone.
    pub cr: usize,
}

/// What a vocabulary makes of the text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenCount {
    /// The vocabulary, in words.
    pub vocabulary: String,
    /// Tokens of the text.
    pub tokens: usize,
    /// Tokens per character.
    pub per_character: f64,
}

/// What is in a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextAudit {
    /// What was looked at.
    pub name: String,
    /// Bytes of UTF-8.
    pub bytes: usize,
    /// Characters.
    pub characters: u64,
    /// Different characters.
    pub distinct: usize,
    /// Lines.
    pub lines: usize,
    /// The first of the longest lines.
    pub longest_line: LongestLine,
    /// The most frequent characters.
    pub frequent: Vec<CharacterCount>,
    /// The rarest characters, the rarest first.
    pub rare: Vec<CharacterCount>,
    /// Control characters other than tab and line ends, and invisible marks.
    pub non_printing: Vec<CharacterCount>,
    /// U+FFFD: what another program could not read.
    pub replacement: u64,
    /// How lines end.
    pub line_ends: LineEnds,
    /// The share of lines that are not empty and occurred before.
    pub duplicate_lines: f64,
    /// What a vocabulary makes of it, where one is given.
    pub tokens: Option<TokenCount>,
    /// What a user should act on.
    pub warnings: Vec<String>,
}

/// Looks through a text; `name` is what messages call it.
pub fn audit(name: &str, text: &str) -> TextAudit {
    let mut counts: BTreeMap<char, u64> = BTreeMap::new();
    let mut ascii = [0u64; 128];
    for c in text.chars() {
        match ascii.get_mut(c as usize) {
            Some(n) => *n += 1,
            None => *counts.entry(c).or_default() += 1,
        }
    }
    counts.extend((0..128u8).map(|b| (char::from(b), ascii[b as usize])).filter(|(_, n)| *n > 0));
    let line_ends = line_ends(text);
    let (mut lines, mut longest_line) = (0, LongestLine { line: 0, characters: 0 });
    let (mut seen, mut filled, mut repeated) = (HashSet::new(), 0usize, 0usize);
    for line in text.lines() {
        lines += 1;
        let characters = line.chars().count();
        if lines == 1 || characters > longest_line.characters {
            longest_line = LongestLine { line: lines, characters };
        }
        if !line.trim().is_empty() {
            filled += 1;
            repeated += usize::from(!seen.insert(line));
        }
    }
    let mut ranked: Vec<(char, u64)> = counts.iter().map(|(&c, &n)| (c, n)).collect();
    ranked.sort_by_key(|&(c, n)| (std::cmp::Reverse(n), c));
    let listed = |all: &mut dyn Iterator<Item = &(char, u64)>| all.take(LISTED).map(|&(c, n)| counted(c, n)).collect();
    let mut audit = TextAudit {
        name: name.into(),
        bytes: text.len(),
        characters: counts.values().sum(),
        distinct: counts.len(),
        lines,
        longest_line,
        frequent: listed(&mut ranked.iter()),
        rare: listed(&mut ranked.iter().rev()),
        non_printing: listed(&mut ranked.iter().filter(|(c, _)| is_non_printing(*c))),
        replacement: counts.get(&'\u{fffd}').copied().unwrap_or(0),
        line_ends,
        duplicate_lines: repeated as f64 / filled.max(1) as f64,
        tokens: None,
        warnings: vec![],
    };
    audit.warnings = warnings(&audit, filled);
    audit
}

fn counted(c: char, count: u64) -> CharacterCount {
    let character = match c {
        ' ' => "space".into(),
        c if c.is_control() || is_non_printing(c) || c.is_whitespace() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    CharacterCount { character, code: c as u32, count }
}

/// Control characters that no text needs, and marks that are not seen.
fn is_non_printing(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn line_ends(text: &str) -> LineEnds {
    let bytes = text.as_bytes();
    let mut ends = LineEnds::default();
    for (i, &b) in bytes.iter().enumerate() {
        match b {
            b'\n' if i > 0 && bytes[i - 1] == b'\r' => ends.crlf += 1,
            b'\n' => ends.lf += 1,
            b'\r' if bytes.get(i + 1) != Some(&b'\n') => ends.cr += 1,
            _ => {}
        }
    }
    ends
}

fn warnings(a: &TextAudit, filled: usize) -> Vec<String> {
    let mut all = vec![];
    if a.replacement > 0 {
        all.push(format!(
            "{} replacement characters (U+FFFD): another program could not read what stood there; take the original",
            a.replacement
        ));
    }
    let LineEnds { lf, crlf, cr } = a.line_ends;
    if [lf, crlf, cr].iter().filter(|n| **n > 0).count() > 1 {
        all.push(format!("lines end in several ways (\\n: {lf}, \\r\\n: {crlf}, \\r: {cr}); bring them to one"));
    }
    if let Some(first) = a.non_printing.first() {
        let sum: u64 = a.non_printing.iter().map(|c| c.count).sum();
        all.push(format!("{sum} characters that do not print, most often U+{:04X}: is this all text?", first.code));
    }
    if a.longest_line.characters > LONG {
        all.push(format!("line {} has {} characters: is it one?", a.longest_line.line, a.longest_line.characters));
    }
    if a.duplicate_lines > REPEATED && filled >= ENOUGH {
        all.push(format!(
            "{:.0} % of the lines occurred before: a model learns them by heart, and a split by place may hold the same \
             on both sides",
            100.0 * a.duplicate_lines
        ));
    }
    all
}

impl TextAudit {
    /// Adds what a vocabulary makes of the text.
    ///
    /// Fails when it cannot encode it.
    pub fn add_tokens(&mut self, text: &str, vocabulary: &Vocabulary) -> Result<()> {
        let tokens = vocabulary.encode(text)?.len();
        let per_character = tokens as f64 / self.characters.max(1) as f64;
        self.tokens = Some(TokenCount { vocabulary: vocabulary.describe(), tokens, per_character });
        Ok(())
    }

    /// In a form that prints and makes a page.
    pub fn findings(&self) -> Findings {
        let summary = format!(
            "Text: {} characters ({} different) in {} lines, {} bytes.",
            self.characters, self.distinct, self.lines, self.bytes
        );
        let LineEnds { lf, crlf, cr } = self.line_ends;
        let row = |name: &str, value: String| vec![name.to_string(), value];
        let mut rows = vec![
            row("longest line", format!("line {}: {} characters", self.longest_line.line, self.longest_line.characters)),
            row("mean line", format!("{:.1} characters", self.characters as f64 / self.lines.max(1) as f64)),
            row("line ends", format!("\\n: {lf}, \\r\\n: {crlf}, \\r: {cr}")),
            row("lines that occurred before", format!("{:.1} %", 100.0 * self.duplicate_lines)),
            row("replacement characters U+FFFD", self.replacement.to_string()),
        ];
        if let Some(t) = &self.tokens {
            rows.push(row("tokens", format!("{} ({:.3} per character; {})", t.tokens, t.per_character, t.vocabulary)));
        }
        let bar = |c: &CharacterCount| Bar {
            label: format!("{} U+{:04X}", c.character, c.code),
            value: c.count as f64,
            text: format!("{} ({:.2} %)", c.count, 100.0 * c.count as f64 / self.characters.max(1) as f64),
        };
        let cells = |c: &CharacterCount| vec![c.character.clone(), format!("U+{:04X}", c.code), c.count.to_string()];
        let head = ["character", "code", "count"];
        let table = |all: &[CharacterCount]| Block::table(&head, all.iter().map(cells).collect());
        let mut sections = vec![
            Section::new("Lines", vec![Block::Table { head: vec![], rows }]),
            Section::new("Most frequent characters", vec![Block::Bars(self.frequent.iter().map(bar).collect())]),
        ];
        if self.distinct > self.frequent.len() {
            sections.push(Section::new("Rarest characters", vec![table(&self.rare)]));
        }
        if !self.non_printing.is_empty() {
            sections.push(Section::new("Characters that do not print", vec![table(&self.non_printing)]));
        }
        Findings { title: self.name.clone(), summary, warnings: self.warnings.clone(), sections }
    }
}

impl fmt::Display for TextAudit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.findings().to_text().trim_end())
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
