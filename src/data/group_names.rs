//! Names of groups that differ in form alone: `P001` and `p001`, `7` and `007`, an accent
//! in two forms of Unicode, a blank that is not seen. Rows of one patient must not get
//! onto both sides of a split because of that.

use super::alike;
use super::table::number::canonical;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Groups of names that a note lists.
const NAMED: usize = 3;

/// The cells that name a row's group; `None` where one is missing.
type Name = Option<Vec<String>>;

/// One spelling for names that look the same: no blanks around, one within, no characters
/// without width, one form of Unicode, one hyphen, `1` for `1.0`.
pub(super) fn plain(cell: &str) -> String {
    canonical(&alike::look(cell))
}

/// What names that are read alike have in common: also small letters, and numbers without
/// leading zeros.
fn loose(cell: &str) -> String {
    let key = alike::key(&plain(cell));
    let (mut out, mut before, mut rest) = (String::new(), ' ', key.chars().peekable());
    while let Some(c) = rest.next() {
        // Zeros behind a point are another number.
        let leads = c == '0' && !before.is_ascii_digit() && !matches!(before, '.' | ',');
        if leads && rest.peek().is_some_and(char::is_ascii_digit) {
            continue;
        }
        out.push(c);
        before = c;
    }
    out
}

/// The names in one spelling, and what to know of that. Those that are read alike are one
/// where `alike` says so.
pub(super) fn settle(by: &str, names: Vec<Name>, alike: bool) -> (Vec<Name>, Vec<String>) {
    let spell = |how: &dyn Fn(&str) -> String, names: &[Name]| -> (Vec<Name>, Vec<String>) {
        // Each name is spelled once, however many rows have it.
        let mut known: HashMap<&[String], Vec<String>> = HashMap::new();
        let mut counts: BTreeMap<&[String], usize> = BTreeMap::new();
        let one = |name: &Vec<String>| name.iter().map(|cell| how(cell)).collect::<Vec<String>>();
        for name in names.iter().flatten() {
            known.entry(name).or_insert_with(|| one(name));
            *counts.entry(name).or_default() += 1;
        }
        let mut together: BTreeMap<&Vec<String>, Vec<(&[String], usize)>> = BTreeMap::new();
        counts.iter().for_each(|(name, &n)| together.entry(&known[*name]).or_default().push((*name, n)));
        let shown = |all: &Vec<(&[String], usize)>| {
            let each = all.iter().map(|(name, n)| format!("\"{}\" ({n})", name.join(", ").escape_debug()));
            each.collect::<Vec<_>>().join(", ")
        };
        let several = together.values().filter(|all| all.len() > 1).map(shown).collect();
        let spelled = names.iter().map(|name| name.as_ref().map(|name| known[&name[..]].clone())).collect();
        (spelled, several)
    };
    let mut notes = vec![];
    // `1` and `1.0` were always one, which nobody needs to hear.
    let names: Vec<Name> =
        names.into_iter().map(|name| name.map(|cells| cells.iter().map(|c| canonical(c)).collect())).collect();
    let (names, merged) = spell(&|cell| plain(cell), &names);
    if !merged.is_empty() {
        notes.push(format!(
            "groups by {by}: names that look the same, and differ in blanks, characters without width or forms of \
             Unicode, are one group: {}",
            list(&merged)
        ));
    }
    let (loosely, read_alike) = spell(&|cell| loose(cell), &names);
    if read_alike.is_empty() {
        return (names, notes);
    }
    let (all, left) = (distinct(&names), distinct(&loosely));
    let said = format!(
        "groups by {by}: {} of {all} names differ from others in capitals, leading zeros or the form of characters alone, \
         with their rows: {}",
        all - left,
        list(&read_alike)
    );
    if alike {
        notes.push(format!("{said}; they are one group, as configured (data.normalize_groups)"));
        return (loosely, notes);
    }
    notes.push(format!(
        "{said}; they are different groups, and may be on both sides of a split: set data.normalize_groups = true if \
         they are one"
    ));
    (names, notes)
}

fn distinct(names: &[Name]) -> usize {
    names.iter().flatten().collect::<BTreeSet<_>>().len()
}

/// The first of some groups of names.
fn list(all: &[String]) -> String {
    let more = if all.len() > NAMED { format!("; and {} more", all.len() - NAMED) } else { String::new() };
    all.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ") + &more
}

#[cfg(test)]
mod tests {
    use super::super::RowGroups;

    fn groups(names: &[&str], alike: bool) -> RowGroups {
        RowGroups::named("\"patient\"", names.iter().map(|n| Some(vec![n.to_string()])).collect(), alike)
    }

    #[test]
    fn names_that_look_the_same_are_one_group() {
        for pair in [
            ["P001", " P001\u{a0}"],
            ["P001", "P\u{200b}001"],
            ["caf\u{e9}", "cafe\u{301}"],
            ["A\u{2011}7", "A-7"],
            ["Ann  Lee", "Ann Lee"],
        ] {
            let found = groups(&[pair[0], pair[1], "other"], false);
            assert_eq!(found.of, [0, 0, 1], "{pair:?}");
            assert!(found.notes.len() == 1 && found.notes[0].contains("are one group"), "{:?}", found.notes);
        }
        assert!(groups(&["1", "1.0", "2"], false).notes.is_empty());
    }

    #[test]
    fn names_that_are_read_alike_are_named_or_one_as_asked() {
        for pair in [["P001", "p001"], ["7", "007"], ["P1", "P001"], ["\u{ff30}1", "P1"], ["P-7", "P-07"]] {
            let names = [pair[0], pair[1], pair[1], "other"];
            let found = groups(&names, false);
            assert_eq!(found.of, [0, 1, 1, 2], "{pair:?}");
            let note = &found.notes[0];
            assert!(note.contains("1 of 3 names") && note.contains("(2)"), "{note}");
            assert!(note.contains("set data.normalize_groups = true"), "{note}");
            let one = groups(&names, true);
            assert_eq!((&one.of[..], one.count), (&[0, 0, 0, 1][..], 2));
            assert!(one.notes[0].contains("as configured"), "{:?}", one.notes);
        }
        for pair in [["1.5", "1.05"], ["P10", "P1"], ["0", "00x"], ["a b", "ab"]] {
            assert!(groups(&pair, false).notes.is_empty(), "{pair:?}");
        }
    }
}
