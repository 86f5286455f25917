//! The bytes of a file as UTF-8 text: UTF-16, with its mark or without, and
//! Windows-1252 (Latin-1 and 27 signs more) are recognised and converted.

use super::scan::breaks;
use crate::error::{Error, Result};
use std::borrow::Cow;

/// Bytes that are looked at to tell UTF-16 without its mark.
const SAMPLE: usize = 4096;
/// What the bytes 0x80 to 0x9f are in Windows-1252; NUL where they are nothing.
const SIGNS: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’', '“', '”', '•',
    '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// The text of a file without its mark, and a note where it was converted.
///
/// Fails on bytes that are no text, naming the line.
pub(super) fn decode<'a>(name: &str, bytes: &'a [u8]) -> Result<(Cow<'a, str>, Option<String>)> {
    if let Some(unit) = utf16(bytes) {
        let units = bytes.chunks_exact(2).map(|b| unit([b[0], b[1]]));
        let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        let lost = text.matches(char::REPLACEMENT_CHARACTER).count() + bytes.len() % 2;
        if lost > 0 || text.contains('\0') {
            return Err(Error::data(format!(
                "{name} looks like UTF-16 text, but it holds a NUL byte or {lost} broken characters; expected text: \
                 save it again as \"CSV UTF-8\""
            )));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_string();
        return Ok((Cow::Owned(text), Some("the file is UTF-16 text and was converted".into())));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(at) = memchr::memchr(0, bytes) {
        let line = 1 + breaks(&bytes[..at]);
        return Err(Error::data(format!(
            "{name}, line {line}: found a NUL byte; expected text: this is a binary or damaged file"
        )));
    }
    let error = match str::from_utf8(bytes) {
        Ok(text) => return Ok((Cow::Borrowed(text), None)),
        Err(error) => error,
    };
    let at = error.valid_up_to();
    let line = 1 + breaks(&bytes[..at]);
    // Where there are more whole characters of UTF-8 than broken ones, it is damaged UTF-8.
    let (whole, broken) = bytes.utf8_chunks().fold((0, 0), |(whole, broken), chunk| {
        let wide = chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        (whole + wide, broken + usize::from(!chunk.invalid().is_empty()))
    });
    let text: Option<String> = bytes.iter().map(|&b| sign(b)).collect();
    match text.filter(|_| whole < broken) {
        Some(text) => Ok((
            Cow::Owned(text),
            Some(format!("the file is not UTF-8 (line {line}); it was read as Windows-1252 (Latin-1)")),
        )),
        None => Err(Error::data(format!(
            "{name}, line {line}: it is not UTF-8 (byte 0x{:02x}), nor Windows-1252; expected UTF-8 text: convert the \
             file, for example with `iconv -f latin1 -t utf-8`, or mend the line",
            bytes[at]
        ))),
    }
}

/// Whether some bytes begin UTF-16 text.
pub(super) fn is_utf16(start: &[u8]) -> bool {
    utf16(start).is_some()
}

/// A character of Windows-1252; `None` for what no text holds.
fn sign(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9f => Some(SIGNS[usize::from(byte - 0x80)]).filter(|&c| c != '\0'),
        0..=8 | 14..=26 | 28..=31 => None,
        b => Some(char::from(b)),
    }
}

/// How two bytes make a unit, if the file is UTF-16: by its mark, or because
/// every other byte of the start is mostly NUL, as in the words of the West.
fn utf16(bytes: &[u8]) -> Option<fn([u8; 2]) -> u16> {
    match bytes {
        [0xff, 0xfe, ..] => return Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] => return Some(u16::from_be_bytes),
        _ => {}
    }
    let start = &bytes[..bytes.len().min(SAMPLE) / 2 * 2];
    let nulls = |from: usize| start.iter().skip(from).step_by(2).filter(|&&b| b == 0).count();
    let (high, low) = (nulls(0), nulls(1));
    let most = |n: usize| start.len() >= 4 && 10 * n >= 7 * (start.len() / 2);
    match () {
        () if most(low) && high == 0 => Some(u16::from_le_bytes),
        () if most(high) && low == 0 => Some(u16::from_be_bytes),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> (String, bool) {
        let (text, note) = decode("t.csv", bytes).unwrap();
        (text.into_owned(), note.is_some())
    }

    #[test]
    fn encodings_are_recognised() {
        let words = "Stadt,Fläche\nKöln,405\nZürich,92\n";
        let units: Vec<u16> = words.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|u| u.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|u| u.to_be_bytes()).collect();
        for bytes in [&[b"\xff\xfe", &little[..]].concat(), &[b"\xfe\xff", &big[..]].concat(), &little, &big] {
            assert_eq!(text(bytes), (words.to_string(), true));
        }
        assert_eq!(text(&[b"\xef\xbb\xbf", words.as_bytes()].concat()), (words.to_string(), false));
        assert_eq!(text(b"K\xf6ln,5 \x80\n"), ("Köln,5 €\n".to_string(), true));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let fails = |bytes: &[u8], part: &str| {
            let message = decode("t.csv", bytes).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        fails(b"a,b\n1,\0\n", "line 2: found a NUL byte");
        fails("ä,ö\nü,é\n\u{fc}".as_bytes().split_last().unwrap().1, "line 3: it is not UTF-8 (byte 0xc3)");
        fails(b"a,b\nK\xf6ln,\x81\n", "line 2: it is not UTF-8 (byte 0xf6), nor Windows-1252");
        fails(b"\xff\xfea\0,\0x", "looks like UTF-16");
    }
}
