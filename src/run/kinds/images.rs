//! Images: the built-in digits, IDX files, CIFAR, folders of pictures.

use super::sets::{Sets, slow, store};
use super::{
    Asked, Audit, Kind, MOST_SAMPLES, Opened, ToPredict, ToScore, Trained, Wants, arrays, expect_classes, json,
    no_table,
};
use crate::data::audit::audit;
use crate::data::{
    self, Dataset, Images as ImagesOf, Interface, OpenOptions, Opened as OpenedImages, OpenedOnDisk, Origin,
    Recognised, SourceKind, Stored, Targets, alike, sheet,
};
use crate::error::{Error, Result};
use crate::run::observer::Observer;
use crate::train::Settings;
use crate::train::checkpoint::About;
use crate::train::defaults::{Defaults, IMAGES};
use std::path::Path;

/// Images of any source.
pub struct Images;

impl Kind for Images {
    fn name(&self) -> &'static str {
        "images or arrays of numbers"
    }

    fn takes(&self, found: SourceKind, _: &Wants) -> bool {
        matches!(found, SourceKind::Digits | SourceKind::Idx | SourceKind::Cifar10 | SourceKind::ImageFolder)
    }

    fn defaults(&self) -> &'static Defaults {
        &IMAGES
    }

    fn counts(&self) -> bool {
        true
    }

    fn open(&self, found: &Recognised, s: &Settings, observer: &mut dyn Observer) -> Result<Opened> {
        let opened = found.open_stored(s.seed, &s.data.images, &store(s), &*observer.reading())?;
        let opened = match opened {
            Stored::Held(opened) => opened,
            Stored::Read(OpenedOnDisk { train, val, test, folder, notes }) => {
                let lies = s.data.cache.as_deref().unwrap_or(found.path());
                notes.iter().cloned().chain(slow(lies)).for_each(|note| observer.note(&note));
                let levels = folder.and_then(|f| f.levels);
                let mut source = Sets { train, val, test, levels, groups: None };
                if s.data.normalize_classes {
                    source.merge_classes();
                }
                return Ok(Opened { source: Box::new(source), audit: None });
            }
        };
        opened.notes().iter().for_each(|note| observer.note(note));
        let is_soon = opened.set.train.labels.len() <= MOST_SAMPLES;
        let audit = is_soon.then(|| json(&audit(&s.data.source, found.kind(), &opened, s.data.val_split, s.seed)));
        let OpenedImages { set, folder, .. } = opened;
        let levels = folder.as_ref().and_then(|f| f.levels);
        let [mut train, mut val, mut test] = [Some(set.train), set.val, set.test].map(|part| part.map(Dataset::from));
        let origins = folder.into_iter().flat_map(|f| f.origins);
        for (set, from) in [&mut train, &mut val, &mut test].into_iter().zip(origins) {
            set.iter_mut().for_each(|set| set.origin = Origin::of_files(from.files.clone()));
        }
        let train = train.expect("what is opened has training images");
        let mut source = Sets { train, val, test, levels, groups: None };
        if s.data.normalize_classes {
            source.merge_classes();
        }
        Ok(Opened { source: Box::new(source), audit })
    }

    fn audit(&self, found: &Recognised, s: &Settings, observer: &mut dyn Observer) -> Result<Audit> {
        let opened = found.open_sample(s.seed, &s.data.images, &store(s), &*observer.reading())?;
        Ok(Audit::of_images(found, s, opened))
    }

    fn is_of(&self, interface: &Interface) -> bool {
        interface.input == data::Input::Samples
    }

    fn to_predict(&self, file: &Path, trained: &Trained) -> Result<ToPredict> {
        picture(file, trained)
    }

    fn to_score(&self, found: &Recognised, trained: &Trained) -> Result<ToScore> {
        let source = found.source();
        match found.kind() {
            SourceKind::Npy => arrays::to_score(found, trained),
            SourceKind::Table => Err(no_table(source, &trained.model.input)),
            SourceKind::Text | SourceKind::TextFolder => Err(Error::data(format!(
                "{source} is text, and this model was not trained on text; expected data like its own"
            ))),
            _ => pictures(found, trained),
        }
    }
}

