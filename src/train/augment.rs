//! Random changes to training samples: the keys of `[augment]`, and the nodes
//! they add to a training step.
//!
//! What the keys mean, and where frameworks differ, stands in
//! [`augment_images`](crate::ops::augment_images) and
//! [`mix_batch`](crate::ops::mix_batch).

use crate::data::Images;
use crate::device::Device;
use crate::error::{Context, Error, Result, unknown};
use crate::graph::{Graph, Init, TensorId};
use crate::keys::Keys;
use crate::ops::augment_images::{Augmentation, Outside, Patch};
use crate::ops::clock;
use crate::ops::mix_batch::MixBatch;
use crate::plan::Plan;
use crate::tensor::{HostTensor, Spec, pack_bytes};
use std::sync::Arc;
use toml::{Table, Value};

/// How training samples are changed. The default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augment {
    /// What happens to each image.
    pub images: Augmentation,
    /// What happens between the samples of a batch.
    pub mix: MixBatch,
}

impl Default for Augment {
    fn default() -> Augment {
        let mix = MixBatch { mixup: 0.0, cutmix: 0.0, probability: 1.0, each: false };
        Augment { images: Augmentation::default(), mix }
    }
}

const FILLS: &[(&str, Outside)] = &[("zero", Outside::Zero), ("edge", Outside::Edge), ("reflect", Outside::Reflect)];
const PATCHES: &[(&str, Patch)] = &[("mean", Patch::Mean), ("noise", Patch::Noise), ("zero", Patch::Zero)];
const PER: &[(&str, bool)] = &[("batch", false), ("sample", true)];

/// The probability that `true` stands for.
const COIN: f32 = 0.5;

impl Augment {
    /// Reads the keys of `[augment]`.
    pub fn read(keys: &mut Keys) -> Result<Augment> {
        let default = Augment::default();
        let d = default.images;
        let images = Augmentation {
            flip_horizontal: chance(keys, "flip_horizontal")?,
            flip_vertical: chance(keys, "flip_vertical")?,
            shift: pair(keys, "shift", d.shift, |v| Some([v, v]))?,
            crop_padding: keys.count("crop_padding", 0, Some(d.crop_padding))?,
            rotation: number(keys, "rotation", d.rotation)?,
            scale: pair(keys, "scale", d.scale, |_| None)?,
            shear: number(keys, "shear", d.shear)?,
            elastic_alpha: number(keys, "elastic_alpha", d.elastic_alpha)?,
            elastic_grid: keys.count("elastic_grid", 1, Some(d.elastic_grid))?,
            outside: choice(keys, "fill", FILLS, d.outside)?,
            brightness: number(keys, "brightness", d.brightness)?,
            contrast: number(keys, "contrast", d.contrast)?,
            saturation: number(keys, "saturation", d.saturation)?,
            noise: number(keys, "noise", d.noise)?,
            erase: number(keys, "erase", d.erase)?,
            erase_area: pair(keys, "erase_area", d.erase_area, |_| None)?,
            erase_ratio: pair(keys, "erase_ratio", d.erase_ratio, |_| None)?,
            patch: choice(keys, "erase_fill", PATCHES, d.patch)?,
        };
        let mix = MixBatch {
            mixup: f64::from(number(keys, "mixup", 0.0)?),
            cutmix: f64::from(number(keys, "cutmix", 0.0)?),
            probability: number(keys, "mix_probability", default.mix.probability)?,
            each: choice(keys, "mix_per", PER, default.mix.each)?,
        };
        images.check_values().and_then(|()| mix.check()).context(|| keys.place().to_string())?;
        Ok(Augment { images, mix })
    }

