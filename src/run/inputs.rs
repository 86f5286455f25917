//! What a model is asked, as its users have it: pictures, rows, texts and arrays become the
//! samples that it takes, and its numbers answers. Needs no device and changes nothing, so
//! many threads may use one.

use super::answer::{Answer, Outputs};
use super::kinds::{self, images_of, settings_of, texts_for};
use crate::data::series::{Panel, SeriesFitted, ToForecast};
use crate::data::table::{Fitted, Kind, Table};
use crate::data::{Dataset, Elements, Input, Interface, Samples, ValueScale, picture};
use crate::error::{Error, Result};
use crate::nn::Model;
use crate::train::Settings;
use crate::train::checkpoint::About;
use image::DynamicImage;
use std::sync::Arc;

/// What stands in front of a trained model, and behind it.
pub struct Inputs {
    about: About,
    settings: Settings,
    /// The shape of a sample.
    shape: Vec<usize>,
    /// The name of the model.
    name: String,
    pub(super) outputs: Arc<Outputs>,
}

/// Samples that are ready for a model, and what was asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The samples, of the shape that the model takes.
    pub set: Dataset,
    /// The sample behind each thing that was asked for; none of one that the model cannot
    /// use.
    pub samples: Vec<Option<usize>>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// A series that is ready for a model, and what follows it.
#[derive(Debug, Clone)]
pub struct Ahead {
    /// The windows.
    pub asked: ToForecast,
    /// The series.
    pub panel: Panel,
}

impl Inputs {
    /// Those of a model, by what its checkpoint says of it.
    ///
    /// Fails when that holds settings that cannot be read.
    pub fn new(model: &Model, about: &About) -> Result<Inputs> {
        Ok(Inputs {
            settings: settings_of(about)?,
            outputs: Outputs::of(&about.interface),
            shape: model.input.to_vec(),
            name: model.description.name.clone(),
            about: about.clone(),
        })
    }

    /// What the checkpoint says of the model.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The settings that it was trained with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What its inputs and outputs mean.
    pub fn interface(&self) -> &Interface {
        &self.about.interface
    }

    /// The shape of a sample.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// What the elements of its samples usually are; of numbers also the others of bytes
    /// and floats are taken.
    pub fn elements(&self) -> Elements {
        match (&self.interface().input, self.interface().values) {
            (Input::Tokens(_), _) => Elements::Tokens,
            (Input::Samples, Some(ValueScale::Pixels)) => Elements::Bytes,
            _ => Elements::Floats,
        }
    }

    /// Pictures that are decoded.
    pub fn images(&self, pictures: &[DynamicImage]) -> Result<Question> {
        let pixels = pictures.iter().map(|p| self.pixels_of(p)).collect::<Result<Vec<_>>>()?;
        self.pixels(pixels.concat())
    }

    /// The pixels of a picture that is decoded, of the model's own size.
    pub fn pixels_of(&self, picture: &DynamicImage) -> Result<Vec<u8>> {
        let (channels, size) = self.picture_shape()?;
        picture::prepare(picture, channels, size, &images_of(&self.about, &self.settings))
    }

    /// Pixels, bytes `[samples, channels, height, width]` of the model's own size.
    pub fn pixels(&self, pixels: Vec<u8>) -> Result<Question> {
        self.picture_shape()?;
        self.samples("pictures", pixels.into())
    }

    /// Numbers `[samples, ..]` of the shape that the model takes, on the scale of the
    /// training samples.
    ///
    /// Fails when they do not make whole samples, and for a model of tables, series or
    /// texts.
    pub fn tensors(&self, values: Vec<f32>) -> Result<Question> {
        if !kinds::is_of_images(self.interface()) {
            return Err(self.refuse("arrays"));
        }
        self.samples("arrays", values.into())
    }

    /// The rows of a table; the target need not be there.
    ///
    /// Fails when a column that the model reads is missing, or written in a way that
    /// cannot be read.
    pub fn table(&self, table: Table) -> Result<Question> {
        let rows = kinds::rows_of(table, self.interface(), self.fitted()?)?;
        let mut samples = vec![None; rows.table.rows()];
        rows.kept.iter().enumerate().for_each(|(i, &row)| samples[row] = Some(i));
        Ok(Question { set: rows.set, samples, notes: rows.notes })
    }

