//! What a model trains on: samples of one shape with their targets, whatever
//! source they came from.

pub use super::split::{Split, by_time, folds, random, stratified};

use super::images::{Images, number_as};
use super::labels::{IGNORED, Labels};
use super::origin::{Origin, Place};
use super::samples::{Samples, pick};
use crate::error::{Error, Result};
use crate::files::memory::DataBound;

/// What each sample is to be mapped to.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// A class each.
    Classes {
        /// The class of each sample, `[N]`; an index into `names`.
        labels: Vec<u32>,
        /// The names of the classes, in the order of their numbers.
        names: Vec<String>,
    },
    /// A class at each position of a sequence: in a text, the token that
    /// follows.
    Sequence {
        /// `[N, positions]`; indices into `names`, or [`IGNORED`].
        labels: Labels,
        /// Positions of a sample.
        positions: usize,
        /// The names of the classes: the vocabulary.
        names: Vec<String>,
    },
    /// Numbers each, for regression.
    Values {
        /// `[N, names.len()]`, in the units of the source.
        values: Vec<f32>,
        /// The names of the target columns.
        names: Vec<String>,
    },
}

/// Samples of one shape with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// What messages call the set: the source as the user named it and the
    /// split, for example `digits train`.
    pub name: String,
    /// The shape of one sample: `[channels, height, width]` of bytes, any shape
    /// of floats.
    pub shape: Vec<usize>,
    /// The samples.
    pub samples: Samples,
    /// The targets, as many as samples.
    pub targets: Targets,
    /// Where the samples come from.
    pub origin: Origin,
}

impl From<Images> for Dataset {
    fn from(images: Images) -> Dataset {
        Dataset {
            name: images.name,
            shape: vec![images.channels, images.height, images.width],
            samples: Samples::Bytes(images.pixels.into()),
            targets: Targets::Classes { labels: images.labels, names: images.classes },
            origin: Origin::default(),
        }
    }
}

impl Targets {
    /// The number of targets.
    pub fn len(&self) -> usize {
        match self {
            Targets::Classes { labels, .. } => labels.len(),
            Targets::Sequence { labels, positions, .. } => labels.len() / (*positions).max(1),
            Targets::Values { values, names } => values.len() / names.len().max(1),
        }
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All positions of a sequence's targets, scored or not; else the targets.
    pub fn positions(&self) -> usize {
        match self {
            Targets::Sequence { labels, .. } => labels.len(),
            Targets::Classes { .. } | Targets::Values { .. } => self.len(),
        }
    }

    /// Outputs that a model needs: classes, or target columns.
    pub fn width(&self) -> usize {
        match self {
            Targets::Classes { names, .. } | Targets::Sequence { names, .. } | Targets::Values { names, .. } => {
                names.len()
            }
        }
    }

    /// Class names, or the names of the target columns.
    pub fn names(&self) -> &[String] {
        match self {
            Targets::Classes { names, .. } | Targets::Sequence { names, .. } | Targets::Values { names, .. } => names,
        }
    }

    /// Those with these indices, in this order; an index may repeat.
    pub(crate) fn select(&self, rows: &[usize]) -> Targets {
        match self {
            Targets::Classes { labels, names } => {
                Targets::Classes { labels: rows.iter().map(|&i| labels[i]).collect(), names: names.clone() }
            }
            Targets::Sequence { labels, positions, names } => Targets::Sequence {
                labels: labels.select(*positions, rows),
                positions: *positions,
                names: names.clone(),
            },
            Targets::Values { values, names } => {
                Targets::Values { values: pick(values, names.len(), rows), names: names.clone() }
            }
        }
    }
}

impl Dataset {
    /// Samples of a shape with their targets.
    ///
    /// Fails as [`check`](Dataset::check) does.
    pub fn new(name: impl Into<String>, shape: Vec<usize>, samples: Samples, targets: Targets) -> Result<Dataset> {
        let set = Dataset { name: name.into(), shape, samples, targets, origin: Origin::default() };
        set.check()?;
        Ok(set)
    }

    /// Samples of a shape with a class each, an index into `classes`: pixels as bytes
    /// (`Vec<u8>`) or numbers (`Vec<f32>`), one sample after the other.
    ///
    /// Fails as [`check`](Dataset::check) does.
    pub fn of_classes(
        name: &str,
        shape: &[usize],
        samples: impl Into<Samples>,
        labels: Vec<u32>,
        classes: &[&str],
    ) -> Result<Dataset> {
        let names = classes.iter().map(|c| c.to_string()).collect();
        Dataset::new(name, shape.to_vec(), samples.into(), Targets::Classes { labels, names })
    }

    /// Samples of a shape with `targets.len()` numbers each, one sample after the other.
    ///
    /// Fails as [`check`](Dataset::check) does.
    pub fn of_values(
        name: &str,
        shape: &[usize],
        samples: impl Into<Samples>,
        values: Vec<f32>,
        targets: &[&str],
    ) -> Result<Dataset> {
        let names = targets.iter().map(|t| t.to_string()).collect();
        Dataset::new(name, shape.to_vec(), samples.into(), Targets::Values { values, names })
    }

