//! A trained model that answers: planned once for each size of batch, and fed anew.

use super::answer::Answer;
use super::folder::{self, Checkpoint};
use super::inputs::{Inputs, Question};
use super::kinds::{self, ToPredict, images_of};
use super::observer::Quiet;
use super::request::DeviceRequest;
use crate::data::table::Table;
use crate::data::{Dataset, Interface, Samples, picture};
use crate::device::Device;
use crate::error::{Context, Result};
use crate::nn::Model;
use crate::onnx::export::{self, Format, Options};
use crate::plan::Precision;
use crate::train::Session;
use crate::train::checkpoint::Loaded;
use image::DynamicImage;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Answers for samples of the kind that its model was trained on.
///
/// Samples go through in batches of a power of two, at most 64, each with a program that
/// is planned when it is first needed and kept. So it holds no more after 10,000 calls
/// than after the first few, and one sample costs what one sample takes.
pub struct Predictor {
    session: Session,
    inputs: Arc<Inputs>,
    notes: Vec<String>,
}

impl Predictor {
    /// The last weights of a run's folder, or a file of weights, on the device that
    /// `WGRAD_DEVICE` names or the best there is.
    ///
    /// Fails when there is no such run, and when no device opens.
    pub fn open(run: impl AsRef<Path>) -> Result<Predictor> {
        let name = std::env::var("WGRAD_DEVICE").unwrap_or_default();
        Predictor::open_on(run, &DeviceRequest::named(name))
    }

    /// The same on a device.
    pub fn open_on(run: impl AsRef<Path>, device: &DeviceRequest) -> Result<Predictor> {
        let (model, loaded) = folder::load(run.as_ref(), Checkpoint::Last)?;
        Predictor::of(model, loaded, device.open(Precision::F32, &mut Quiet)?)
    }

    /// A model that is loaded, on a device that is open.
    pub fn of(model: Model, loaded: Loaded, device: Device) -> Result<Predictor> {
        let inputs = Arc::new(Inputs::new(&model, &loaded.about)?);
        Predictor::with(inputs, model, loaded, device)
    }

    /// The same with what makes samples for the model, where that is there.
    pub(crate) fn with(inputs: Arc<Inputs>, model: Model, loaded: Loaded, device: Device) -> Result<Predictor> {
        let Loaded { weights, about, .. } = loaded;
        let session = Session::new(device, model, about.interface, weights)?;
        Ok(Predictor { session, inputs, notes: vec![] })
    }

    /// What makes samples of what it is asked.
    pub fn inputs(&self) -> &Arc<Inputs> {
        &self.inputs
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.session.model
    }

    /// Writes the model for other programs, and returns the files; see [`export`].
    ///
    /// Fails with the layer that the format has nothing for.
    pub fn export(&mut self, format: Format, path: &Path, options: &Options) -> Result<Vec<PathBuf>> {
        let (weights, about) = (self.session.weights()?, self.inputs.about().clone());
        let loaded = Loaded { weights, about, state: BTreeMap::new() };
        export::write_as(format, path, &self.session.model, &loaded, options)
    }

    /// What its inputs and outputs mean.
    pub fn interface(&self) -> &Interface {
        &self.session.interface
    }

    /// The names of its outputs: the classes, or the targets.
    pub fn names(&self) -> &[String] {
        &self.session.interface.outputs
    }

    /// What the latest call had to say of its samples: what was assumed or could not be
    /// read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Answers for pictures from files (PNG, JPEG, BMP, WebP).
    ///
    /// Fails with the first that cannot be read.
    pub fn pictures<P: AsRef<Path>>(&mut self, files: &[P]) -> Result<Vec<Answer>> {
        let (channels, size) = self.inputs.picture_shape()?;
        let options = images_of(self.inputs.about(), self.inputs.settings());
        let load = |file: &P| picture::load_with(file.as_ref(), channels, size, &options);
        let pixels = files.iter().map(load).collect::<Result<Vec<_>>>()?;
        self.pixels(&pixels.concat())
    }

    /// Answers for pictures from the bytes of their files.
    ///
    /// Fails with the place of the first that cannot be read.
    pub fn picture_bytes<B: AsRef<[u8]>>(&mut self, files: &[B]) -> Result<Vec<Answer>> {
        let decode = |(i, bytes): (usize, &B)| {
            picture::decode_bytes(bytes.as_ref())
                .context(|| format!("cannot read picture {} of {}", i + 1, files.len()))
        };
        let pictures = files.iter().enumerate().map(decode).collect::<Result<Vec<_>>>()?;
        self.images(&pictures)
    }

    /// Answers for pictures that are decoded.
    pub fn images(&mut self, pictures: &[DynamicImage]) -> Result<Vec<Answer>> {
        let question = self.inputs.images(pictures)?;
        self.all(question)
    }

    /// Answers for pixels, bytes `[samples, channels, height, width]` of the model's own
    /// size.
    pub fn pixels(&mut self, pixels: &[u8]) -> Result<Vec<Answer>> {
        let question = self.inputs.pixels(pixels.to_vec())?;
        self.all(question)
    }

