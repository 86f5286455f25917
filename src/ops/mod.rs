//! The ops, one room each: shape rule, gradient, CPU reference, kernels, cost
//! and cases of an op stand in one file, its shaders in `shaders/` under the
//! same stem.
//!
//! A new op costs two files and one line here.

macro_rules! rooms {
    ($($room:ident),* $(,)?) => {
        $(pub mod $room;)*

        /// The case table of every op: what the tests, the gradient check and
        /// the benches run over.
        pub fn cases() -> Vec<crate::graph::Case> {
            [$($room::cases()),*, chains::cases()].concat()
        }

        /// The names of the rooms.
        pub const ROOMS: &[&str] = &[$(stringify!($room)),*];
    };
}

mod chains;
mod expect;
mod flush;
mod optimiser;
mod rows;
mod state;
mod tiles;
mod wide;

rooms! {
    accumulate,
    adam,
    adjust_grads,
    attention,
    attention_grad,
    attention_grad_tiles,
    augment_images,
    avg_pool2d,
    batch_norm,
    binary,
    ceiling,
    clock,
    concat,
    conv2d,
    correct,
    cross_entropy,
    dropout,
    ema,
    embedding,
    gather_floats,
    gather_images,
    gather_rows,
    grad_norm,
    layer_norm,
    loss_scale,
    matmul,
    mask_rows,
    max_norm,
    max_pool2d,
    mean_rows,
    pace,
    mix_batch,
    rearrange,
    recurrence,
    recurrence_grad,
    reduce,
    regression_loss,
    reshape,
    rmsprop,
    rotary,
    row_lengths,
    select_rows,
    sgd,
    softmax,
    take_row,
    tally,
    unary,
    write_rows,
}
