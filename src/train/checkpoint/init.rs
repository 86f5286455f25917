//! Weights to start from, of any file of safetensors, by their names.

use super::format::{KEY, STATE, metadata_of_weights, read, tensors, wrong};
use super::{About, MODEL, NameMap, find, is_finite};
use crate::error::{Error, Result};
use crate::files::name::beginning;
use crate::nn::{Description, Model, Weights, present_name};
use crate::tensor::{HostTensor, Shape};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The weights that a model starts from, and how they were found.
#[derive(Debug, Clone)]
pub struct Initial {
    /// All weights of the model: those of the file, and drawn ones for the rest.
    pub weights: Weights,
    /// What became of each tensor.
    pub matches: Matches,
}

/// The tensors of a file beside the weights of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matches {
    /// Weights that the file has: their name, the tensor's and its type.
    pub matched: Vec<[String; 3]>,
    /// Weights whose tensor is another kind of thing. They are drawn.
    pub misfits: Vec<Misfit>,
    /// Weights that the file does not have, with their shapes. They are drawn.
    pub missing: Vec<(String, Shape)>,
    /// Tensors that the model has no weight for, with shapes and types.
    pub left_over: Vec<(String, Shape, String)>,
    /// A map of names by which more would match.
    pub hint: Option<String>,
}

/// A weight whose tensor does not fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    /// The weight.
    pub name: String,
    /// The tensor in the file.
    pub tensor: String,
    /// Shape and type there.
    pub found: String,
    /// Shape and type in the model.
    pub expected: String,
}

/// The weights of a model as far as a file has them, by name and shape; the others
/// are drawn from the seed. Floats of 16, 32 and 64 bits are read. `path` is a file of
/// safetensors, a folder with a `model.safetensors`, or that of a run, whose last
/// checkpoint is taken. `map` makes the model's names of those in the file.
///
/// Fails when the file is none of safetensors or is damaged, when nothing in it is of
/// use, when two of its tensors become one weight, when the map has a beginning that no
/// name has, and when a weight is no finite number.
pub fn initial(model: &Model, path: &Path, map: &NameMap, seed: u32) -> Result<Initial> {
    let file = file_of(path)?;
    let bytes = read(&file)?;
    let given = given(&file, &bytes)?;
    if let Some(from) = map.unused(given.iter().map(|g| g.name.as_str())) {
        return Err(Error::usage(format!(
            "--init-map \"{from}=\": no tensor of {} begins so; it holds {}",
            file.display(),
            listed(given.iter().map(Given::shown))
        )));
    }
    let mut own = Weights::new(seed);
    model.inspect(1, &mut own)?;
    let mut named: BTreeMap<String, &Given> = BTreeMap::new();
    let mut matches = Matches::default();
    for tensor in &given {
        let name = map.apply(&tensor.name);
        if own.shape(&name).is_none() {
            matches.left_over.push((tensor.name.clone(), tensor.shape(), format!("{:?}", tensor.view.dtype())));
        } else if let Some(other) = named.insert(name.clone(), tensor) {
            return Err(Error::usage(format!(
                "--init-map: \"{}\" and \"{}\" of {} both become \"{name}\"; expected one tensor for each weight",
                other.name,
                tensor.name,
                file.display()
            )));
        }
    }
    let mut weights = Weights::new(seed);
    for name in own.names().map(String::from).collect::<Vec<_>>() {
        let shape = own.shape(&name).expect("it is one of them").clone();
        let drawn = |own: &Weights| (**own.get(&name).expect("it is one of them")).clone();
        let Some(tensor) = named.get(&name) else {
            weights.set(&name, drawn(&own));
            matches.missing.push((name, shape));
            continue;
        };
        let values = if tensor.shape() == shape { floats(&tensor.view) } else { None };
        let Some(values) = values else {
            weights.set(&name, drawn(&own));
            let found = format!("{} {:?}", tensor.shape(), tensor.view.dtype());
            let expected = format!("{shape} of floats");
            matches.misfits.push(Misfit { name, tensor: tensor.name.clone(), found, expected });
            continue;
        };
        let value = HostTensor::f32(shape, values);
        if !is_finite(&value) {
            let name = &tensor.name;
            let what = format!("weight \"{name}\" holds values that are no finite numbers of 32 bits");
            return Err(wrong(&file, &what));
        }
        weights.set(&name, value);
        matches.matched.push([name, tensor.name.clone(), format!("{:?}", tensor.view.dtype())]);
    }
    matches.hint = hint(&matches);
    if matches.matched.is_empty() {
        return Err(nothing_in_common(&file, &given, &own, &matches));
    }
    Ok(Initial { weights, matches })
}

/// A tensor of the file.
struct Given<'a> {
    name: String,
    view: TensorView<'a>,
}

impl Given<'_> {
    fn shape(&self) -> Shape {
        Shape::from(self.view.shape().to_vec())
    }

    fn shown(&self) -> String {
        format!("{} {}", beginning(&self.name, LONGEST).escape_debug(), self.shape())
    }
}

/// The tensors of a file, under the names that they have by now, without the state
/// of training that earlier versions kept beside the weights.
fn given<'a>(file: &Path, bytes: &'a [u8]) -> Result<Vec<Given<'a>>> {
    let header = match metadata_of_weights(file, bytes) {
        Err(e) if is_pickle(bytes) => {
            return Err(e.context(
                "this is what torch.save writes; in Python, safetensors.torch.save_file(model.state_dict(), \
                 \"model.safetensors\") writes what can be read",
            ));
        }
        header => header?,
    };
    // Names and values are of use whatever else it says of itself.
    let about: Option<About> = header.get(KEY).and_then(|about| serde_json::from_str(about).ok());
    let described = about.as_ref().and_then(|about| Description::parse(&about.model).ok());
    let with_state = about.is_some_and(|about| about.progress.is_some());
    let kept = tensors(file, bytes)?.into_iter().filter(|(name, _)| !(with_state && name.starts_with(STATE)));
    let present = |name: String| described.as_ref().and_then(|d| present_name(d, &name)).unwrap_or(name);
    Ok(kept.map(|(name, view)| Given { name: present(name), view }).collect())
}

