//! Every layer in an example: its keys, what it makes of a shape, its parameters.

use wgrad::nn::{Description, Model};

/// A layer in an example.
pub struct Row {
    /// Its type in TOML.
    pub kind: &'static str,
    /// What PyTorch calls it; empty where there is no one module for it.
    pub torch: &'static str,
    /// Its keys, in TOML, and the inputs that it names.
    pub keys: &'static str,
    /// The shapes of its inputs, without the batch.
    pub inputs: &'static [&'static [usize]],
    /// The shape of its output, without the batch.
    pub output: &'static [usize],
    /// Its parameters and state, by name, with their shapes.
    pub parameters: &'static [&'static str],
}

const fn row(
    kind: &'static str,
    torch: &'static str,
    keys: &'static str,
    inputs: &'static [&'static [usize]],
    output: &'static [usize],
    parameters: &'static [&'static str],
) -> Row {
    Row { kind, torch, keys, inputs, output, parameters }
}

/// The tokens that models of tokens take.
pub const VOCABULARY: usize = 11;

const IMAGE: &[&[usize]] = &[&[3, 6, 5]];
const SEQUENCE: &[&[usize]] = &[&[6, 4]];
const TWO: &[&[usize]] = &[&[3, 6, 5], &[3, 1, 5]];
const NORM: &[&str] = &["bias [3]", "weight [3]"];