    /// As TOML: read back, it gives the same.
    pub fn to_table(&self) -> Table {
        let (a, m) = (&self.images, &self.mix);
        let two = |[x, y]: [f32; 2]| Value::Array(vec![plain(x), plain(y)]);
        let entries = [
            ("flip_horizontal", plain(a.flip_horizontal)),
            ("flip_vertical", plain(a.flip_vertical)),
            ("shift", two(a.shift)),
            ("crop_padding", (a.crop_padding as i64).into()),
            ("rotation", plain(a.rotation)),
            ("scale", two(a.scale)),
            ("shear", plain(a.shear)),
            ("elastic_alpha", plain(a.elastic_alpha)),
            ("elastic_grid", (a.elastic_grid as i64).into()),
            ("fill", name_of(FILLS, a.outside)),
            ("brightness", plain(a.brightness)),
            ("contrast", plain(a.contrast)),
            ("saturation", plain(a.saturation)),
            ("noise", plain(a.noise)),
            ("erase", plain(a.erase)),
            ("erase_area", two(a.erase_area)),
            ("erase_ratio", two(a.erase_ratio)),
            ("erase_fill", name_of(PATCHES, a.patch)),
            ("mixup", plain(m.mixup as f32)),
            ("cutmix", plain(m.cutmix as f32)),
            ("mix_probability", plain(m.probability)),
            ("mix_per", name_of(PER, m.each)),
        ];
        entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
    }

    /// Whether it changes nothing.
    pub fn is_none(&self) -> bool {
        self.images.is_none() && !self.mixes()
    }

    /// Whether samples are mixed, so that targets are soft.
    pub fn mixes(&self) -> bool {
        !self.mix.is_none()
    }

    /// Checks that samples of this shape can be changed so, and that there are
    /// classes to mix where anything is mixed.
    pub fn check(&self, sample: &[usize], classes: Option<usize>) -> Result<()> {
        if self.mixes() && classes.is_none() {
            return Err(Error::model("[augment]: mixup and cutmix mix the classes of samples; these have none"));
        }
        match *sample {
            [c, h, w] => self.images.check([c, h, w]).context(|| "[augment]"),
            _ if !self.images.is_none() || self.mix.cutmix > 0.0 && self.mixes() => {
                let keys: Vec<String> =
                    self.to_table().into_iter().filter(|e| self.needs_images(e)).map(|e| e.0).collect();
                Err(Error::model(format!(
                    "[augment]: {} needs images, [channels, height, width]; samples have shape {sample:?}",
                    keys.join(", ")
                )))
            }
            _ => Ok(()),
        }
    }

    /// Whether an entry of the table is set and needs images.
    fn needs_images(&self, (key, value): &(String, Value)) -> bool {
        let mixes = matches!(key.as_str(), "mixup" | "mix_probability" | "mix_per");
        // Details of what is off say nothing.
        let detail = matches!(key.as_str(), "fill" | "elastic_grid") || key.starts_with("erase_");
        !mixes && !detail && Augment::default().to_table().get(key) != Some(value)
    }

    /// The batch `index` of `n` images packed in `data`: gathered, changed and
    /// normalised. Without changes it is `gather_images`.
    pub fn gather(
        &self,
        g: &mut Graph,
        data: TensorId,
        index: TensorId,
        clock: TensorId,
        scale: TensorId,
        shift: TensorId,
        n: usize,
        image: [usize; 3],
    ) -> Result<TensorId> {
        match self.images.is_none() {
            true => g.gather_images(data, index, scale, shift, n, image),
            false => g.augment_images(data, index, clock, scale, shift, n, image, self.images),
        }
    }

    /// The batch, mixed, and its soft targets of `classes`; `rows` counts the
    /// valid slots. The hard labels stay as they are, for metrics.
    pub fn mix(
        &self,
        g: &mut Graph,
        x: TensorId,
        labels: TensorId,
        rows: TensorId,
        clock: TensorId,
        classes: usize,
    ) -> Result<(TensorId, TensorId)> {
        g.mix_batch(x, labels, rows, clock, classes, self.mix)
    }
}