/// Whether a file is one of PyTorch's own: an archive, or a pickle.
fn is_pickle(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 2])
}

/// The values of a tensor of floats.
fn floats(view: &TensorView) -> Option<Vec<f32>> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Some(bytemuck::pod_collect_to_vec(data)),
        Dtype::F16 => Some(bytemuck::pod_collect_to_vec::<u8, f16>(data).into_iter().map(f16::to_f32).collect()),
        Dtype::BF16 => Some(bytemuck::pod_collect_to_vec::<u8, bf16>(data).into_iter().map(bf16::to_f32).collect()),
        Dtype::F64 => Some(bytemuck::pod_collect_to_vec::<u8, f64>(data).into_iter().map(|v| v as f32).collect()),
        _ => None,
    }
}

/// The file that is meant.
fn file_of(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let own = Some(path.join(MODEL)).filter(|file| file.is_file());
    find(path, "last").or(own).ok_or_else(|| {
        Error::data(format!(
            "{} holds no checkpoints/last/{MODEL} and no {MODEL}; expected the folder of a run or of a checkpoint, or a \
             file of safetensors",
            path.display()
        ))
    })
}

/// A rule of names by which the most of what is left over would match what is
/// missing.
fn hint(m: &Matches) -> Option<String> {
    /// More than that nobody has, and a broken file may claim.
    const MOST: usize = 2000;
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    for (tensor, shape, _) in m.left_over.iter().take(MOST) {
        for (name, _) in m.missing.iter().take(MOST).filter(|(_, wanted)| wanted == shape) {
            let rule = match (tensor.strip_suffix(name.as_str()), name.strip_suffix(tensor.as_str())) {
                (Some(front), _) if front.ends_with('.') => format!("{front}="),
                (_, Some(front)) if front.ends_with('.') => format!("={front}"),
                _ => continue,
            };
            *rules.entry(rule).or_default() += 1;
        }
    }
    rules.into_iter().max_by_key(|(_, n)| *n).map(|(rule, _)| rule)
}

/// The most bytes of a name that are shown.
const LONGEST: usize = 100;
/// Tensors that are listed.
const LISTED: usize = 6;

fn listed(mut shown: impl Iterator<Item = String>) -> String {
    let first: Vec<String> = shown.by_ref().take(LISTED).collect();
    match shown.count() {
        _ if first.is_empty() => "nothing".into(),
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn nothing_in_common(file: &Path, given: &[Given], own: &Weights, m: &Matches) -> Error {
    let own = own.names().map(|n| format!("{n} {}", own.shape(n).expect("it is one of them")));
    let hint = m.hint.as_ref().map_or(String::new(), |rule| format!("; try --init-map \"{rule}\""));
    Error::model(format!(
        "{} has no weight that this model has too, by name and shape; it holds {}; the model has {}{hint}",
        file.display(),
        listed(given.iter().map(Given::shown)),
        listed(own)
    ))
}

impl fmt::Display for Matches {
    /// A table: what was taken, what does not fit, what is missing, what is left over.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        /// Rows of each part.
        const ROWS: usize = 40;
        let drawn = self.misfits.len() + self.missing.len();
        let all = self.matched.len() + drawn;
        write!(f, "{} of {all} tensors matched, {drawn} drawn anew, ", self.matched.len())?;
        write!(f, "{} of the file left over", self.left_over.len())?;
        let of = |name: &str, tensor: &str| if name == tensor { String::new() } else { format!("  from {tensor}") };
        let matched = self
            .matched
            .iter()
            .map(|[name, tensor, dtype]| [name.as_str(), dtype, &of(name, tensor)].map(String::from));
        let misfits = self
            .misfits
            .iter()
            .map(|m| [m.name.clone(), format!("{} in the file, {} here", m.found, m.expected), of(&m.name, &m.tensor)]);
        let missing = self.missing.iter().map(|(name, shape)| [name.clone(), shape.to_string(), String::new()]);
        let left_over =
            self.left_over.iter().map(|(name, shape, dtype)| [name.clone(), format!("{shape} {dtype}"), String::new()]);
        let parts: [(&str, Vec<[String; 3]>); 4] = [
            ("matched", matched.collect()),
            ("does not fit, drawn anew", misfits.collect()),
            ("missing in the file, drawn anew", missing.collect()),
            ("left over in the file", left_over.collect()),
        ];
        for (title, rows) in parts.iter().filter(|(_, rows)| !rows.is_empty()) {
            write!(f, "\n  {title}:")?;
            let shown = |name: &str| beginning(name, LONGEST).escape_debug().to_string();
            let wide = rows.iter().take(ROWS).map(|[name, ..]| shown(name).chars().count()).max().unwrap_or(0);
            for [name, what, from] in rows.iter().take(ROWS) {
                write!(f, "\n    {:wide$}  {what}{}", shown(name), shown(from))?;
            }
            if rows.len() > ROWS {
                write!(f, "\n    and {} more", rows.len() - ROWS)?;
            }
        }
        match &self.hint {
            Some(rule) => write!(f, "\n  more would match with --init-map \"{rule}\""),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "init_tests.rs"]
mod tests;
