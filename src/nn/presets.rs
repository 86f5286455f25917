//! The models that come with the program, as TOML in `assets/models`.

use crate::error::{Result, unknown};

/// Names and descriptions.
pub const PRESETS: &[(&str, &str)] = &[
    ("mlp", include_str!("../../assets/models/mlp.toml")),
    ("tabular", include_str!("../../assets/models/tabular.toml")),
    ("keras-cnn", include_str!("../../assets/models/keras-cnn.toml")),
    ("convnet", include_str!("../../assets/models/convnet.toml")),
    ("lenet", include_str!("../../assets/models/lenet.toml")),
    ("resnet8", include_str!("../../assets/models/resnet8.toml")),
    ("rnn", include_str!("../../assets/models/rnn.toml")),
    ("lstm", include_str!("../../assets/models/lstm.toml")),
    ("bi-gru", include_str!("../../assets/models/bi-gru.toml")),
    ("lstm-forecast", include_str!("../../assets/models/lstm-forecast.toml")),
    ("char-lstm", include_str!("../../assets/models/char-lstm.toml")),
    ("vit-tiny", include_str!("../../assets/models/vit-tiny.toml")),
    ("char-gpt", include_str!("../../assets/models/char-gpt.toml")),
    ("gpt2", include_str!("../../assets/models/gpt2.toml")),
    ("text-transformer", include_str!("../../assets/models/text-transformer.toml")),
];

/// Their names, separated by commas.
pub fn preset_names() -> String {
    PRESETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The text of the preset of that name.
pub(super) fn text(name: &str) -> Result<&'static str> {
    let found = PRESETS.iter().find(|(n, _)| *n == name).map(|(_, text)| *text);
    found.ok_or_else(|| unknown("model", name, PRESETS.iter().map(|(n, _)| *n)))
}
