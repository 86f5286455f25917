//! What is said of texts with classes.

use super::*;

fn texts(all: &[(&str, u32)]) -> LabelledTexts {
    LabelledTexts {
        origin: Default::default(),
        beside: None,
        name: "t".into(),
        texts: all.iter().map(|(t, _)| t.to_string()).collect(),
        labels: all.iter().map(|(_, l)| *l).collect(),
        classes: vec!["a".into(), "b".into()],
        notes: vec!["a note".into()],
    }
}

#[test]
fn copies_are_found_within_and_across_splits() {
    let train = texts(&[("one", 0), ("one", 0), ("one ", 1), ("two", 1), (" ", 0), ("", 1)]);
    let test = texts(&[("two", 1), ("three", 0), ("three", 0), ("one", 1)]);
    let a = audit_labelled("t", &LabelledSplits { train, val: None, test: Some(test) });
    assert_eq!((a.duplicates, a.conflicts, a.leaks, a.empty), (5, 2, 2, 2));
    assert_eq!(a.splits, ["train", "test"]);
    assert_eq!(a.classes[0], ClassCount { name: "a".into(), texts: vec![3, 2] });
    assert_eq!((a.lengths.median, a.lengths.longest), (3, 5));
    assert_eq!(a.warnings.len(), 3, "{:?}", a.warnings);
    let shown = a.to_string();
    assert!(shown.contains("warning: 2 texts held out are also among") && shown.contains("a note"), "{shown}");
}

#[test]
fn uneven_classes_are_said() {
    let mut all = vec![("rare", 1)];
    all.extend(["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"].map(|t| (t, 0)));
    let a = audit_labelled("t", &LabelledSplits { train: texts(&all), val: None, test: None });
    assert_eq!(a.warnings, ["classes are uneven: 11 training texts of \"a\", 1 of \"b\""]);
}
