//! Which split a folder or an array belongs to, by its name.

/// The splits, in order: what to call them, and the words for them.
pub(super) const SPLITS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["val", "valid", "validation", "dev"]),
    ("test", &["test", "testing"]),
];

/// Words around those of a split that say nothing about it, as in `training_set`,
/// `train_images` and `seg_train`.
const AROUND: [&str; 18] = [
    "set", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "pic",
    "pics", "sample", "samples", "split", "folder", "seg",
];

/// The split with this word.
pub(super) fn split_word(word: &str) -> Option<usize> {
    SPLITS.iter().position(|(_, words)| words.contains(&word))
}

/// The words of a name, in small letters.
pub(super) fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    lower.split(['_', '-', '.', ' ']).filter(|w| !w.is_empty()).map(String::from).collect()
}

/// The split that a folder is named after: by a word for one among words that say
/// nothing.
pub(super) fn split_of_folder(name: &str) -> Option<usize> {
    let mut found = None;
    for word in words(name) {
        let bare = ["set", "data", "images"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(&word);
        match split_word(&word).or_else(|| split_word(bare)) {
            Some(split) if found.is_none() => found = Some(split),
            Some(_) => return None,
            None if AROUND.contains(&word.as_str()) => {}
            None => return None,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_known_among_words_that_say_nothing() {
        for name in
            ["train", "Training", "training_set", "train_images", "images-train", "seg_train", "trainset", "TRAIN DATA"]
        {
            assert_eq!(split_of_folder(name), Some(0), "{name}");
        }
        assert_eq!(["val", "valid_set", "dev", "validation-images"].map(split_of_folder), [Some(1); 4]);
        assert_eq!(["test", "test_set", "Testing", "testdata"].map(split_of_folder), [Some(2); 4]);
        for name in ["cat", "trains", "bullet_train", "set", "train_test", "steam train", ""] {
            assert_eq!(split_of_folder(name), None, "{name}");
        }
    }
}
