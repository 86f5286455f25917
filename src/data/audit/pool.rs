//! All images of a data set in one row: training, validation, test.

use crate::data::split::stratified;
use crate::data::{Images, Opened};
use serde::Serialize;

/// An image, as a message or a report names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageRef {
    /// `train`, `validation` or `test`.
    pub split: &'static str,
    /// Its number in the source's set; a validation image that was split off
    /// has its number in the training set.
    pub index: usize,
    /// Its class.
    pub class: String,
    /// Its file, in a folder of pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl std::fmt::Display for ImageRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}"),
            None => write!(f, "{} {} ({})", self.split, self.index, self.class),
        }
    }
}

/// Images of one split.
pub(super) struct Part<'a> {
    pub name: &'static str,
    pub images: &'a Images,
    /// Which of the images belong to the split, ascending.
    pub rows: Vec<usize>,
    files: Option<&'a [String]>,
}

/// All images, numbered from 0 over the parts.
pub(super) struct Pool<'a> {
    pub parts: Vec<Part<'a>>,
    /// Part and row of each image.
    places: Vec<(usize, usize)>,
    pub classes: &'a [String],
    /// `[channels, height, width]` of every image.
    pub shape: [usize; 3],
    /// The classes of all images of each part, where those of the pool were drawn from more.
    pub whole: Option<Vec<Vec<u32>>>,
}

/// The classes of all images of a split, by those of all that the source has.
fn labels_of(all: &[Option<Vec<u32>>; 3], split: &str, name: &str, val_split: f64, seed: u32) -> Vec<u32> {
    let [train, val, test] = all.each_ref().map(|labels| labels.as_deref().unwrap_or_default());
    let pick = |rows: &[usize]| rows.iter().map(|&row| train[row]).collect();
    let held_out = || stratified(name, train, val_split, seed).ok().filter(|_| all[1].is_none());
    match (split, held_out()) {
        ("train", Some(split)) => pick(&split.kept),
        ("validation", Some(split)) => pick(&split.held),
        ("train", None) => train.to_vec(),
        ("validation", None) => val.to_vec(),
        _ => test.to_vec(),
    }
}

impl<'a> Pool<'a> {
    /// Takes the source's validation images or splits a share off the training
    /// images, as training does. Also says why that could not be done.
    pub fn new(opened: &'a Opened, val_split: f64, seed: u32) -> (Pool<'a>, Option<String>) {
        let set = &opened.set;
        let mut trouble = None;
        let all = |images: &Images| (0..images.len()).collect::<Vec<usize>>();
        let (mut kept, mut held) = (all(&set.train), vec![]);
        if set.val.is_none() && val_split > 0.0 {
            match stratified(&set.train.name, &set.train.labels, val_split, seed) {
                Ok(split) => (kept, held) = (split.kept, split.held),
                Err(e) => trouble = Some(e.to_string()),
            }
        }
        let part = |name, images: &'a Images, rows, origin: usize| Part {
            name,
            images,
            rows,
            files: opened.folder.as_ref().map(|f| &f.origins[origin].files[..]),
        };
        let mut parts = vec![part("train", &set.train, kept, 0)];
        match &set.val {
            Some(val) => parts.push(part("validation", val, all(val), 1)),
            None if held.is_empty() => {}
            None => parts.push(part("validation", &set.train, held, 0)),
        }
        parts.extend(set.test.as_ref().map(|test| part("test", test, all(test), 2)));
        let places =
            parts.iter().enumerate().flat_map(|(p, part)| part.rows.iter().map(move |&row| (p, row))).collect();
        let shape = [set.train.channels, set.train.height, set.train.width];
        let whole = opened.sampled.as_ref().map(|sampled| {
            let names = parts.iter().map(|part| part.name);
            names.map(|name| labels_of(&sampled.labels, name, &set.train.name, val_split, seed)).collect()
        });
        (Pool { parts, places, classes: &set.train.classes, shape, whole }, trouble)
    }

    /// The classes of all images of a part.
    pub fn labels(&self, part: usize) -> Vec<u32> {
        match &self.whole {
            Some(whole) => whole[part].clone(),
            None => {
                let Part { images, rows, .. } = &self.parts[part];
                rows.iter().map(|&row| images.labels[row]).collect()
            }
        }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The part that image `i` belongs to.
    pub fn part(&self, i: usize) -> usize {
        self.places[i].0
    }

    pub fn image(&self, i: usize) -> &'a [u8] {
        let (part, row) = self.places[i];
        self.parts[part].images.image(row)
    }

    pub fn label(&self, i: usize) -> u32 {
        let (part, row) = self.places[i];
        self.parts[part].images.labels[row]
    }

    pub fn class(&self, i: usize) -> &'a str {
        &self.classes[self.label(i) as usize]
    }

    pub fn name(&self, i: usize) -> ImageRef {
        let (part, index) = self.places[i];
        let Part { name, files, .. } = &self.parts[part];
        ImageRef { split: name, index, class: self.class(i).into(), file: files.map(|f| f[index].clone()) }
    }
}
