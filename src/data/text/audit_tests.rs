//! What is said of a text.

use super::*;

#[test]
fn characters_and_lines_are_counted() {
    let a = audit("t", "aab\n\naab\r\nbéé\u{fffd}\u{0}x");
    assert_eq!((a.characters, a.distinct, a.lines, a.bytes), (16, 8, 4, 20));
    assert_eq!(a.longest_line, LongestLine { line: 4, characters: 6 });
    assert_eq!(a.line_ends, LineEnds { lf: 2, crlf: 1, cr: 0 });
    assert_eq!(a.replacement, 1);
    assert!((a.duplicate_lines - 1.0 / 3.0).abs() < 1e-12);
    let of = |c: &CharacterCount| (c.character.clone(), c.code, c.count);
    assert_eq!(of(&a.frequent[0]), ("a".into(), 97, 4));
    assert_eq!(of(&a.frequent[1]), ("\\n".into(), 10, 3));
    assert_eq!(a.non_printing.iter().map(of).collect::<Vec<_>>(), [("\\u{0}".to_string(), 0, 1)]);
    assert_eq!(a.warnings.len(), 3, "{:?}", a.warnings);
    assert!(a.warnings[0].contains("U+FFFD") && a.warnings[1].contains("several ways"), "{:?}", a.warnings);
}

#[test]
fn a_clean_text_has_no_warnings() {
    let a = audit("t", "One line.\nAnother.\n");
    assert!(a.warnings.is_empty());
    assert_eq!(a.line_ends, LineEnds { lf: 2, crlf: 0, cr: 0 });
    let shown = a.to_string();
    assert!(shown.starts_with("t\nText: 19 characters (13 different) in 2 lines"), "{shown}");
    assert!(serde_json::to_value(&a).unwrap()["tokens"].is_null());
}

#[test]
fn odd_texts_are_odd() {
    let long = audit("t", &"ab".repeat(10_000));
    assert!(long.warnings[0].contains("line 1 has 20000 characters"), "{:?}", long.warnings);
    let again = audit("t", &"the same line\n".repeat(60));
    assert!(again.warnings[0].contains("98 % of the lines occurred before"), "{:?}", again.warnings);
    let old = audit("t", "a\rb\rc");
    assert_eq!((old.line_ends.cr, old.lines), (2, 1));
    let nothing = audit("t", "");
    assert_eq!((nothing.lines, nothing.characters, nothing.duplicate_lines), (0, 0, 0.0));
    assert!(!nothing.to_string().contains("NaN"));
    // Steering codes do not reach the terminal.
    assert!(!audit("t", "\u{1b}[31m red \u{202e}").to_string().contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn tokens_are_those_of_the_vocabulary() {
    let mut a = audit("t", "né");
    a.add_tokens("né", &Vocabulary::bytes()).unwrap();
    let tokens = a.tokens.clone().unwrap();
    assert_eq!((tokens.tokens, tokens.per_character), (3, 1.5));
    assert!(a.to_string().contains("3 (1.500 per character; 256 bytes)"), "{a}");
    assert!(a.add_tokens("né", &Vocabulary::characters(&["n"]).unwrap()).is_err());
}
