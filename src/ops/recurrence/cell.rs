//! The cells, and what is counted of each.

/// A recurrent cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// `h' = tanh(a)`.
    RnnTanh,
    /// `h' = relu(a)`.
    RnnRelu,
    /// Gates i, f, g, o.
    Lstm,
    /// Gates r, z, n.
    Gru {
        /// Whether r scales `w_n h` (PyTorch, cuDNN, Keras' default) or h
        /// itself.
        reset_after: bool,
    },
}

impl Cell {
    /// The name of the op.
    pub fn name(self) -> &'static str {
        match self {
            Cell::RnnTanh => "rnn_tanh",
            Cell::RnnRelu => "rnn_relu",
            Cell::Lstm => "lstm",
            Cell::Gru { .. } => "gru",
        }
    }

    /// Gates, each with weights of its own.
    pub fn gates(self) -> usize {
        match self {
            Cell::RnnTanh | Cell::RnnRelu => 1,
            Cell::Lstm => 4,
            Cell::Gru { .. } => 3,
        }
    }

    /// States handed from step to step: h, and c of an LSTM.
    pub fn states(self) -> usize {
        if self == Cell::Lstm { 2 } else { 1 }
    }

    /// Numbers per unit and step that the backward pass needs: the gates and
    /// the state before. A plain RNN's output says all.
    pub(crate) fn slots(self) -> usize {
        if self.gates() > 1 { 5 } else { 0 }
    }

    /// Products with the weights that follow on each other in a step.
    pub(crate) fn products(self) -> usize {
        if self == (Cell::Gru { reset_after: false }) { 2 } else { 1 }
    }

    /// Whether what `w_hh` sees of the gates' gradient is not what gx sees.
    pub(crate) fn splits(self) -> bool {
        self == Cell::Gru { reset_after: true }
    }

    /// `CELL` in the shaders.
    pub(crate) fn code(self) -> usize {
        match self {
            Cell::RnnTanh => 0,
            Cell::RnnRelu => 1,
            Cell::Lstm => 2,
            Cell::Gru { reset_after: true } => 3,
            Cell::Gru { reset_after: false } => 4,
        }
    }
}
