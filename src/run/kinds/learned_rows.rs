//! What was learned on rows of a table: whether a model fits it, and what there is to say.

use crate::data::table::{Fitted, Table, TableOptions, leaks, twins};
use crate::data::{Dataset, Interface};
use crate::error::Result;
use crate::nn::Weights;
use crate::train::{Settings, model_for};

/// What there is to say of what was learned on some rows of a table, and of others that are
/// held out.
pub(super) fn notes_of(
    table: &Table,
    options: &TableOptions,
    fitted: &Fitted,
    [train, held]: [&[usize]; 2],
) -> Result<Vec<String>> {
    let is_used = |name: &String| fitted.columns.iter().any(|c| c.name == *name && c.is_used());
    let given_away = leaks(table, options)?.into_iter().filter(|leak| leak.columns.iter().all(is_used));
    let mut notes: Vec<String> = given_away.map(|leak| leak.finding).collect();
    let used: Vec<&str> = fitted.columns.iter().filter(|c| c.is_used()).map(|c| c.name.as_str()).collect();
    notes.extend(twins::across(table, [train, held], &used, &fitted.goal.columns()));
    notes.extend(fitted.describe());
    Ok(notes)
}

/// Whether the model takes these samples. Shapes alone are looked at.
pub(super) fn builds(s: &Settings, set: &Dataset, fitted: &Fitted) -> bool {
    let interface = Interface::of_table(set, fitted.clone());
    model_for(s.model.clone(), &set.shape, &interface)
        .and_then(|m| m.inspect(1, &mut Weights::new(0)).map(drop))
        .is_ok()
}