fn pictures(found: &Recognised, trained: &Trained) -> Result<ToScore> {
    let (source, about, model) = (found.source(), trained.about, trained.model);
    let Some([channels, height, width]) = image_of(&model.input) else {
        return Err(Error::data(format!(
            "{source} is a set of images, and this model takes samples of shape {}; expected data like those",
            model.input
        )));
    };
    expect_classes(source, about)?;
    let OpenOptions { filter, levels, .. } = images_of(about, trained.settings);
    let channels = (channels == 1 || channels == 3).then_some(channels);
    let options = OpenOptions { size: Some([height, width]), filter, channels, levels };
    let (mut set, report) = found.open_test_stored(trained.seed, &options, &store(trained.settings), &|_, _| {})?;
    if let (Targets::Classes { names, .. }, true) = (&mut set.targets, trained.normalizes_classes()) {
        let outputs = &about.interface.outputs;
        let written = |class: &String| alike::place(class, outputs, true).map_or(class.clone(), |p| outputs[p].clone());
        *names = names.iter().map(written).collect();
    }
    let mut set = set.with_classes(&about.interface.outputs)?;
    let mut notes: Vec<String> = about.interface.adapt(&mut set, &model.input)?.into_iter().collect();
    if let Some(report) = report {
        notes.extend(report.notes);
        // Of the splits one is read.
        let read = report.origins.into_iter().find(|split| !split.files.is_empty());
        set.origin = Origin::of_files(read.unwrap_or_default().files);
    }
    Ok(ToScore::of(set, notes))
}

/// A picture to predict, or an array of samples.
fn picture(file: &Path, trained: &Trained) -> Result<ToPredict> {
    let (about, model) = (trained.about, trained.model);
    // A file that is missing is reported as the picture that it should be.
    match data::kind(file) {
        Ok(SourceKind::Table) => return Err(no_table(&file.display().to_string(), &model.input)),
        Ok(SourceKind::Npy) => return arrays::to_predict(file, trained),
        _ => {}
    }
    let Some([channels, height, width]) = image_of(&model.input) else {
        return Err(Error::model(format!(
            "the model takes samples of shape {}, not pictures; expected arrays of them, .npy or .npz",
            model.input
        )));
    };
    let pixels = data::picture::load_with(file, channels, [height, width], &images_of(about, trained.settings))?;
    let set = about.interface.to_predict(file.display().to_string(), model.input.to_vec(), pixels.into(), 1);
    Ok(ToPredict { set, asked: vec![Asked { row: None, line: None, sample: Some(0) }], notes: vec![] })
}

/// How the pictures that a model was trained on became images.
pub fn images_of(about: &About, s: &Settings) -> OpenOptions {
    let options = s.data.images.clone();
    OpenOptions { levels: options.levels.or(about.interface.levels), ..options }
}

/// Channels, height and width of the pictures that samples of a shape are; a
/// plane without channels is grey.
pub fn image_of(sample: &[usize]) -> Option<[usize; 3]> {
    match *sample {
        [channels, height, width] => Some([channels, height, width]),
        [height, width] => Some([1, height, width]),
        _ => None,
    }
}

/// A sheet of augmented samples: a row each of the first classes, the sample
/// itself in front.
pub fn augmented(images: &ImagesOf, s: &Settings) -> Result<image::RgbImage> {
    const ROWS: usize = 10;
    const COLUMNS: u32 = 9;
    let first = |class: u32| images.labels.iter().position(|&l| l == class);
    let rows: Vec<usize> = (0..images.classes.len() as u32).filter_map(first).take(ROWS).collect();
    let steps: Vec<Vec<Vec<u8>>> = (0..COLUMNS)
        .map(|step| crate::train::preview(images, &rows, &s.augment, s.seed, step))
        .collect::<Result<_>>()?;
    let mut tiles = vec![];
    for (i, &row) in rows.iter().enumerate() {
        let caption = images.classes[images.labels[row] as usize].clone();
        tiles.push(sheet::Tile { pixels: images.image(row).to_vec(), caption });
        tiles.extend(steps.iter().map(|s| sheet::Tile { pixels: s[i].clone(), caption: String::new() }));
    }
    let shape = [images.channels, images.height, images.width];
    Ok(data::sheet::sheet(&tiles, shape, COLUMNS as usize + 1, "original and augmented"))
}
