//! From tokens to vectors and back, and where a token stands.

use super::Layer;
use super::conv::read_initializer;
use super::inputs::{along_features, sequence, single};
use crate::error::{Error, Result, unknown};
use crate::graph::TensorId;
use crate::nn::{Build, Initializer, Keys, Mode};
use crate::tensor::{HostTensor, Shape};
use toml::{Table, Value};

/// A vector for each token: `[N, T]` tokens become `[N, T, output_dim]`.
/// Parameter: `weight [input_dim, output_dim]`.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// The number of tokens; `None` for the data's vocabulary.
    pub input_dim: Option<usize>,
    /// Elements of a vector.
    pub output_dim: usize,
    /// Token 0 is padding: it learns nothing, and the layers that follow leave
    /// out what stands behind the last other token of a sample.
    pub mask_zero: bool,
    /// How the vectors start.
    pub embeddings_initializer: Initializer,
}

impl Embedding {
    /// Vectors of `output_dim` elements for the tokens of the data.
    pub fn new(output_dim: usize) -> Embedding {
        Embedding { input_dim: None, output_dim, mask_zero: false, embeddings_initializer: Initializer::RandomUniform }
    }

    pub(super) fn read(keys: &mut Keys) -> Result<Embedding> {
        let input_dim = match keys.take("input_dim") {
            None => None,
            Some(Value::String(s)) if s == "vocabulary" => None,
            Some(Value::Integer(n)) if n > 0 => Some(n as usize),
            Some(other) => {
                return Err(Error::model(format!(
                    "{}: input_dim = {other}; expected the number of tokens, or \"vocabulary\"",
                    keys.place()
                )));
            }
        };
        Ok(Embedding {
            input_dim,
            output_dim: keys.count("output_dim", 1, None)?,
            mask_zero: keys.flag("mask_zero", false)?,
            embeddings_initializer: read_initializer(keys, "embeddings_initializer", Initializer::RandomUniform)?,
        })
    }
}

impl Layer for Embedding {
    fn kind(&self) -> &'static str {
        "Embedding"
    }

    fn short(&self) -> &'static str {
        "embedding"
    }

    fn takes_tokens(&self) -> bool {
        true
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let tokens = single(inputs)?;
        let rows = self.input_dim.or(cx.vocabulary).ok_or_else(|| {
            Error::model(
                "input_dim = \"vocabulary\", and the vocabulary of the data is not known here; write the number",
            )
        })?;
        if let Some(data) = cx.vocabulary.filter(|&n| n > rows) {
            return Err(Error::model(format!(
                "input_dim = {rows}, and the data has a vocabulary of {data} tokens; leave input_dim out"
            )));
        }
        let table =
            cx.param("weight", [rows, self.output_dim], self.embeddings_initializer, (rows, self.output_dim))?;
        if self.mask_zero {
            cx.lengths = Some(cx.g.row_lengths(tokens, 0)?);
        }
        cx.g.embedding(table, tokens, self.mask_zero.then_some(0))
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        match self.mask_zero {
            false => Ok(()),
            true => Err(Error::model(
                "mask_zero makes filling of token 0, which in a text is a token like any other, and looks for the last that \
                 is not; leave it out",
            )),
        }
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        t.insert("input_dim".into(), self.input_dim.map_or("vocabulary".into(), |n| (n as i64).into()));
        t.insert("output_dim".into(), (self.output_dim as i64).into());
        t.insert("mask_zero".into(), self.mask_zero.into());
        t.insert("embeddings_initializer".into(), self.embeddings_initializer.name().into());
        t
    }
}

/// Scores for all tokens from vectors, by the weights of an [`Embedding`]
/// layer: `y = x weight^T`. No parameters of its own.
///
/// Source: Press and Wolf, "Using the Output Embedding to Improve Language
/// Models", arXiv:1608.05859.
#[derive(Debug, Clone)]
pub struct TiedDense {
    /// The name of the embedding layer.
    pub to: String,
}

