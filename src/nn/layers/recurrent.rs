//! `SimpleRNN`, `LSTM` and `GRU`.

use super::Layer;
use super::inputs::{along_positions, single};
use crate::error::{Error, Result, unknown};
use crate::graph::TensorId;
use crate::nn::{Build, Initializer, Keys, Mode};
use crate::ops::recurrence::{Cell, Recurrent, RecurrentWeights, Stack, State};
use crate::tensor::{HostTensor, Shape};
use toml::Table;

/// A stack of recurrent layers over the positions of `[N, T, W]`: the last state
/// `[N, units]`, or with `return_sequences` all of them, `[N, T, units]`; twice
/// as wide in both directions. Images `[N, 1, H, W]` are read row by row, as
/// H positions of W numbers.
///
/// Parameters and their start are PyTorch's: `weight_ih_l0 [G units, W]`,
/// `weight_hh_l0 [G units, units]`, `bias_ih_l0`, `bias_hh_l0`, then `_l1` and so
/// on, with `_reverse` behind them for the other direction; all uniform within
/// `1 / sqrt(units)`. A GRU that resets before the product has `bias_ih` alone.
///
/// Where lengths are known, positions behind a sample's end leave its state as
/// it is, and the last state is that of its last valid position. While
/// decoding, states are kept from position to position.
#[derive(Debug, Clone)]
pub struct Recurrence {
    /// The cell: its name as a layer, activation and variant.
    pub cell: Cell,
    /// Hidden units.
    pub units: usize,
    /// Layers, one above the other.
    pub layers: usize,
    /// Whether each layer also reads from the end.
    pub bidirectional: bool,
    /// Whether to give the states of all positions.
    pub return_sequences: bool,
    /// Share of the outputs dropped between layers.
    pub dropout: f64,
    /// Whether there are biases.
    pub use_bias: bool,
}

/// The most layers of a stack: each draws its dropout from a stream of its own.
const MOST: usize = 64;

impl Recurrence {
    /// One layer, forward, that gives its last state.
    pub fn new(cell: Cell, units: usize) -> Recurrence {
        Recurrence {
            cell,
            units,
            layers: 1,
            bidirectional: false,
            return_sequences: false,
            dropout: 0.0,
            use_bias: true,
        }
    }

    /// Gives the states of all positions.
    pub fn sequences(mut self) -> Recurrence {
        self.return_sequences = true;
        self
    }

    pub(super) fn read_rnn(keys: &mut Keys) -> Result<Recurrence> {
        let name = keys.text("activation")?.unwrap_or_else(|| "tanh".into());
        let cell = match name.as_str() {
            "tanh" => Cell::RnnTanh,
            "relu" => Cell::RnnRelu,
            _ => return Err(unknown("activation of a SimpleRNN", &name, ["tanh", "relu"]).context(keys.place())),
        };
        Recurrence::read(keys, cell)
    }

    pub(super) fn read_lstm(keys: &mut Keys) -> Result<Recurrence> {
        Recurrence::read(keys, Cell::Lstm)
    }

    pub(super) fn read_gru(keys: &mut Keys) -> Result<Recurrence> {
        let reset_after = keys.flag("reset_after", true)?;
        Recurrence::read(keys, Cell::Gru { reset_after })
    }

    fn read(keys: &mut Keys, cell: Cell) -> Result<Recurrence> {
        let (units, layers) = (keys.count("units", 1, None)?, keys.count("layers", 1, Some(1))?);
        if layers > MOST {
            return Err(Error::model(format!("{}: layers = {layers}; expected at most {MOST}", keys.place())));
        }
        Ok(Recurrence {
            cell,
            units,
            layers,
            bidirectional: keys.flag("bidirectional", false)?,
            return_sequences: keys.flag("return_sequences", false)?,
            dropout: keys.real("dropout", 0.0, 0.999_999, Some(0.0))?,
            use_bias: keys.flag("use_bias", true)?,
        })
    }

