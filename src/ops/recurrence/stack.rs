//! Stacks of recurrent layers, in one or both directions.

use super::{Cell, Direction, Recurred, State};
use crate::error::{Error, Result};
use crate::graph::{Graph, TensorId};

/// The weights of one layer in one direction, as PyTorch lays them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurrentWeights {
    /// `weight_ih [G H, I]`.
    pub w_ih: TensorId,
    /// `weight_hh [G H, H]`.
    pub w_hh: TensorId,
    /// `bias_ih [G H]`.
    pub b_ih: Option<TensorId>,
    /// `bias_hh [G H]`.
    pub b_hh: Option<TensorId>,
}

/// How a stack is walked.
#[derive(Debug, Clone, Copy)]
pub struct Recurrent<'a> {
    /// The cell of all layers.
    pub cell: Cell,
    /// Each layer walks both ways and joins its outputs, forward first.
    pub bidirectional: bool,
    /// The number of valid steps of each row, u32 `[B]`; all of them without.
    pub lengths: Option<TensorId>,
    /// Where each layer and direction starts, in the order of the weights;
    /// empty for zeros.
    pub initial: &'a [State],
    /// Drops what a layer reads of the one below, with a probability, by a
    /// clock, and with a stream of random numbers for each layer.
    pub dropout: Option<(f32, TensorId, &'a [u32])>,
}

/// What a stack gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// The top layer's hidden states at every step, `[B, T, H]`, or `[B, T, 2 H]`
    /// in both directions.
    pub y: TensorId,
    /// The last states of each layer and direction, in the order of the
    /// weights: PyTorch's `h_n` and `c_n`.
    pub last: Vec<State>,
}

impl Graph {
    /// A stack of recurrent layers over `x [B, T, I]`. `weights` holds layer by
    /// layer, each forward then (if bidirectional) reverse.
    pub fn recurrent(&mut self, x: TensorId, weights: &[RecurrentWeights], how: Recurrent) -> Result<Stack> {
        let directions = if how.bidirectional { 2 } else { 1 };
        if weights.is_empty() || !weights.len().is_multiple_of(directions) {
            return Err(Error::model(format!("{} sets of weights for {directions} directions", weights.len())));
        }
        if !how.initial.is_empty() && how.initial.len() != weights.len() {
            let (found, expected) = (how.initial.len(), weights.len());
            return Err(Error::model(format!("{found} initial states; expected {expected}, as many as weights")));
        }
        let (mut y, mut last) = (x, vec![]);
        for (layer, pair) in weights.chunks(directions).enumerate() {
            if let (Some((p, clock, streams)), true) = (how.dropout, layer > 0) {
                y = self.dropout(y, p, clock, streams[layer])?;
            }
            let mut outputs = vec![];
            for (d, w) in pair.iter().enumerate() {
                let initial = how.initial.get(last.len()).copied();
                let direction = Direction { reverse: d == 1, lengths: how.lengths, initial };
                let walked = self.recurrent_layer(how.cell, y, w, direction)?;
                outputs.push(walked.y);
                last.push(walked.last);
            }
            y = self.concat(&outputs, 2)?;
        }
        Ok(Stack { y, last })
    }

    /// One layer in one direction: one product for what the inputs add to the
    /// gates at all steps, then the walk.
    pub fn recurrent_layer(
        &mut self,
        cell: Cell,
        x: TensorId,
        w: &RecurrentWeights,
        direction: Direction,
    ) -> Result<Recurred> {
        let &[batch, steps, features] = self.shape(x) else {
            let shape = self.shape(x);
            return Err(Error::model(format!("its input has shape {shape:?}; expected [batch, steps, features]")));
        };
        let inside = cell == Cell::Gru { reset_after: true };
        let outside = match (w.b_ih, w.b_hh) {
            (Some(a), Some(b)) if !inside => Some(self.add(a, b)?),
            (None, b) if !inside => b,
            (a, _) => a,
        };
        // One tall product, on the CPU as well.
        let rows = self.reshape(x, [batch * steps, features])?;
        let gx = self.matmul_t(rows, w.w_ih, outside)?;
        let gates = self.shape(gx)[1];
        let gx = self.reshape(gx, [batch, steps, gates])?;
        self.recurrence(cell, gx, w.w_hh, w.b_hh.filter(|_| inside), direction)
    }
}
