//! Names of people's choice as names of files.

use std::path::{Path, PathBuf};

/// The most bytes of a name that is made here: it leaves room for a number and an
/// ending in the 143 bytes of the file system with the shortest names (eCryptfs).
const MOST: usize = 100;
/// The most bytes of a name on nearly all file systems.
const LONGEST: usize = 255;
/// Names that Windows gives to devices, in any folder and with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A name as that of a file or a folder which every usual system can have:
/// letters, digits, `-`, `_`, `.` and whatever else is no ASCII, neither blank nor
/// unseen; others become `-`. It begins with no dot or dash, ends with none, is none
/// of Windows' devices, and is cut between two characters. `fallback` if nothing is
/// left.
pub fn plain_name(name: &str, fallback: &str) -> String {
    let kept = |c: char| match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
        false => !c.is_whitespace() && !c.is_control() && !is_unseen(c),
    };
    let plain: String = name.chars().map(|c| if kept(c) { c } else { '-' }).collect();
    let edge = |c| matches!(c, '.' | '-');
    let cut = beginning(plain.trim_start_matches(edge), MOST).trim_end_matches(edge);
    match cut {
        "" => fallback.into(),
        cut if is_device(cut) => format!("_{cut}"),
        cut => cut.into(),
    }
}

/// `PREFIX-NAME.json`, for what is kept of an adapter: its name with everything but letters
/// and digits as dashes.
pub fn cache_name(prefix: &str, adapter: &str) -> String {
    let plain: String = adapter.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|w| !w.is_empty()).collect();
    let name: String = words.join("-").to_lowercase().chars().take(150).collect();
    format!("{prefix}-{name}.json")
}

/// As much of a text as so many bytes hold, cut between two characters.
pub fn beginning(text: &str, most: usize) -> &str {
    let fits = (0..=most.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    &text[..fits.unwrap_or(0)]
}

/// A path with something added to its name, which is cut where the two would be
/// longer than a file system takes.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    if let Some(name) = path.file_name().and_then(|n| n.to_str())
        && name.len() + suffix.len() > LONGEST
    {
        return path.with_file_name(format!("{}{suffix}", beginning(name, LONGEST - suffix.len())));
    }
    let mut longer = path.as_os_str().to_os_string();
    longer.push(suffix);
    longer.into()
}

/// Marks that turn the direction of text, join or part characters, or are not seen.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_lowercase();
    let numbered = |kind: &str| {
        let rest = stem.strip_prefix(kind);
        rest.is_some_and(|n| n.chars().count() == 1 && n.contains(|c: char| c.is_ascii_digit() || "¹²³".contains(c)))
    };
    DEVICES.contains(&&*stem) || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_one_of_a_file() {
        for (name, wanted) in [
            ("keras-cnn", "keras-cnn"),
            ("../../x", "x"),
            ("a b/c\\d:e", "a-b-c-d-e"),
            ("-x", "x"),
            (".hidden", "hidden"),
            ("v1.2.", "v1.2"),
            ("end ", "end"),
            ("Größe 日本語", "Größe-日本語"),
            ("हिन्दी", "हिन्दी"),
            ("e\u{301}", "e\u{301}"),
            ("a\u{202e}b\u{0}c\u{a0}d", "a-b-c-d"),
            ("", "model"),
            ("   ", "model"),
            ("...", "model"),
            ("-.-", "model"),
            ("con", "_con"),
            ("Nul.txt", "_Nul.txt"),
            ("LPT1", "_LPT1"),
            ("com¹", "_com¹"),
            ("console", "console"),
            ("com10", "com10"),
        ] {
            assert_eq!(plain_name(name, "model"), wanted, "{name:?}");
        }
    }

    #[test]
    fn names_are_cut_by_bytes_between_characters() {
        for name in
            ["日".repeat(300), "é".repeat(300), "👍".repeat(300), format!("a{}", "日".repeat(300)), "x".repeat(300)]
        {
            let plain = plain_name(&name, "model");
            assert!(name.starts_with(&plain) && (MOST - 3..=MOST).contains(&plain.len()), "{plain}");
        }
        // What the cut leaves at the end is none that Windows drops.
        assert_eq!(plain_name(&format!("{}....b", "x".repeat(98)), "model"), "x".repeat(98));
        assert_eq!(beginning("aé", 2), "a");
        assert_eq!(beginning("aé", 9), "aé");
    }

    #[test]
    fn a_suffix_has_its_place() {
        let suffixed = |name: &str| with_suffix(Path::new(name), "-001");
        assert_eq!(suffixed("runs/a"), Path::new("runs/a-001"));
        for letter in ["x", "é", "日"] {
            let longest = letter.repeat(255 / letter.len());
            let name = suffixed(&format!("runs/{longest}"));
            let name = name.file_name().unwrap().to_str().unwrap();
            assert!(name.len() <= 255 && name.ends_with("-001") && name.starts_with(&letter.repeat(80)), "{name}");
        }
    }
}