    /// Answers for arrays of numbers, `[samples, ..]` of the shape that the model takes,
    /// on the scale of the training samples.
    ///
    /// Fails when they do not make whole samples, and for a model of tables, series or
    /// texts.
    pub fn tensors(&mut self, values: &[f32]) -> Result<Vec<Answer>> {
        let question = self.inputs.tensors(values.to_vec())?;
        self.all(question)
    }

    /// Answers for rows of a table as CSV text with a header; the target need not be
    /// there. `None` for a row that the model cannot use.
    ///
    /// Fails when a column that the model reads is missing, or written in a way that
    /// cannot be read.
    pub fn csv(&mut self, text: &str) -> Result<Vec<Option<Answer>>> {
        let question = self.inputs.csv(text.as_bytes())?;
        self.each(question)
    }

    /// Answers for rows as names and values. A value that is missing from a row is a
    /// missing cell.
    ///
    /// Fails when a column that the model reads is in no row.
    pub fn rows<'a, R, C>(&mut self, rows: R) -> Result<Vec<Option<Answer>>>
    where
        R: IntoIterator<Item = C>,
        C: IntoIterator<Item = (&'a str, &'a str)>,
    {
        let question = self.inputs.rows(rows)?;
        self.each(question)
    }

    /// Classes for texts.
    pub fn texts<T: AsRef<str>>(&mut self, texts: &[T]) -> Result<Vec<Answer>> {
        let texts: Vec<String> = texts.iter().map(|t| t.as_ref().to_string()).collect();
        let question = self.inputs.texts(&texts)?;
        self.all(question)
    }

    /// Answers for the rows of a table, as [`Predictor::csv`] gives them.
    pub fn table(&mut self, table: Table) -> Result<Vec<Option<Answer>>> {
        let question = self.inputs.table(table)?;
        self.each(question)
    }

    /// Answers for what was asked, one for each of it.
    fn each(&mut self, question: Question) -> Result<Vec<Option<Answer>>> {
        let numbers = self.numbers(&question.set)?;
        let answers = self.inputs.answers(&question, &numbers);
        self.notes = question.notes;
        Ok(answers)
    }

    /// The same where a model can use all that is asked.
    fn all(&mut self, question: Question) -> Result<Vec<Answer>> {
        Ok(self.each(question)?.into_iter().flatten().collect())
    }

    /// Answers for a set of samples of the model's own shape; its targets are not looked
    /// at.
    pub fn set(&mut self, set: &Dataset) -> Result<Vec<Answer>> {
        let numbers = self.numbers(set)?;
        Ok(self.inputs.outputs.answers(&numbers))
    }

    /// Answers for a file as `wgrad predict` takes it: a picture, a table, arrays, a text; one
    /// for each of its rows, or for the whole. `None` for a row that the model cannot use.
    pub fn file(&mut self, file: impl AsRef<Path>) -> Result<Vec<Option<Answer>>> {
        let (model, about, settings) = (&self.session.model, self.inputs.about(), self.inputs.settings());
        let trained = kinds::Trained { model, about, settings, seed: 0, stride: None };
        let asked = kinds::to_predict(file.as_ref(), &trained)?;
        Ok(self.answers(&[asked])?.remove(0))
    }

    /// Answers for what is read from files, one for each thing asked. Files of one sample
    /// each are asked together.
    pub fn answers(&mut self, files: &[ToPredict]) -> Result<Vec<Vec<Option<Answer>>>> {
        let (mut notes, mut sets) = (vec![], vec![]);
        for file in files {
            let mut set = file.set.clone();
            if kinds::is_of_images(&self.session.interface) {
                notes.extend(self.session.interface.adapt(&mut set, &self.session.model.input)?);
            }
            sets.push(set);
        }
        let together = sets.iter().all(|set| set.len() == 1).then(|| Samples::joined(sets.iter().map(|s| &s.samples)));
        let mut found = match together.flatten() {
            Some(samples) => self.inputs.outputs.answers(&self.session.predict_samples(&samples, &sets[0].shape)?),
            None => sets.iter().map(|set| self.set(set)).collect::<Result<Vec<_>>>()?.concat(),
        }
        .into_iter();
        self.say(notes);
        let of_file = |(file, set): (&ToPredict, &Dataset)| {
            let mut answers: Vec<Option<Answer>> = found.by_ref().take(set.len()).map(Some).collect();
            file.asked.iter().map(|a| a.sample.and_then(|i| answers[i].take())).collect()
        };
        Ok(files.iter().zip(&sets).map(of_file).collect())
    }

    /// The model's numbers for samples of its own shape, so many for each: class
    /// probabilities, or values in the units of the targets less their centres.
    ///
    /// Fails when there is a part of a sample.
    pub fn numbers_of(&mut self, samples: &Samples) -> Result<Vec<f32>> {
        let shape = self.session.model.input.to_vec();
        self.session.predict_samples(samples, &shape)
    }

    /// The model's numbers for a set, so many for each sample.
    pub(super) fn numbers(&mut self, set: &Dataset) -> Result<Vec<f32>> {
        self.session.predict(set)
    }

    /// What the latest call had to say.
    pub(super) fn say(&mut self, notes: Vec<String>) {
        self.notes = notes;
    }
}
