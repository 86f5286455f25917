//! Bytes as printable characters, as GPT-2 writes its tokens.
//!
//! A byte that is a printable character of Latin-1 stands for itself; the other
//! 68 are the characters from U+0100 on, in order. So a token of any bytes is a
//! text without spaces, and a file of merges can be read by eye.

use std::sync::LazyLock;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// The character of each byte.
static CHARACTERS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = 256;
    std::array::from_fn(|byte| {
        let printable = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if printable { byte as u32 } else { next };
        next += u32::from(!printable);
        char::from_u32(code).expect("below the surrogates")
    })
});

/// The byte of each character, by code point.
static BYTES: LazyLock<[Option<u8>; 512]> = LazyLock::new(|| {
    let mut bytes = [None; 512];
    CHARACTERS.iter().zip(0..=u8::MAX).for_each(|(&c, byte)| bytes[c as usize] = Some(byte));
    bytes
});

/// The 256 characters that stand for bytes, sorted by code point.
pub fn alphabet() -> Vec<char> {
    let mut all = CHARACTERS.to_vec();
    all.sort_unstable();
    all
}

/// The bytes that a token stands for. One with other characters, such as
/// `<|end of text|>`, stands for itself.
pub fn bytes(token: &str) -> Vec<u8> {
    let byte = |c: char| BYTES.get(c as usize).copied().flatten();
    token.chars().map(byte).collect::<Option<Vec<u8>>>().unwrap_or_else(|| token.as_bytes().to_vec())
}

/// The words of a text in this writing, cut as GPT-2 cuts: a word takes the
/// space in front of it along, and no token reaches over its end.
pub fn words(text: &str) -> Result<Vec<String>, tokenizers::Error> {
    let mut text = PreTokenizedString::from(text);
    ByteLevel::new(false, true, true).pre_tokenize(&mut text)?;
    let splits = text.get_splits(OffsetReferential::Original, OffsetType::None);
    Ok(splits.into_iter().map(|(word, ..)| word.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_a_character_and_back() {
        let all = alphabet();
        assert_eq!((all.len(), all[0], all[255]), (256, '!', '\u{143}'));
        let theirs = ByteLevel::alphabet();
        assert!(all.iter().all(|c| theirs.contains(c)));
        for byte in 0..=255u8 {
            assert_eq!(bytes(&CHARACTERS[byte as usize].to_string()), [byte]);
        }
        assert_eq!(bytes("Ġthe"), b" the");
        assert_eq!(bytes("<a b>"), b"<a b>", "a space is no character of the writing");
    }

    #[test]
    fn words_take_their_space_along() {
        assert_eq!(words("It's  a\ncafé 12!").unwrap(), ["It", "'s", "Ġ", "Ġa", "Ċ", "cafÃ©", "Ġ12", "!"]);
        assert!(words("").unwrap().is_empty());
    }
}
