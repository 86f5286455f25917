//! Which array of an archive is what, by its name: samples or targets, and of
//! which split.

use crate::data::split_names::{SPLITS, split_word, words};

/// Words for samples, the likelier first.
const SAMPLES: [&str; 10] = ["x", "data", "images", "image", "features", "inputs", "input", "samples", "xs", "pixels"];
/// Words for targets.
const TARGETS: [&str; 9] = ["y", "labels", "label", "target", "targets", "outputs", "output", "ys", "classes"];

/// What a name says.
#[derive(Debug, PartialEq, Eq)]
struct Role {
    split: Option<usize>,
    is_target: bool,
    /// The place of its word.
    rank: usize,
}

fn role(name: &str) -> Option<Role> {
    let mut split = None;
    let mut rest = vec![];
    for word in words(name) {
        // As in `xtrain` and `trainX`.
        let joined = SPLITS.iter().flat_map(|(_, all)| *all).find_map(|s| {
            let bare = word.strip_suffix(s).or_else(|| word.strip_prefix(s))?;
            (matches!(bare, "x" | "y")).then(|| (split_word(s), bare.to_string()))
        });
        match (split_word(&word), joined) {
            (Some(s), _) if split.is_none() => split = Some(s),
            (None, Some((s, bare))) if split.is_none() => {
                split = s;
                rest.push(bare);
            }
            (Some(_), _) => return None,
            _ if word == "set" => {}
            _ => rest.push(word),
        }
    }
    let [word] = &rest[..] else { return None };
    let place = |all: &[&str]| all.iter().position(|w| w == word);
    match (place(&SAMPLES), place(&TARGETS)) {
        (Some(rank), _) => Some(Role { split, is_target: false, rank }),
        (None, Some(rank)) => Some(Role { split, is_target: true, rank }),
        (None, None) => None,
    }
}

/// Names of samples and targets.
pub(super) type Pair = [String; 2];

/// The arrays of an archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arrays {
    /// Of training, validation and test.
    pub pairs: [Option<Pair>; 3],
    /// Those that are of no pair.
    pub others: Vec<String>,
}

/// Sorts the arrays of an archive. Names without a split are of training where
/// none is called so. What has no usual name is told by its place, as NumPy
/// numbers arrays: training samples and targets, then those for testing.
pub(super) fn sort(names: &[String]) -> Arrays {
    let roles: Vec<(&String, Role)> = names.iter().filter_map(|n| Some((n, role(n)?))).collect();
    let best = |split: Option<usize>, is_target: bool| {
        let mine = roles.iter().filter(|(_, r)| r.split == split && r.is_target == is_target);
        mine.min_by_key(|(_, r)| r.rank).map(|(n, _)| n.to_string())
    };
    let pair = |split| Some([best(split, false)?, best(split, true)?]);
    let mut pairs = [pair(Some(0)).or_else(|| pair(None)), pair(Some(1)), pair(Some(2))];
    if pairs[0].is_none() {
        let numbered = |i: usize| {
            let pair = [2 * i, 2 * i + 1].map(|n| format!("arr_{n}"));
            pair.iter().all(|n| names.contains(n)).then_some(pair)
        };
        pairs = [numbered(0), None, numbered(1)];
    }
    let others = names.iter().filter(|n| !pairs.iter().flatten().flatten().any(|p| p == *n)).cloned().collect();
    Arrays { pairs, others }
}

/// The array of an archive that holds samples to predict: the only one, or the
/// only one that is called so; those for testing before others.
pub(super) fn samples_of(names: &[String]) -> Option<String> {
    if let [only] = names {
        return Some(only.clone());
    }
    let of = |split: Option<usize>| {
        let mine = names.iter().filter_map(|n| Some((n, role(n)?))).filter(|(_, r)| r.split == split && !r.is_target);
        mine.min_by_key(|(_, r)| r.rank).map(|(n, _)| n.clone())
    };
    of(Some(2)).or_else(|| of(None)).or_else(|| names.iter().find(|n| *n == "arr_0").cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &str) -> (Vec<String>, Vec<String>) {
        let names: Vec<String> = names.split_whitespace().map(String::from).collect();
        let found = sort(&names);
        let shown = |p: &Option<Pair>| p.as_ref().map_or("-".into(), |p| p.join("+"));
        (found.pairs.iter().map(shown).collect(), found.others)
    }

    #[test]
    fn arrays_are_known_by_usual_names() {
        for (names, pairs) in [
            ("y x", ["x+y", "-", "-"]),
            ("X Y", ["X+Y", "-", "-"]),
            ("data target", ["data+target", "-", "-"]),
            ("X_train y_train X_val y_val", ["X_train+y_train", "X_val+y_val", "-"]),
            ("x_train y_train x_valid y_valid x_test y_test", ["x_train+y_train", "x_valid+y_valid", "x_test+y_test"]),
            (
                "train_images train_labels test_images test_labels val_images val_labels",
                ["train_images+train_labels", "val_images+val_labels", "test_images+test_labels"],
            ),
            (
                "train_set_x train_set_y test_set_x test_set_y",
                ["train_set_x+train_set_y", "-", "test_set_x+test_set_y"],
            ),
            ("Xtrain ytrain Xtest ytest", ["Xtrain+ytrain", "-", "Xtest+ytest"]),
            ("trainX trainY", ["trainX+trainY", "-", "-"]),
            ("x y x_test y_test", ["x+y", "-", "x_test+y_test"]),
            ("arr_0 arr_1 arr_2 arr_3", ["arr_0+arr_1", "-", "arr_2+arr_3"]),
            ("images labels", ["images+labels", "-", "-"]),
        ] {
            assert_eq!(sorted(names), (pairs.map(String::from).to_vec(), vec![]), "{names}");
        }
        let (pairs, others) = sorted("x_train y_train x_test feature_names");
        assert_eq!(
            (&pairs[0][..], &others[..]),
            ("x_train+y_train", &["x_test".to_string(), "feature_names".into()][..])
        );
        assert_eq!(sorted("x z").0, ["-", "-", "-"]);
    }

    #[test]
    fn samples_to_predict_are_found() {
        let of = |names: &str| samples_of(&names.split_whitespace().map(String::from).collect::<Vec<_>>());
        assert_eq!(of("whatever").as_deref(), Some("whatever"));
        assert_eq!(of("x y").as_deref(), Some("x"));
        assert_eq!(of("x_train y_train x_test y_test").as_deref(), Some("x_test"));
        assert_eq!(of("a b"), None);
    }
}
