//! The ops, one room each: shape rule, gradient, CPU reference, kernels, cost
//! and cases of an op stand in one file, its shaders in `shaders/` under the
//! same stem.
//!
//! A new op costs two files and two lines here.

macro_rules! rooms {
    ($($room:ident),* $(,)?) => {
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
mod lines;
mod optimiser;
mod rows;
mod state;
mod tiles;
mod wide;

pub mod accumulate;
pub mod adam;
pub mod adjust_grads;
pub mod arg_max;
pub mod attention;
pub mod attention_grad;
pub mod attention_grad_tiles;
pub mod augment_images;
pub mod avg_pool2d;
pub mod batch_norm;
pub mod binary;
pub mod ceiling;
pub mod clock;
pub mod concat;
pub mod conv2d;
pub mod correct;
pub mod cross_entropy;
pub mod cumulative;
pub mod dropout;
pub mod ema;
pub mod embedding;
pub mod fingerprint;
pub mod gather_floats;
pub mod gather_images;
pub mod gather_rows;
pub mod grad_norm;
pub mod grid_sample;
pub mod guard;
pub mod index_float;
pub mod layer_norm;
pub mod loss_scale;
pub mod mask_rows;
pub mod matmul;
pub mod max_norm;
pub mod max_pool2d;
pub mod mean_rows;
pub mod mix_batch;
pub mod pace;
pub mod rearrange;
pub mod recurrence;
pub mod recurrence_grad;
pub mod reduce;
pub mod regression_loss;
pub mod reshape;
pub mod rmsprop;
pub mod rotary;
pub mod row_lengths;
pub mod scatter_rows;
pub mod select;
pub mod select_rows;
pub mod sgd;
pub mod softmax;
pub mod take_row;
pub mod tally;
pub mod top_k;
pub mod unary;
pub mod write_rows;

rooms! {
    accumulate,
    adam,
    adjust_grads,
    arg_max,
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
    cumulative,
    dropout,
    ema,
    embedding,
    fingerprint,
    gather_floats,
    gather_images,
    gather_rows,
    grad_norm,
    grid_sample,
    index_float,
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
    scatter_rows,
    select,
    select_rows,
    sgd,
    softmax,
    take_row,
    tally,
    top_k,
    unary,
    write_rows,
}