    /// The rows of a table as CSV text with a header.
    pub fn csv(&self, text: &[u8]) -> Result<Question> {
        self.table(Table::parse("the rows", text, &self.fitted()?.read_options())?)
    }

    /// Rows as names and values.
    pub fn rows<'a, R, C>(&self, rows: R) -> Result<Question>
    where
        R: IntoIterator<Item = C>,
        C: IntoIterator<Item = (&'a str, &'a str)>,
    {
        self.table(Table::of_records("the rows", rows, &self.fitted()?.read_options()))
    }

    /// Texts to be classified.
    pub fn texts(&self, texts: &[String]) -> Result<Question> {
        let interface = self.interface();
        if !kinds::is_of_texts(interface) {
            return Err(self.refuse("texts"));
        }
        let length = self.shape.first().copied().unwrap_or(1);
        let (set, notes) = texts_for("the texts", texts, vec![0; texts.len()], interface, length)?;
        Ok(Question { samples: (0..set.len()).map(Some).collect(), set, notes })
    }

    /// The series of a table, to be gone on with; `each`: from each of its rows.
    pub fn ahead(&self, table: &Table, each: bool) -> Result<Ahead> {
        let fitted = self.series()?;
        let panel = fitted.read(table, false)?;
        let asked = fitted.to_forecast(&panel, each)?;
        Ok(Ahead { asked, panel })
    }

    /// The answers that a model's numbers are, one for each thing that was asked for.
    pub fn answers(&self, question: &Question, numbers: &[f32]) -> Vec<Option<Answer>> {
        let mut found: Vec<Option<Answer>> = self.outputs.answers(numbers).into_iter().map(Some).collect();
        let take = |sample: &Option<usize>| sample.and_then(|i| found.get_mut(i)?.take());
        question.samples.iter().map(take).collect()
    }

    /// The columns that a model of a table or a series reads, with what they hold.
    pub fn columns(&self) -> Vec<(&str, Kind)> {
        if let Some(fitted) = self.interface().row() {
            return fitted.columns.iter().filter(|c| c.is_used()).map(|c| (c.name.as_str(), c.kind)).collect();
        }
        let Some(fitted) = self.interface().series() else { return vec![] };
        let dates = fitted.date.iter().flat_map(|date| date.columns().map(|name| (name, Kind::Date)));
        let groups = fitted.group.iter().map(|name| (name.as_str(), Kind::Category));
        let numbers = fitted.inputs.iter().chain(&fitted.targets).map(|c| (c.name.as_str(), Kind::Number));
        let mut all: Vec<(&str, Kind)> = vec![];
        for column in dates.chain(groups).chain(numbers) {
            if all.iter().all(|(name, _)| *name != column.0) {
                all.push(column);
            }
        }
        all
    }

    /// The shape of pictures: channels, and height and width.
    ///
    /// Fails for a model that takes none.
    pub fn picture_shape(&self) -> Result<(usize, [usize; 2])> {
        match kinds::image_of(&self.shape) {
            Some([channels, height, width]) if kinds::is_of_images(self.interface()) => Ok((channels, [height, width])),
            _ => Err(self.refuse("pictures")),
        }
    }

    /// What was learned of a table; fails for a model of something else.
    pub fn fitted(&self) -> Result<&Fitted> {
        self.interface().row().ok_or_else(|| self.refuse("rows of a table"))
    }

    /// What was learned of a series; fails for a model of something else.
    pub fn series(&self) -> Result<&SeriesFitted> {
        self.interface().series().ok_or_else(|| self.refuse("series"))
    }

    fn samples(&self, name: &str, samples: Samples) -> Result<Question> {
        let elements = samples.elements();
        let each = self.shape.iter().product::<usize>().max(1);
        if !elements.is_multiple_of(each) {
            return Err(Error::data(format!(
                "{elements} numbers do not make whole samples of shape {}, {each} numbers each",
                crate::tensor::Shape::from(&self.shape[..])
            )));
        }
        let mut set = self.interface().to_predict(name, self.shape.clone(), samples, elements / each);
        let notes = self.interface().adapt(&mut set, &self.shape)?.into_iter().collect();
        Ok(Question { samples: (0..set.len()).map(Some).collect(), set, notes })
    }

    fn refuse(&self, what: &str) -> Error {
        Error::usage(format!(
            "model \"{}\" does not take {what}: it was trained on {}",
            self.name,
            kinds::kind_of_model(self.interface()).name()
        ))
    }
}
