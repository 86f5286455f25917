//! A search with three trials, one of which failed, for the tests of what is shown.

use super::{Metric, Record, SearchSettings};
use crate::data::Interface;
use crate::keys::Keys;
use serde_json::Map;

/// What was asked for, what trials are compared by, and the trials.
pub fn trials() -> (SearchSettings, Metric, [Record; 3]) {
    let text = "method = \"grid\"\n[space]\n\"optimizer.lr\" = [0.001, 0.1]\nmodel = [\"mlp\", \"<lenet>\"]";
    let search = SearchSettings::read(&mut Keys::new(text.parse().unwrap(), "[search]")).unwrap();
    let metric = Metric::named("val_loss", &search, &Interface::of_images(vec!["a".into(), "b".into()], &[])).unwrap();
    let record = |trial: usize, lr: f64, model: &str, value: Option<f64>| Record {
        trial,
        rung: 1,
        epochs: 3,
        metric: value,
        values: Map::from_iter([("optimizer.lr".into(), lr.into()), ("model".into(), model.into())]),
        validation: Map::new(),
        stopped: None,
        failed: value.is_none().then(|| "the loss\nis not finite".repeat(9)),
        run: "trial".into(),
        data: None,
    };
    let all = [record(2, 0.1, "mlp", Some(0.25)), record(1, 0.001, "<lenet>", Some(0.5)), record(3, 0.1, "mlp", None)];
    (search, metric, all)
}