impl TiedDense {
    pub(super) fn read(keys: &mut Keys) -> Result<TiedDense> {
        Ok(TiedDense { to: keys.text("to")?.unwrap_or_else(|| "embedding1".into()) })
    }
}

impl Layer for TiedDense {
    fn kind(&self) -> &'static str {
        "TiedDense"
    }

    fn short(&self) -> &'static str {
        "tied"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let weight = cx.shared(&format!("{}.weight", self.to))?;
        cx.g.matmul_t(x, weight, None)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_features(inputs)
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("to".to_string(), self.to.clone().into())])
    }
}

/// How positions become vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// A parameter each.
    Learned,
    /// Sines and cosines of falling frequencies.
    Sinusoidal,
}

const POSITIONS: [(&str, Positions); 2] = [("learned", Positions::Learned), ("sinusoidal", Positions::Sinusoidal)];

/// Adds a vector for the position to each element of `[N, T, W]`. Parameter, if
/// learned: `weight [positions, W]`.
///
/// Source: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762, 3.5.
#[derive(Debug, Clone)]
pub struct PositionalEmbedding {
    /// How.
    pub kind: Positions,
    /// The longest sequence; `None` for that of the data.
    pub positions: Option<usize>,
    /// How learned vectors start.
    pub embeddings_initializer: Initializer,
}

impl PositionalEmbedding {
    pub(super) fn read(keys: &mut Keys) -> Result<PositionalEmbedding> {
        let kind = keys.text("kind")?.unwrap_or_else(|| "learned".into());
        let found = POSITIONS.iter().find(|(n, _)| *n == kind).map(|(_, k)| *k);
        Ok(PositionalEmbedding {
            kind: found.ok_or_else(|| unknown("kind of positions", &kind, POSITIONS.iter().map(|(n, _)| *n)))?,
            positions: Some(keys.count("positions", 0, Some(0))?).filter(|&n| n > 0),
            embeddings_initializer: read_initializer(keys, "embeddings_initializer", Initializer::RandomUniform)?,
        })
    }
}

impl Layer for PositionalEmbedding {
    fn kind(&self) -> &'static str {
        "PositionalEmbedding"
    }

    fn short(&self) -> &'static str {
        "position"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let x = single(inputs)?;
        let [_, t, width] = sequence(cx, x)?;
        // One token at a time, there is room for as many as the model reads at once.
        let (here, longest) = match cx.mode {
            Mode::Decode { position, context, .. } => (Some(position), context),
            _ => (None, t),
        };
        let rows = self.positions.unwrap_or(longest);
        if longest > rows {
            return Err(Error::model(format!(
                "its input has {longest} positions, and positions = {rows}; shorten the context or raise positions"
            )));
        }
        let table = match self.kind {
            Positions::Learned => cx.param("weight", [rows, width], self.embeddings_initializer, (rows, width))?,
            Positions::Sinusoidal => cx.g.constant(sinusoids(longest, width)),
        };
        let at = match here {
            Some(position) => cx.g.gather_rows(table, position)?,
            None if cx.g.shape(table)[0] > t => cx.g.slice(table, 0, 0, t, 1)?,
            None => table,
        };
        cx.g.add(x, at)
    }

    fn causal(&self, _inputs: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        let kind = POSITIONS.iter().find(|(_, k)| *k == self.kind).expect("every kind has a name").0;
        t.insert("kind".into(), kind.into());
        t.insert("positions".into(), (self.positions.unwrap_or(0) as i64).into());
        t.insert("embeddings_initializer".into(), self.embeddings_initializer.name().into());
        t
    }
}

/// `[rows, width]`: sine at even columns, cosine at odd ones, of `position /
/// 10000^(column pair / width)`.
fn sinusoids(rows: usize, width: usize) -> HostTensor {
    let divisors: Vec<f64> = (0..width).map(|column| 10_000f64.powf((column / 2 * 2) as f64 / width as f64)).collect();
    let value = |i: usize| {
        let (position, column) = ((i / width) as f64, i % width);
        let angle = position / divisors[column];
        (if column % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
    };
    HostTensor::f32([rows, width], (0..rows * width).map(value).collect())
}
