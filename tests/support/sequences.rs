//! Every layer that may stand between the embedding and the head of a model of
//! text, in every form that matters to who sees whom.

/// The positions of these models, and the width of their vectors.
pub const POSITIONS: usize = 16;
pub const WIDTH: usize = 24;

/// What a layer does to a language model.
pub struct Form {
    /// The layers, as TOML.
    pub layers: String,
    /// What its refusal says; `None` where no position sees a later one.
    pub refused: Option<&'static str>,
}

fn layer(kind: &str, keys: &str) -> String {
    format!("[[layer]]\ntype = \"{kind}\"\n{keys}\n")
}

/// Layers of which each sees `[N, 16, 6, 4]`, and `[N, 16, ..]` again behind it.
fn on_images(layers: &str, back: [usize; 2]) -> String {
    let reshape = |shape: &str| layer("Reshape", &format!("target_shape = {shape}"));
    reshape("[16, 6, 4]") + layers + &reshape(&format!("{back:?}"))
}

/// All forms.
pub fn forms() -> Vec<Form> {
    let good = |kind: &str, keys: &str| Form { layers: layer(kind, keys), refused: None };
    let bad = |kind: &str, keys: &str, refused| Form { layers: layer(kind, keys), refused: Some(refused) };
    let form = |layers: String, refused| Form { layers, refused };
    // One vector of all positions, and a share of it for each.
    let spread = layer("Dense", "units = 384") + &layer("Reshape", "target_shape = [16, 24]");
    let states = "units = 9\nreturn_sequences = true";
    let mut all = vec![
        good("Embedding", "output_dim = 5").on_tokens(),
        bad("Embedding", "output_dim = 5\nmask_zero = true", "mask_zero").on_tokens().and(&layer("LSTM", states)),
        good("PositionalEmbedding", ""),
        good("PositionalEmbedding", "kind = \"sinusoidal\"\npositions = 40"),
        good("MultiHeadAttention", "heads = 3\ncausal = true"),
        bad("MultiHeadAttention", "heads = 3", "set causal = true"),
        good("MultiHeadAttention", "heads = 3\ncausal = true\ninputs = [\"embedding1\", \"embedding1\"]"),
        bad("MultiHeadAttention", "heads = 3\ninputs = [\"embedding1\", \"embedding1\"]", "set causal = true"),
        good("TransformerBlock", "heads = 4\nkv_heads = 2\nkey_dim = 6\ncausal = true\nrotary = true\nnorm = \"rms\""),
        bad("TransformerBlock", "heads = 4", "set causal = true"),
        good("Conv1D", "filters = 8\nkernel_size = 2\npadding = \"causal\""),
        good("Conv1D", "filters = 8\nkernel_size = 3\ndilation_rate = 3\ngroups = 4\npadding = \"causal\"\nrepeat = 2"),
        good("Conv1D", "filters = 8\nkernel_size = 1"),
        good("Conv1D", "filters = 8\nkernel_size = 1\npadding = \"same\"\nactivation = \"relu\""),
        bad("Conv1D", "filters = 8\nkernel_size = 3\npadding = \"same\"", "set padding = \"causal\""),
        bad("Conv1D", "filters = 8\nkernel_size = 2\npadding = \"same\"", "set padding = \"causal\""),
        bad("Conv1D", "filters = 8\nkernel_size = 3\ndilation_rate = 2\npadding = 2", "set padding = \"causal\""),
        good("MaxPooling1D", "pool_size = 3\nstrides = 1\npadding = \"causal\""),
        good("MaxPooling1D", "pool_size = 1"),
        bad("MaxPooling1D", "pool_size = 3\nstrides = 1\npadding = \"same\"", "set padding = \"causal\""),
        good("AveragePooling1D", "pool_size = 1"),
        bad("AveragePooling1D", "pool_size = 3\nstrides = 1\npadding = \"same\"", "take MaxPooling1D"),
        bad("GlobalMaxPooling1D", "", "one vector of all positions").and(&spread),
        bad("GlobalAveragePooling1D", "", "one vector of all positions").and(&spread),
        bad("Flatten", "", "one row of all positions").and(&spread),
        good("BatchNormalization", ""),
        bad("BatchNormalization", "axis = -1", "mean over positions"),
        good("BatchNormalization", "center = false"),
        good("GroupNormalization", "groups = 16"),
        bad("GroupNormalization", "groups = 4", "mean over positions"),
        bad("GroupNormalization", "groups = 4\naxis = -1", "mean over positions"),
        good("InstanceNormalization", ""),
        bad("InstanceNormalization", "axis = 2", "mean over positions"),
        good("LayerNormalization", ""),
        good("RMSNormalization", ""),
        good("Dense", "units = 7\nactivation = \"relu\""),
        good("TiedDense", ""),
        good("Activation", "activation = \"tanh\""),
        good("Activation", "activation = \"softmax\""),
        good("Softmax", ""),
        bad("Softmax", "axis = 1", "that of the positions"),
        good("LeakyReLU", ""),
        good("ELU", "alpha = 0.5"),
        good("PReLU", "alpha_initializer = \"random_normal\""),
        good("PReLU", "shared_axes = [1]\nalpha_initializer = \"random_normal\""),
        good("PReLU", "shared_axes = [1, 2]\nalpha_initializer = \"random_normal\""),
        good("Dropout", "rate = 0.3"),
        good("Add", "inputs = [\"embedding1\", \"embedding1\"]"),
        good("Multiply", "inputs = [\"embedding1\", \"embedding1\"]"),
        good("Subtract", "inputs = [\"embedding1\", \"embedding1\"]"),
        good("Maximum", "inputs = [\"embedding1\", \"embedding1\"]"),
        good("Minimum", "inputs = [\"embedding1\", \"embedding1\"]"),
        good("Average", "inputs = [\"embedding1\", \"embedding1\"]"),
        good("Concatenate", "inputs = [\"embedding1\", \"embedding1\"]\naxis = -1"),
        good("Concatenate", "inputs = [\"embedding1\", \"embedding1\"]\naxis = 2"),
        bad("Concatenate", "inputs = [\"embedding1\", \"embedding1\"]\naxis = 1", "set axis = 2")
            .and(&layer("Reshape", "target_shape = [16, 48]")),
        form(on_images(&layer("Permute", "dims = [1, 3, 2]"), [16, 24]), None),
        form(
            layer("Permute", "dims = [2, 1]") + &layer("Reshape", "target_shape = [16, 24]"),
            Some("expected [1, ..]"),
        ),
        form(
            layer("Reshape", "target_shape = [8, 48]")
                + &layer("Dense", "units = 10")
                + &layer("Reshape", "target_shape = [16, 5]"),
            Some("the number of positions first"),
        ),
        form(layer("Reshape", "target_shape = [-1, 6, 4]") + &layer("Reshape", "target_shape = [16, -1]"), None),
        good("UpSampling1D", "size = 1"),
        bad("UpSampling1D", "", "makes 2 positions").and(&layer("MaxPooling1D", "pool_size = 17\nstrides = 1")),
        good("ZeroPadding1D", "padding = 0"),
        bad("ZeroPadding1D", "", "moves positions").and(&layer("MaxPooling1D", "pool_size = 3\nstrides = 1")),
        good("Cropping1D", "cropping = 0"),
        bad("Cropping1D", "", "moves positions").and(&layer("ZeroPadding1D", "padding = [0, 2]")),
        good("Conv1DTranspose", "filters = 8\nkernel_size = 1"),
        bad("Conv1DTranspose", "filters = 8\nkernel_size = 3\npadding = \"same\"", "take a Conv1D"),
        form(on_images(&layer("DepthwiseConv2D", "kernel_size = 3\npadding = \"same\""), [16, 24]), None),
        form(on_images(&layer("SeparableConv2D", "filters = 16\nkernel_size = 1"), [16, 24]), Some("channels")),
        form(on_images(&layer("Conv2DTranspose", "filters = 16\nkernel_size = 1"), [16, 24]), Some("channels")),
        form(on_images(&layer("UpSampling2D", ""), [16, 96]), None),
        form(on_images(&layer("Resizing", "height = 3\nwidth = 5"), [16, 15]), None),
        form(on_images(&layer("ZeroPadding2D", ""), [16, 48]), None),
        form(on_images(&layer("Cropping2D", "cropping = 1"), [16, 8]), None),
        form(on_images(&layer("SpatialDropout2D", "rate = 0.3"), [16, 24]), None),
        form(on_images(&layer("GlobalMaxPooling2D", ""), [16, 1]), None),
        form(on_images(&layer("Conv2D", "filters = 16\nkernel_size = 1"), [16, 24]), Some("channels")),
        form(on_images(&layer("MaxPooling2D", ""), [16, 6]), None),
        form(on_images(&layer("AveragePooling2D", ""), [16, 6]), None),
        form(on_images(&layer("GlobalAveragePooling2D", ""), [16, 1]), None),
        form(
            on_images(&(layer("GlobalAveragePooling2D", "") + &layer("Dense", "units = 16")), [16, 1]),
            Some("expected features"),
        ),
        form(on_images(&layer("Patches", ""), [16, 24]), Some("features of the positions")),
    ];
    for kind in ["SimpleRNN", "LSTM", "GRU"] {
        all.push(good(kind, states));
        all.push(good(kind, &format!("{states}\nlayers = 2")));
        all.push(bad(kind, &format!("{states}\nbidirectional = true"), "set bidirectional = false"));
        all.push(bad(kind, "units = 9", "set return_sequences = true").and(&spread));
    }
    all
}

impl Form {
    /// The layer is the embedding itself.
    fn on_tokens(self) -> Form {
        Form { layers: format!("# tokens\n{}", self.layers), ..self }
    }

    /// With layers behind it.
    fn and(self, more: &str) -> Form {
        Form { layers: self.layers + more, ..self }
    }

    /// A model of text that holds these layers.
    pub fn model(&self) -> String {
        let first = format!("[[layer]]\ntype = \"Embedding\"\noutput_dim = {WIDTH}\n");
        let first = if self.layers.starts_with('#') { "" } else { &first[..] };
        format!("name = \"m\"\n{first}{}[[layer]]\ntype = \"Dense\"\nunits = \"vocabulary\"\n", self.layers)
    }
}
