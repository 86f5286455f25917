//! Where a walk over time starts, how it goes, and what it gives.

use crate::graph::TensorId;

/// A state `[B, H]` of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The hidden state.
    pub h: TensorId,
    /// The cell state of an LSTM.
    pub c: Option<TensorId>,
}

/// What a walk over time gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurred {
    /// The hidden state at every step, `[B, T, H]`.
    pub y: TensorId,
    /// The states behind the last step.
    pub last: State,
}

/// How a sequence is walked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Direction {
    /// From the last step to the first.
    pub reverse: bool,
    /// The number of valid steps of each row, u32 `[B]`; all of them without.
    pub lengths: Option<TensorId>,
    /// Where the rows start; zeros without.
    pub initial: Option<State>,
}
