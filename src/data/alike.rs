//! Names of classes that people read as one: `yes` and `Yes`, an accent in two
//! forms of Unicode, a blank more or one that is not seen.

use super::Targets;
use super::table::Table;
use std::collections::{BTreeMap, HashMap};
use tokenizers::NormalizedString;

/// Groups that a remark names.
const NAMED: usize = 5;

/// What names that are read alike have in common: NFKC, small letters, no
/// characters without width, one blank where there are several, none around.
pub(super) fn key(name: &str) -> String {
    let mut folded = NormalizedString::from(name);
    folded.nfkc().lowercase().nfkc();
    seen(folded.get())
}

/// A name as it is seen: in one form of Unicode, without characters that have no width,
/// one blank where there are several, none around, one kind of hyphen.
pub(super) fn look(name: &str) -> String {
    if name.is_ascii() {
        return name.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let mut form = NormalizedString::from(name);
    form.nfc();
    seen(form.get())
}

fn seen(name: &str) -> String {
    let unseen = |c: &char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    let hyphen = |c: char| if matches!(c, '\u{2010}' | '\u{2011}') { '-' } else { c };
    let seen: String = name.chars().filter(|c| !unseen(c)).map(hyphen).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// For each name the place of the one that stands for it: of names that are read
/// alike that with the most samples, the first of equals.
fn merged(names: &[String], counts: &[usize]) -> Vec<usize> {
    let keys: Vec<String> = names.iter().map(|n| key(n)).collect();
    let mut best: HashMap<&str, usize> = HashMap::new();
    for (i, k) in keys.iter().enumerate() {
        let place = best.entry(k).or_insert(i);
        if counts[i] > counts[*place] {
            *place = i;
        }
    }
    keys.iter().map(|k| best[k.as_str()]).collect()
}

/// What to say of classes that are read alike, with their samples; nothing where
/// there are none.
pub fn remark(names: &[String], counts: &[usize]) -> Option<String> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    merged(names, counts).into_iter().enumerate().for_each(|(i, place)| groups.entry(place).or_default().push(i));
    let groups: Vec<Vec<usize>> = groups.into_values().filter(|g| g.len() > 1).collect();
    let shown = |&i: &usize| format!("\"{}\" ({})", names[i].escape_debug(), counts[i]);
    let said = |g: &Vec<usize>| {
        let plain = g.iter().map(shown).collect::<Vec<_>>().join(", ");
        // Two forms of an accent look the same even so.
        let same = g.iter().any(|&i| {
            g.iter()
                .any(|&j| i != j && names[i].trim() != names[j].trim() && composed(&names[i]) == composed(&names[j]))
        });
        if same { plain + " in different characters" } else { plain }
    };
    let more = if groups.len() > NAMED { format!(" and {} more groups", groups.len() - NAMED) } else { String::new() };
    let list: Vec<String> = groups.iter().take(NAMED).map(said).collect();
    (!groups.is_empty()).then(|| {
        format!(
            "class names that are read alike, with their samples: {}{more}; if they are one class, set \
             data.normalize_classes = true",
            list.join("; ")
        )
    })
}

/// A name in one form of Unicode.
fn composed(name: &str) -> String {
    let mut form = NormalizedString::from(name);
    form.nfc();
    form.get().trim().to_string()
}

/// The place of a class among those of a model: of that name or, if `alike`, of
/// one that is read so.
pub fn place(class: &str, known: &[String], alike: bool) -> Option<usize> {
    let exact = known.iter().position(|k| k == class);
    exact.or_else(|| alike.then(|| known.iter().position(|k| key(k) == key(class))).flatten())
}

/// Makes classes that are read alike one, under the name that has the most
/// samples of the first targets. All have the same classes.
pub fn merge(all: &mut [&mut Targets]) {
    let Some(Targets::Classes { labels, names }) = all.first().map(|t| &**t) else { return };
    let mut counts = vec![0; names.len()];
    labels.iter().for_each(|&l| counts[l as usize] += 1);
    let places = merged(names, &counts);
    let mut number = vec![0; names.len()];
    let kept: Vec<usize> = (0..names.len()).filter(|&i| places[i] == i).collect();
    kept.iter().zip(0..).for_each(|(&i, n)| number[i] = n);
    for targets in all {
        if let Targets::Classes { labels, names } = &mut **targets {
            labels.iter_mut().for_each(|l| *l = number[places[*l as usize]]);
            *names = kept.iter().map(|&i| names[i].clone()).collect();
        }
    }
}

/// Writes the cells of a column that are read alike in one way: as a class that
/// is `known`, or as most of them are written.
pub fn merge_cells(table: &mut Table, column: usize, known: &[String]) {
    let cells = &mut table.columns[column].cells;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    cells.present().for_each(|c| *counts.entry(c).or_default() += 1);
    let names: Vec<String> = known.iter().cloned().chain(counts.keys().map(|c| c.to_string())).collect();
    // What is known comes first, however few there are.
    let weights: Vec<usize> = known.iter().map(|_| usize::MAX).chain(counts.values().copied()).collect();
    let places = merged(&names, &weights);
    let written: HashMap<String, String> =
        names.iter().zip(&places).map(|(name, &place)| (name.clone(), names[place].clone())).collect();
    *cells = cells.rewritten(|c| Some(written[c].as_str().into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|n| n.to_string()).collect()
    }

    #[test]
    fn names_that_are_read_alike_are_found() {
        let alike = ["yes", "Yes", " YES ", "yes\u{200b}", "\u{feff}yes", "ｙｅｓ"];
        assert!(alike.iter().all(|n| key(n) == "yes"));
        assert_eq!(key("cafe\u{301}"), key("CAF\u{c9}"));
        assert_eq!(key("New\u{a0} York"), key("new york"));
        for (a, b) in [("yes", "yes!"), ("cafe", "café"), ("a b", "ab"), ("1", "1.0")] {
            assert_ne!(key(a), key(b));
        }
        let found = names(&["no", "yes", "Yes", "yes\u{200b}"]);
        let said = remark(&found, &[5, 2, 7, 1]).unwrap();
        assert!(said.contains("\"yes\" (2), \"Yes\" (7), \"yes\\u{200b}\" (1)"), "{said}");
        let said = remark(&names(&["café", "cafe\u{301}"]), &[1, 1]).unwrap();
        assert!(said.contains("in different characters"), "{said}");
        assert_eq!(remark(&names(&["yes", "no"]), &[1, 1]), None);
    }

    #[test]
    fn classes_become_one_under_the_most_frequent_name() {
        let classes =
            |labels: &[u32]| Targets::Classes { labels: labels.to_vec(), names: names(&["NO", "Yes", "no", "yes"]) };
        let (mut train, mut test) = (classes(&[0, 1, 2, 2, 3, 3]), classes(&[0, 1]));
        merge(&mut [&mut train, &mut test]);
        let expected = |labels: &[u32]| Targets::Classes { labels: labels.to_vec(), names: names(&["no", "yes"]) };
        assert_eq!((train, test), (expected(&[0, 1, 0, 0, 1, 1]), expected(&[0, 1])));
        assert_eq!(place("YES", &names(&["no", "yes"]), true), Some(1));
        assert_eq!(place("YES", &names(&["no", "yes"]), false), None);
    }
}
