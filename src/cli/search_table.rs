//! The table of a search's trials.

use crate::run::search::{Group, Method, Metric, SearchSettings, cell, figure};
use crate::terminal::{one_line, right, shortened, width};

/// Columns of a cell; what is longer is cut.
const WIDEST: usize = 44;

/// The trials, best first; of settings that are repeated with the mean.
pub fn table(search: &SearchSettings, metric: &Metric, groups: &[Group]) -> String {
    let halving = matches!(search.method, Method::Halving { .. });
    let repeated = groups.iter().any(|g| g.of > 1);
    let mut head = vec!["trial".to_string(), "epochs".into()];
    head.extend(halving.then(|| "rung".into()));
    head.push(metric.name.clone());
    head.extend(repeated.then(|| "mean".into()));
    head.extend(search.space.0.iter().map(|d| d.key.clone()));
    head.push(String::new());
    let mut rows = vec![head];
    for (g, r) in groups.iter().flat_map(|g| g.trials.iter().map(move |r| (g, r))) {
        let mut row = vec![r.trial.to_string(), r.epochs.to_string()];
        row.extend(halving.then(|| r.rung.to_string()));
        row.push(figure(r.metric));
        row.extend(repeated.then(|| figure(g.score)));
        row.extend(search.space.0.iter().map(|d| r.values.get(&d.key).map_or(String::new(), cell)));
        row.push(match (&r.failed, &r.stopped) {
            (Some(why), _) => format!("failed: {why}"),
            (None, why) => why.clone().unwrap_or_default(),
        });
        rows.push(row);
    }
    let clip = |text: &str| -> String {
        let text = text.replace('\n', " ");
        shortened(&one_line(&text), WIDEST).into_owned()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|r| r.iter().map(|c| clip(c)).collect()).collect();
    let last = rows[0].len() - 1;
    let widths: Vec<usize> = (0..last).map(|i| rows.iter().map(|r| width(&r[i])).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row[..last].iter().zip(&widths).map(|(c, &w)| right(c, w));
        format!("{}  {}", cells.collect::<Vec<_>>().join("  "), row[last]).trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::search::fixture;

    #[test]
    fn the_table_shows_every_trial() {
        let (search, metric, all) = fixture::trials();
        let group = |r| Group { setting: 0, trials: vec![r], score: None, of: 1 };
        let table = table(&search, &metric, &all.iter().map(group).collect::<Vec<_>>());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "trial  epochs  val_loss  optimizer.lr    model");
        assert_eq!(lines[1], "    2       3   0.25000           0.1      mlp");
        assert!(lines[3].contains("-") && lines[3].contains("failed: the loss is") && lines[3].ends_with('…'));
    }
}