/// The layers, in the order of the documentation.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("Conv2D", "Conv2d", "filters = 4\nkernel_size = 3", IMAGE, &[4, 4, 3], &["bias [4]", "weight [4, 3, 3, 3]"]),
    row("DepthwiseConv2D", "Conv2d(groups=C)", "kernel_size = 3\ndepth_multiplier = 2", IMAGE, &[6, 4, 3], &["bias [6]", "weight [6, 1, 3, 3]"]),
    row("SeparableConv2D", "", "filters = 4\nkernel_size = 3\npadding = \"same\"", IMAGE, &[4, 6, 5], &["depthwise.weight [3, 1, 3, 3]", "pointwise.bias [4]", "pointwise.weight [4, 3, 1, 1]"]),
    row("Conv2DTranspose", "ConvTranspose2d", "filters = 4\nkernel_size = 3\nstrides = 2\npadding = \"same\"", IMAGE, &[4, 12, 10], &["bias [4]", "weight [3, 4, 3, 3]"]),
    row("MaxPooling2D", "MaxPool2d", "", IMAGE, &[3, 3, 2], &[]),
    row("AveragePooling2D", "AvgPool2d", "", IMAGE, &[3, 3, 2], &[]),
    row("GlobalAveragePooling2D", "AdaptiveAvgPool2d(1)", "", IMAGE, &[3], &[]),
    row("GlobalMaxPooling2D", "AdaptiveMaxPool2d(1)", "", IMAGE, &[3], &[]),
    row("UpSampling2D", "Upsample", "size = [2, 3]\ninterpolation = \"bilinear\"", IMAGE, &[3, 12, 15], &[]),
    row("Resizing", "Upsample", "height = 4\nwidth = 8", IMAGE, &[3, 4, 8], &[]),
    row("ZeroPadding2D", "ZeroPad2d", "padding = [[1, 0], [2, 1]]", IMAGE, &[3, 7, 8], &[]),
    row("Cropping2D", "", "cropping = [[1, 0], [2, 1]]", IMAGE, &[3, 5, 2], &[]),
    row("Flatten", "Flatten", "", IMAGE, &[90], &[]),
    row("Patches", "", "", IMAGE, &[30, 3], &[]),
    row("Reshape", "Unflatten", "target_shape = [-1, 9]", IMAGE, &[10, 9], &[]),
    row("Permute", "", "dims = [2, 1]", SEQUENCE, &[4, 6], &[]),
    row("Dense", "Linear", "units = 7", SEQUENCE, &[6, 7], &["bias [7]", "weight [7, 4]"]),
    row("Activation", "", "activation = \"selu\"", IMAGE, &[3, 6, 5], &[]),
    row("LeakyReLU", "LeakyReLU", "", IMAGE, &[3, 6, 5], &[]),
    row("ELU", "ELU", "", IMAGE, &[3, 6, 5], &[]),
    row("PReLU", "PReLU(C)", "shared_axes = [2, 3]\nalpha_initializer = \"random_normal\"", IMAGE, &[3, 6, 5], &["weight [3]"]),
    row("Softmax", "Softmax", "axis = 1", IMAGE, &[3, 6, 5], &[]),
    row("Dropout", "Dropout", "rate = 0.3", IMAGE, &[3, 6, 5], &[]),
    row("SpatialDropout2D", "Dropout2d", "rate = 0.3", IMAGE, &[3, 6, 5], &[]),
    row("BatchNormalization", "BatchNorm1d, BatchNorm2d", "", IMAGE, &[3, 6, 5], &["bias [3]", "running_mean [3]", "running_var [3]", "weight [3]"]),
    row("BatchNormalization", "", "axis = -1\ncenter = false", SEQUENCE, &[6, 4], &["running_mean [4]", "running_var [4]", "weight [4]"]),
    row("BatchNormalization", "", "scale = false\ncenter = false", IMAGE, &[3, 6, 5], &["running_mean [3]", "running_var [3]"]),
    row("GroupNormalization", "GroupNorm", "groups = 3", IMAGE, &[3, 6, 5], NORM),
    row("GroupNormalization", "", "groups = 2\naxis = -1\nscale = false", SEQUENCE, &[6, 4], &["bias [4]"]),
    row("InstanceNormalization", "InstanceNorm2d(affine=True)", "", IMAGE, &[3, 6, 5], NORM),
    row("LayerNormalization", "LayerNorm", "", SEQUENCE, &[6, 4], &["bias [4]", "weight [4]"]),
    row("RMSNormalization", "RMSNorm", "", SEQUENCE, &[6, 4], &["weight [4]"]),
    row("Add", "", "", TWO, &[3, 6, 5], &[]),
    row("Multiply", "", "", TWO, &[3, 6, 5], &[]),
    row("Subtract", "", "", TWO, &[3, 6, 5], &[]),
    row("Maximum", "", "", TWO, &[3, 6, 5], &[]),
    row("Minimum", "", "", TWO, &[3, 6, 5], &[]),
    row("Average", "", "", TWO, &[3, 6, 5], &[]),
    row("Concatenate", "", "axis = 2", TWO, &[3, 7, 5], &[]),
    row("Embedding", "Embedding", "output_dim = 4", &[&[6]], &[6, 4], &["weight [11, 4]"]),
    row("PositionalEmbedding", "Embedding", "", SEQUENCE, &[6, 4], &["weight [6, 4]"]),
    row("MultiHeadAttention", "MultiheadAttention", "heads = 2", SEQUENCE, &[6, 4], &["in_proj_bias [12]", "in_proj_weight [12, 4]", "out_proj.bias [4]", "out_proj.weight [4, 4]"]),
    row("MultiHeadAttention", "MultiheadAttention", "heads = 2", &[&[6, 4], &[5, 4]], &[6, 4], &["in_proj_bias [12]", "in_proj_weight [12, 4]", "out_proj.bias [4]", "out_proj.weight [4, 4]"]),
    row("MultiHeadAttention", "MultiheadAttention(kdim, vdim)", "heads = 2", &[&[6, 4], &[5, 3]], &[6, 4], &["in_proj_bias [12]", "k_proj_weight [4, 3]", "out_proj.bias [4]", "out_proj.weight [4, 4]", "q_proj_weight [4, 4]", "v_proj_weight [4, 3]"]),
    row("TransformerBlock", "TransformerEncoderLayer(norm_first=True)", "heads = 2", SEQUENCE, &[6, 4], &[
        "linear1.bias [16]", "linear1.weight [16, 4]", "linear2.bias [4]", "linear2.weight [4, 16]", "norm1.bias [4]", "norm1.weight [4]", "norm2.bias [4]", "norm2.weight [4]",
        "self_attn.in_proj_bias [12]", "self_attn.in_proj_weight [12, 4]", "self_attn.out_proj.bias [4]", "self_attn.out_proj.weight [4, 4]",
    ]),
    row("TiedDense", "", "", SEQUENCE, &[6, 11], &[]),
    row("SimpleRNN", "RNN", "units = 5", SEQUENCE, &[5], &["bias_hh_l0 [5]", "bias_ih_l0 [5]", "weight_hh_l0 [5, 5]", "weight_ih_l0 [5, 4]"]),
    row("LSTM", "LSTM", "units = 5", SEQUENCE, &[5], &["bias_hh_l0 [20]", "bias_ih_l0 [20]", "weight_hh_l0 [20, 5]", "weight_ih_l0 [20, 4]"]),
    row("GRU", "GRU", "units = 5", SEQUENCE, &[5], &["bias_hh_l0 [15]", "bias_ih_l0 [15]", "weight_hh_l0 [15, 5]", "weight_ih_l0 [15, 4]"]),
    row("Conv1D", "Conv1d", "filters = 5\nkernel_size = 3", SEQUENCE, &[4, 5], &["bias [5]", "weight [5, 4, 3]"]),
    row("Conv1DTranspose", "ConvTranspose1d", "filters = 5\nkernel_size = 3\nstrides = 2", SEQUENCE, &[13, 5], &["bias [5]", "weight [4, 5, 3]"]),
    row("MaxPooling1D", "MaxPool1d", "", SEQUENCE, &[3, 4], &[]),
    row("AveragePooling1D", "AvgPool1d", "", SEQUENCE, &[3, 4], &[]),
    row("GlobalMaxPooling1D", "AdaptiveMaxPool1d(1)", "", SEQUENCE, &[4], &[]),
    row("GlobalAveragePooling1D", "AdaptiveAvgPool1d(1)", "", SEQUENCE, &[4], &[]),
    row("UpSampling1D", "Upsample", "", SEQUENCE, &[12, 4], &[]),
    row("ZeroPadding1D", "ZeroPad1d", "padding = [1, 2]", SEQUENCE, &[9, 4], &[]),
    row("Cropping1D", "", "cropping = [1, 2]", SEQUENCE, &[3, 4], &[]),
];