    /// The weights of all layers and directions, in PyTorch's order.
    fn weights(&self, cx: &mut Build, features: usize) -> Result<Vec<RecurrentWeights>> {
        let (units, gates) = (self.units, self.cell.gates() * self.units);
        let directions = self.directions();
        let mut weights = vec![];
        for layer in 0..self.layers {
            let width = if layer == 0 { features } else { directions.len() * units };
            for reverse in directions {
                let mut param = |what: &str, shape: &[usize]| {
                    // PyTorch starts all of them by the number of units.
                    cx.param(&format!("{what}_l{layer}{reverse}"), shape, Initializer::Torch, (units, units))
                };
                let (w_ih, w_hh) = (param("weight_ih", &[gates, width])?, param("weight_hh", &[gates, units])?);
                let mut bias = |what, has: bool| has.then(|| param(what, &[gates])).transpose();
                let b_ih = bias("bias_ih", self.use_bias)?;
                let two = self.cell != Cell::Gru { reset_after: false };
                let b_hh = bias("bias_hh", self.use_bias && two)?;
                weights.push(RecurrentWeights { w_ih, w_hh, b_ih, b_hh });
            }
        }
        Ok(weights)
    }

    /// What stands behind the names of each direction's parameters.
    fn directions(&self) -> &'static [&'static str] {
        if self.bidirectional { &["", "_reverse"] } else { &[""] }
    }

    /// The stack over `x [N, T, W]` from given states (none for zeros), with
    /// its last states.
    pub fn stack(&self, cx: &mut Build, x: TensorId, initial: &[State]) -> Result<Stack> {
        let &[_, _, features] = cx.g.shape(x) else {
            let shape = cx.g.shape(x);
            return Err(Error::model(format!(
                "its input has shape {shape:?}; expected a sequence [batch, positions, features] or images of one channel"
            )));
        };
        let weights = self.weights(cx, features)?;
        let clock = if let Mode::Train { clock, .. } = cx.mode { Some(clock) } else { None };
        let streams: Vec<u32> = (0..self.layers as u32).map(|layer| cx.draws(layer)).collect();
        let dropout = clock.filter(|_| self.dropout > 0.0).map(|clock| (self.dropout as f32, clock, &streams[..]));
        let how =
            Recurrent { cell: self.cell, bidirectional: self.bidirectional, lengths: cx.lengths, initial, dropout };
        cx.g.recurrent(x, &weights, how)
    }

    /// One position, from the states kept of those before to those kept for
    /// the next. It is causal.
    fn decode(&self, cx: &mut Build, x: TensorId) -> Result<Stack> {
        let batch = cx.g.shape(x)[0];
        let mut kept = |what: &str, layer: usize| cx.kept(&format!("{what}_l{layer}"), [batch, self.units], 0.0);
        let two = self.cell.states() == 2;
        let before: Vec<State> =
            (0..self.layers).map(|l| State { h: kept("h", l), c: two.then(|| kept("c", l)) }).collect();
        let stack = self.stack(cx, x, &before)?;
        let first = cx.g.constant(HostTensor::u32([1], vec![0]));
        let all = |states: &[State]| states.iter().flat_map(|s| [Some(s.h), s.c]).flatten().collect::<Vec<_>>();
        for (kept, fresh) in all(&before).into_iter().zip(all(&stack.last)) {
            cx.g.write_rows(kept, fresh, first)?;
        }
        Ok(stack)
    }
}

