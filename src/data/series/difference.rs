//! What a user may say of what a forecast is the change from.

use crate::error::{Error, Result};
use crate::keys::Keys;
use toml::{Table, Value};

/// What a forecast is the change from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Difference {
    /// What forecasts the training rows best.
    #[default]
    Auto,
    /// Nothing: values are forecast.
    None,
    /// The last known value.
    Last,
    /// The value one season before.
    Season,
    /// The last known value, and the change one season before.
    Both,
}

impl Difference {
    /// Whether a season has a part in it.
    pub(super) fn is_seasonal(self) -> bool {
        matches!(self, Difference::Season | Difference::Both)
    }

    /// Reads the key `difference`.
    pub(super) fn read(keys: &mut Keys) -> Result<Difference> {
        match keys.take("difference") {
            None => Ok(Difference::Auto),
            Some(Value::Boolean(false)) => Ok(Difference::None),
            Some(Value::Boolean(true)) => Ok(Difference::Last),
            Some(Value::String(word)) if word == "auto" => Ok(Difference::Auto),
            Some(Value::String(word)) if word == "season" => Ok(Difference::Season),
            Some(Value::String(word)) if word == "both" => Ok(Difference::Both),
            Some(v) => Err(Error::model(format!(
                "{}: difference = {v}; expected true, false, \"season\", \"both\" or \"auto\"",
                keys.place()
            ))),
        }
    }

    /// As TOML.
    pub(super) fn to_value(self) -> Value {
        match self {
            Difference::Auto => "auto".into(),
            Difference::None => false.into(),
            Difference::Last => true.into(),
            Difference::Season => "season".into(),
            Difference::Both => "both".into(),
        }
    }

    /// The key as TOML, for a message.
    pub fn shown(self) -> String {
        Table::from_iter([("difference".to_string(), self.to_value())]).to_string().trim().to_string()
    }
}
