//! The flags of a series in time, as typed.

use super::typed::name;
use crate::error::Result;
use crate::run::config::parse_value;
use crate::train::{count, set};
use clap::Args;
use toml::{Table, Value};

/// Any of these makes a table a series in time.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options for a table that is a series in time")]
pub struct SeriesFlags {
    /// Rows of the past that a forecast looks back on.
    #[arg(long, value_name = "ROWS")]
    pub window: Option<usize>,
    /// Rows ahead that are forecast.
    #[arg(long, value_name = "ROWS")]
    pub horizon: Option<usize>,
    /// The columns to look at (default: all that hold numbers).
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',', allow_hyphen_values = true, value_parser = name())]
    pub inputs: Option<Vec<String>>,
    /// Look at dates too: day of the year, day of the week, hour.
    #[arg(long)]
    pub calendar: bool,
    /// Rows per season for the seasonal naive forecast, "auto" or "none".
    #[arg(long, value_name = "ROWS")]
    pub season: Option<String>,
    /// Model the change from the last known value (true), from one season before ("season"),
    /// from both ("both") or values (false) (default: what the training rows show is best).
    #[arg(long, value_name = "FROM", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub difference: Option<String>,
    /// Share of the series, at its end, that is for the test.
    #[arg(long, value_name = "F")]
    pub test_split: Option<f64>,
}

impl SeriesFlags {
    /// Writes the flags over a table.
    pub fn apply(&self, table: &mut Table) -> Result<()> {
        let mut put = |key: &str, value: Option<Value>| value.map_or(Ok(()), |v| set(table, &format!("data.{key}"), v));
        put("window", self.window.map(count))?;
        put("horizon", self.horizon.map(count))?;
        put("inputs", self.inputs.clone().map(Value::from))?;
        put("calendar", self.calendar.then_some(Value::Boolean(true)))?;
        put("season", self.season.as_deref().map(parse_value))?;
        put("difference", self.difference.as_deref().map(parse_value))?;
        put("test_split", self.test_split.map(Value::from))
    }
}