impl Row {
    /// Whether the layer is for tokens: an embedding, or what shares its weights.
    pub fn of_tokens(&self) -> bool {
        ["Embedding", "TiedDense"].contains(&self.kind)
    }

    /// The layer as TOML, called `it`.
    pub fn layer(&self) -> String {
        let inputs = if self.inputs.len() == 2 { "inputs = [\"first\", \"second\"]\n" } else { "" };
        format!("[[layer]]\ntype = \"{}\"\nname = \"it\"\n{inputs}{}\n", self.kind, self.keys)
    }

    /// A model that ends in the layer. What goes into it is a function of weights, so that it
    /// is small and its gradients matter.
    pub fn text(&self) -> String {
        let dense = |name: &str, units: usize, input: &str| {
            format!("[[layer]]\ntype = \"Dense\"\nname = \"{name}\"\nunits = {units}\ninputs = [\"{input}\"]\n")
        };
        let layer = self.layer();
        if self.kind == "Embedding" {
            return layer;
        }
        if self.of_tokens() {
            return format!("[[layer]]\ntype = \"Embedding\"\noutput_dim = 4\n{layer}");
        }
        let first = self.inputs[0];
        let mut text = dense("first", first[first.len() - 1], "input");
        if let Some(second) = self.inputs.get(1) {
            let n: usize = second.iter().product();
            text += &format!(
                "[[layer]]\ntype = \"Flatten\"\nname = \"flat\"\ninputs = [\"input\"]\n{}",
                dense("wide", n, "flat")
            );
            text += &format!("[[layer]]\ntype = \"Reshape\"\nname = \"second\"\ntarget_shape = {second:?}\n");
        }
        text + &layer
    }

    /// The model, or one that goes on behind the layer to two classes.
    pub fn model(&self, classes: bool) -> wgrad::Result<Model> {
        let mut text = self.text();
        if classes {
            text += "[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dense\"\nunits = 2\n";
        }
        let model = Model::new(Description::parse(&text)?, Some(self.input().into()), Some(2))?;
        Ok(model.with_vocabulary(self.of_tokens().then_some(VOCABULARY)))
    }

    /// The shape of a sample of the model.
    pub fn input(&self) -> &'static [usize] {
        if self.of_tokens() { &self.inputs[0][..1] } else { self.inputs[0] }
    }
}