/// What a training step would make of these rows of a set, taken as one batch:
/// the bytes of each picture, `[channels, height, width]`.
pub fn preview(images: &Images, rows: &[usize], augment: &Augment, seed: u32, step: u32) -> Result<Vec<Vec<u8>>> {
    if let Some(row) = rows.iter().find(|&&row| row >= images.len()) {
        return Err(Error::data(format!("{} has {} images; there is no number {row}", images.name, images.len())));
    }
    if rows.is_empty() {
        return Ok(vec![]);
    }
    let (n, classes) = (rows.len(), images.classes.len());
    let shape = [images.channels, images.height, images.width];
    augment.check(&shape, (classes > 0).then_some(classes))?;
    let batch = images.select(rows);
    let normal = images.channel_stats();
    let mut g = Graph::new();
    let mut given = |name: &str, value: HostTensor| {
        let spec: Spec = value.spec();
        g.persistent(name, spec, Init::Data(Arc::new(value)))
    };
    let words = pack_bytes(&batch.pixels);
    let data = given("data", HostTensor::u32([words.len()], words));
    let index = given("index", HostTensor::u32([n], (0..n as u32).collect()));
    let labels = given("labels", HostTensor::u32([n], batch.labels));
    let count = given("rows", HostTensor::u32([1], vec![n as u32]));
    let mut at = vec![0; clock::spec().elements()];
    (at[clock::STEP], at[clock::SEED]) = (step, seed);
    let clock = given("clock", HostTensor::u32([at.len()], at));
    let scale = normal.iter().map(|&(_, std)| 1.0 / (255.0 * std)).collect();
    let scale = given("scale", HostTensor::f32([normal.len()], scale));
    let shift = normal.iter().map(|&(mean, std)| -mean / std).collect();
    let shift = given("shift", HostTensor::f32([normal.len()], shift));
    let mut x = augment.gather(&mut g, data, index, clock, scale, shift, n, shape)?;
    if augment.mixes() {
        x = augment.mix(&mut g, x, labels, count, clock, classes)?.0;
    }
    let device = Device::Cpu;
    let mut executor = device.executor();
    let program = executor.load(Plan::build(&g, &[x], device.target())?)?;
    executor.run(&program, 1)?;
    let values = executor.fetch(&program, x)?;
    let plane = images.height * images.width;
    let picture = |x: &[f32]| -> Vec<u8> {
        let channels = x.chunks(plane).zip(&normal);
        channels.flat_map(|(x, &(mean, std))| x.iter().map(move |x| ((x * std + mean) * 255.0).round() as u8)).collect()
    };
    Ok(values.as_f32().chunks(plane * images.channels).map(picture).collect())
}

/// The error of a value of the wrong kind.
fn wrong(keys: &Keys, key: &str, found: &Value, expected: &str) -> Error {
    Error::model(format!("{}: {key} = {found}; expected {expected}", keys.place()))
}

/// A whole or decimal number.
fn real(value: &Value) -> Option<f32> {
    value.as_float().or(value.as_integer().map(|i| i as f64)).map(|v| v as f32)
}

fn number(keys: &mut Keys, key: &'static str, default: f32) -> Result<f32> {
    match keys.take(key) {
        None => Ok(default),
        Some(v) => real(&v).ok_or_else(|| wrong(keys, key, &v, "a number")),
    }
}

/// A probability; `true` stands for one half.
fn chance(keys: &mut Keys, key: &'static str) -> Result<f32> {
    match keys.take(key) {
        None | Some(Value::Boolean(false)) => Ok(0.0),
        Some(Value::Boolean(true)) => Ok(COIN),
        Some(v) => real(&v).ok_or_else(|| wrong(keys, key, &v, "true, false or a probability")),
    }
}

/// Two numbers, or what a single one stands for.
fn pair(
    keys: &mut Keys,
    key: &'static str,
    default: [f32; 2],
    single: impl Fn(f32) -> Option<[f32; 2]>,
) -> Result<[f32; 2]> {
    let Some(value) = keys.take(key) else { return Ok(default) };
    let found = match &value {
        Value::Array(a) if a.len() == 2 => real(&a[0]).zip(real(&a[1])).map(|(a, b)| [a, b]),
        v => real(v).and_then(&single),
    };
    let expected = if single(0.0).is_some() { "a number or two of them" } else { "two numbers, as in [0.9, 1.1]" };
    found.ok_or_else(|| wrong(keys, key, &value, expected))
}

/// One of several names.
fn choice<T: Copy>(keys: &mut Keys, key: &'static str, names: &[(&str, T)], default: T) -> Result<T> {
    let Some(name) = keys.text(key)? else { return Ok(default) };
    let found = names.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
    found.ok_or_else(|| unknown(key, &name, names.iter().map(|(n, _)| *n)).context(keys.place()))
}

fn name_of<T: PartialEq>(names: &[(&str, T)], value: T) -> Value {
    names.iter().find(|(_, v)| *v == value).map_or("", |(n, _)| *n).into()
}

/// The shortest decimal number that reads back as this one.
fn plain(value: f32) -> Value {
    Value::Float(value.to_string().parse().unwrap_or_else(|_| value.into()))
}

#[cfg(test)]
#[path = "augment_tests.rs"]
mod tests;