impl Layer for Recurrence {
    fn kind(&self) -> &'static str {
        match self.cell {
            Cell::RnnTanh | Cell::RnnRelu => "SimpleRNN",
            Cell::Lstm => "LSTM",
            Cell::Gru { .. } => "GRU",
        }
    }

    fn short(&self) -> &'static str {
        match self.cell {
            Cell::RnnTanh | Cell::RnnRelu => "rnn",
            Cell::Lstm => "lstm",
            Cell::Gru { .. } => "gru",
        }
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        let mut x = single(inputs)?;
        if let &[n, 1, h, w] = cx.g.shape(x) {
            x = cx.g.reshape(x, [n, h, w])?;
        }
        let stack = match cx.mode {
            Mode::Decode { .. } => self.decode(cx, x)?,
            _ => self.stack(cx, x, &[])?,
        };
        if self.return_sequences {
            return Ok(stack.y);
        }
        let top = &stack.last[stack.last.len() - self.directions().len()..];
        let last: Vec<TensorId> = top.iter().map(|s| s.h).collect();
        // What follows sees one vector per sample.
        cx.lengths = None;
        cx.g.concat(&last, 1)
    }

    fn causal(&self, inputs: &[&Shape]) -> Result<()> {
        along_positions(inputs)?;
        match (self.bidirectional, self.return_sequences) {
            (true, _) => Err(Error::model("it also reads from the end; set bidirectional = false")),
            (_, false) => Err(Error::model("it gives its last state alone; set return_sequences = true")),
            _ => Ok(()),
        }
    }

    fn to_table(&self) -> Table {
        let mut t = Table::new();
        let mut put = |key: &str, n: usize| t.insert(key.into(), (n as i64).into());
        put("units", self.units);
        put("layers", self.layers);
        t.insert("bidirectional".into(), self.bidirectional.into());
        t.insert("return_sequences".into(), self.return_sequences.into());
        t.insert("dropout".into(), self.dropout.into());
        t.insert("use_bias".into(), self.use_bias.into());
        match self.cell {
            Cell::RnnTanh => t.insert("activation".into(), "tanh".into()),
            Cell::RnnRelu => t.insert("activation".into(), "relu".into()),
            Cell::Gru { reset_after } => t.insert("reset_after".into(), reset_after.into()),
            Cell::Lstm => None,
        };
        t
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Description, Model, Weights};

    fn model(layer: &str) -> Result<Model> {
        Model::new(Description::parse(&format!("input = [7, 5]\n[[layer]]\n{layer}\n"))?, None, None)
    }

    fn named(layer: &str) -> Vec<String> {
        let mut weights = Weights::new(1);
        model(layer).unwrap().inspect(2, &mut weights).unwrap();
        weights.iter().map(|(name, value)| format!("{name} {}", value.shape)).collect()
    }

    #[test]
    fn parameters_are_those_of_pytorch() {
        assert_eq!(
            named("type = \"LSTM\"\nunits = 3\nbidirectional = true"),
            [
                "lstm1.bias_hh_l0 [12]",
                "lstm1.bias_hh_l0_reverse [12]",
                "lstm1.bias_ih_l0 [12]",
                "lstm1.bias_ih_l0_reverse [12]",
                "lstm1.weight_hh_l0 [12, 3]",
                "lstm1.weight_hh_l0_reverse [12, 3]",
                "lstm1.weight_ih_l0 [12, 5]",
                "lstm1.weight_ih_l0_reverse [12, 5]",
            ]
        );
        assert_eq!(
            named("type = \"SimpleRNN\"\nunits = 3\nlayers = 2\nuse_bias = false\nactivation = \"relu\""),
            [
                "rnn1.weight_hh_l0 [3, 3]",
                "rnn1.weight_hh_l1 [3, 3]",
                "rnn1.weight_ih_l0 [3, 5]",
                "rnn1.weight_ih_l1 [3, 3]"
            ]
        );
        assert_eq!(
            named("type = \"GRU\"\nunits = 2\nreset_after = false"),
            ["gru1.bias_ih_l0 [6]", "gru1.weight_hh_l0 [6, 2]", "gru1.weight_ih_l0 [6, 5]"]
        );
    }

    #[test]
    fn outputs_are_last_states_or_all() {
        let output =
            |layer: &str| model(layer).unwrap().inspect(2, &mut Weights::new(1)).unwrap().1.layers[0].output.to_vec();
        assert_eq!(output("type = \"GRU\"\nunits = 3\nlayers = 2"), [2, 3]);
        assert_eq!(output("type = \"GRU\"\nunits = 3\nbidirectional = true"), [2, 6]);
        assert_eq!(output("type = \"LSTM\"\nunits = 3\nbidirectional = true\nreturn_sequences = true"), [2, 7, 6]);
    }

    #[test]
    fn bad_keys_are_errors() {
        for (layer, word) in [
            ("type = \"SimpleRNN\"\nunits = 3\nactivation = \"gelu\"", "tanh"),
            ("type = \"LSTM\"", "units"),
            ("type = \"LSTM\"\nunits = 3\nlayers = 65", "at most 64"),
            ("type = \"LSTM\"\nunits = 3\nreset_after = true", "reset_after"),
        ] {
            let found = model(layer).unwrap_err().to_string();
            assert!(found.contains(word), "{layer}: {found}");
        }
        let flat = Description::parse("input = [7]\n[[layer]]\ntype = \"GRU\"\nunits = 3\n").unwrap();
        let inspected = Model::new(flat, None, None).unwrap().inspect(2, &mut Weights::new(1));
        let found = inspected.map(drop).unwrap_err().to_string();
        assert!(found.contains("expected a sequence"), "{found}");
    }
}
