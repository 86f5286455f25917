//! Declared ways of writing dates: patterns of Java's `SimpleDateFormat`, such as
//! `dd/MM/yyyy HH:mm`, in the words of chrono.

use chrono::{NaiveDate, NaiveDateTime, Timelike};

/// A way of writing dates.
pub(in super::super) struct Pattern {
    /// As the file has it.
    pub declared: String,
    /// As chrono has it, with what the pattern leaves out behind it.
    way: String,
    /// What cells lack, in front of which they are put: a month, a day.
    missing: &'static str,
    /// Whether it says a time.
    timed: bool,
}

impl Pattern {
    /// Translates a pattern; what was expected, where that cannot be done.
    pub fn translate(declared: &str) -> Result<Pattern, String> {
        let fails = |what: String| {
            Err(format!(
                "date pattern \"{declared}\": {what}; expected days, months, years and times, such as dd/MM/yyyy"
            ))
        };
        let (mut way, mut letters) = (String::new(), vec![]);
        let all: Vec<char> = declared.chars().collect();
        let mut at = 0;
        while at < all.len() {
            let letter = all[at];
            let n = all[at..].iter().take_while(|c| **c == letter).count();
            at += n;
            let translated = match (letter, n) {
                // Two quotes are one, one begins words that stand as they are.
                ('\'', n) if n % 2 == 0 => "'".repeat(n / 2),
                ('\'', _) => {
                    let Some(end) = all[at..].iter().position(|c| *c == '\'') else {
                        return fails("a quote is not closed".into());
                    };
                    let words: String = all[at..at + end].iter().collect();
                    at += end + 1;
                    words.replace('%', "%%")
                }
                ('y' | 'u', 2) => "%y".into(),
                ('y' | 'u', _) => "%Y".into(),
                ('M' | 'L', 1 | 2) => "%m".into(),
                ('M' | 'L', _) => "%B".into(),
                ('d', 1 | 2) => "%d".into(),
                ('D', _) => "%j".into(),
                ('E', 1..=3) => "%a".into(),
                ('E', _) => "%A".into(),
                ('H', 1 | 2) => "%H".into(),
                ('h', 1 | 2) => "%I".into(),
                ('m', 1 | 2) => "%M".into(),
                ('s', 1 | 2) => "%S".into(),
                ('S', n) if way.ends_with('.') && n <= 9 => {
                    way.pop();
                    "%.f".into()
                }
                ('S', 3) => "%3f".into(),
                ('a', _) => "%p".into(),
                ('Z' | 'X', _) => "%#z".into(),
                (c, _) if c.is_ascii_alphabetic() => return fails(format!("'{c}' is not supported")),
                ('%', n) => "%%".repeat(n),
                (c, n) => c.to_string().repeat(n),
            };
            if letter.is_ascii_alphabetic() {
                letters.push(if letter == 'L' {
                    'M'
                } else if letter == 'u' {
                    'y'
                } else {
                    letter
                });
            }
            way += &translated;
        }
        let has = |c: char| letters.contains(&c);
        if !has('y') {
            return fails("it has no year".into());
        }
        if has('d') && !has('M') {
            return fails("it has a day without a month".into());
        }
        let timed = has('H') || has('h');
        if (has('h') && !has('a')) || (timed && !has('m')) {
            return fails("its time is not whole: an hour of twelve needs a, an hour needs mm".into());
        }
        // What is left out is the first.
        let (missing, rest) = match (has('M'), has('d'), has('D')) {
            (_, _, true) | (true, true, _) => ("", ""),
            (true, false, _) => (" 01", " %d"),
            (false, ..) => (" 01 01", " %m %d"),
        };
        Ok(Pattern { declared: declared.into(), way: way + rest, missing, timed })
    }

    /// A date as it is written elsewhere: year, month and day, and the time where the
    /// pattern has one; `None` where a cell is something else.
    pub fn read(&self, cell: &str) -> Option<String> {
        let cell = format!("{cell}{}", self.missing);
        if !self.timed {
            return Some(NaiveDate::parse_from_str(&cell, &self.way).ok()?.format("%Y-%m-%d").to_string());
        }
        let date = NaiveDateTime::parse_from_str(&cell, &self.way).ok()?;
        let fraction = if date.nanosecond() == 0 { "" } else { "%.f" };
        Some(date.format(&format!("%Y-%m-%d %H:%M:%S{fraction}")).to_string())
    }
}