    /// Checks that the parts fit together: as many elements as the shape and the
    /// number of targets say, and classes that have a name.
    ///
    /// Fails with what was found and what is expected.
    pub fn check(&self) -> Result<()> {
        let fails = |what: String| Err(Error::data(format!("{}: {what}", self.name)));
        let (held, width) = match &self.targets {
            Targets::Classes { labels, .. } => (labels.len(), 1),
            Targets::Sequence { labels, positions, .. } => (labels.len(), *positions),
            Targets::Values { values, names } => (values.len(), names.len()),
        };
        if width == 0 || !held.is_multiple_of(width) {
            return fails(format!("{held} targets, {width} for each sample; expected whole samples"));
        }
        let of_positions = matches!(self.targets, Targets::Sequence { .. });
        let classes = match &self.targets {
            Targets::Classes { labels, names } => Some((&labels[..], names)),
            Targets::Sequence { labels, names, .. } => labels.held().map(|labels| (labels, names)),
            Targets::Values { .. } => None,
        };
        if let Some((labels, names)) = classes
            && let Some(label) = labels.iter().find(|&&l| l as usize >= names.len() && !(of_positions && l == IGNORED))
        {
            return fails(format!("a sample of class {label}; expected classes below {}", names.len()));
        }
        let found = self.samples.elements();
        let expected = self.shape.iter().try_fold(self.len(), |n, &d| n.checked_mul(d));
        match expected == Some(found) {
            true => Ok(()),
            false => fails(format!(
                "{found} elements for {} samples of shape {:?}; expected {}",
                self.len(),
                self.shape,
                expected.map_or("fewer than memory can hold".into(), |n| n.to_string())
            )),
        }
    }

    /// The set as images, if it is one of pixels with classes.
    pub fn images(&self) -> Option<Images> {
        let (Samples::Bytes(pixels), &[channels, height, width]) = (&self.samples, &self.shape[..]) else {
            return None;
        };
        let Targets::Classes { labels, names } = &self.targets else { return None };
        let (name, pixels) = (self.name.clone(), pixels.to_vec());
        Some(Images { name, channels, height, width, pixels, labels: labels.clone(), classes: names.clone() })
    }

    /// The same images with their classes numbered as in `names`; see
    /// [`Images::with_classes`].
    pub(crate) fn with_classes(mut self, names: &[String]) -> Result<Dataset> {
        if let Targets::Classes { labels, names: own } = &mut self.targets {
            number_as(&self.name, labels, own, names)?;
            *own = names.to_vec();
        }
        Ok(self)
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// True when there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements per sample.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// The classes of the samples, where the targets are classes.
    pub fn labels(&self) -> Option<&[u32]> {
        match &self.targets {
            Targets::Classes { labels, .. } => Some(labels),
            Targets::Sequence { .. } | Targets::Values { .. } => None,
        }
    }

    /// The targets that count, where the targets are of positions: all but those
    /// that are [`IGNORED`].
    pub fn scored(&self) -> Option<usize> {
        match &self.targets {
            Targets::Sequence { labels, .. } => Some(labels.scored()),
            Targets::Classes { .. } | Targets::Values { .. } => None,
        }
    }

    /// The samples with these indices, in this order; an index may repeat. All of
    /// them as they stand are shared, not copied.
    /// Panics when an index is not below `len()`.
    pub fn select(&self, rows: &[usize]) -> Dataset {
        if rows.len() == self.len() && rows.iter().enumerate().all(|(i, &row)| i == row) {
            return Dataset { origin: self.origin.select(&self.name, rows), ..self.clone() };
        }
        let samples = self.samples.select(self.width(), rows);
        let (name, shape, targets) = (self.name.clone(), self.shape.clone(), self.targets.select(rows));
        Dataset { name, shape, samples, targets, origin: self.origin.select(&self.name, rows) }
    }

    /// The same set; of samples that are read when they are needed, as many are in memory
    /// at a time as the bound allows.
    pub(crate) fn within(self, bound: DataBound) -> Dataset {
        Dataset { samples: self.samples.within(bound), ..self }
    }

    /// Where sample `i` stands in its source. Panics when `i` is not below
    /// `len()`.
    pub fn place(&self, i: usize) -> Place {
        self.origin.place(&self.name, i)
    }

    /// The columns and cells of sample `i` as its table has them, where the set
    /// keeps them; a cell that is missing is `None`. Panics when `i` is not
    /// below `len()`.
    pub fn cells(&self, i: usize) -> Vec<(String, Option<String>)> {
        self.origin.cells(i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let set = |shape: &[usize], n: usize, targets| {
            let set = Dataset::new("set", shape.to_vec(), Samples::Floats(vec![0.0; n].into()), targets);
            set.err().map(|e| e.to_string())
        };
        let values = |n| Targets::Values { values: vec![0.0; n], names: vec!["a".into(), "b".into()] };
        let classes =
            |labels: &[u32]| Targets::Classes { labels: labels.to_vec(), names: vec!["a".into(), "b".into()] };
        assert_eq!(set(&[3], 6, values(4)), None);
        let message = set(&[3], 5, values(4)).unwrap();
        assert_eq!(message, "set: 5 elements for 2 samples of shape [3]; expected 6");
        for (shape, n, targets) in
            [(&[3][..], 6, values(3)), (&[3], 3, classes(&[2])), (&[usize::MAX, 2], 2, classes(&[0, 1]))]
        {
            assert!(set(shape, n, targets).is_some());
        }
    }

    #[test]
    fn rows_travel_with_their_targets() {
        let set = Dataset {
            name: "set".into(),
            shape: vec![2],
            samples: Samples::Floats(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0].into()),
            targets: Targets::Values { values: vec![10.0, 11.0, 12.0], names: vec!["y".into()] },
            origin: Origin::default(),
        };
        let picked = set.select(&[2, 0]);
        assert_eq!(picked.samples, Samples::Floats(vec![4.0, 5.0, 0.0, 1.0].into()));
        assert_eq!(picked.targets, Targets::Values { values: vec![12.0, 10.0], names: vec!["y".into()] });
        assert_eq!((picked.len(), picked.width()), (2, 2));
    }
}
