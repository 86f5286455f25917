//! Links in a folder that a run writes: nothing is written where they lead.

use super::make::{file, table};
use super::{Row, refused, works};
use std::path::Path;

const TRAIN: &[&str] = &["--data", "t.csv", "--out", "out"];

/// Links of these names in a folder `out` that is not a run yet, to a file that
/// is somebody else's.
fn linked(at: &Path, names: &[&str]) {
    file(&at.join("t.csv"), table());
    file(&at.join("mine.txt"), "dear");
    for name in names {
        link(&at.join("mine.txt"), &at.join("out").join(name));
    }
}

fn link(to: &Path, from: &Path) {
    std::fs::create_dir_all(from.parent().expect("it lies somewhere")).expect("folders");
    #[cfg(unix)]
    std::os::unix::fs::symlink(to, from).expect("a link");
    #[cfg(not(unix))]
    let _ = to;
}

fn mine_is_left(at: &Path) {
    assert_eq!(std::fs::read(at.join("mine.txt")).expect("still there"), b"dear");
}

pub fn rows() -> Vec<Row> {
    if !cfg!(unix) {
        return vec![];
    }
    let all = [
        works(
            "files_of_a_run_are_links",
            |at| {
                let plain =
                    ["metrics.jsonl", "metrics.csv", "run.json", "evaluation.json", "advice.json", "report.html"];
                linked(at, &plain);
                linked(&at.join("."), &["checkpoints/last/model.safetensors", "plots/loss.png"]);
            },
            TRAIN,
            &["saved in out"],
        ),
        works(
            "names_that_could_be_guessed_are_links",
            |at| {
                linked(
                    at,
                    &["config.toml.tmp", "metrics.jsonl.tmp", "run.json.tmp", "checkpoints/last/model.safetensors.tmp"],
                )
            },
            TRAIN,
            &["saved in out"],
        ),
        refused(
            "checkpoints_lie_elsewhere",
            |at| {
                linked(at, &[]);
                std::fs::create_dir(at.join("elsewhere")).expect("made");
                link(&at.join("elsewhere"), &at.join("out/checkpoints"));
            },
            TRAIN,
            &["making the run's folder out/checkpoints: it is a link"],
        )
        .then(|at| assert_eq!(std::fs::read_dir(at.join("elsewhere")).expect("a folder").count(), 0)),
        refused(
            "plots_lie_elsewhere",
            |at| {
                linked(at, &[]);
                std::fs::create_dir(at.join("elsewhere")).expect("made");
                link(&at.join("elsewhere"), &at.join("out/plots"));
            },
            TRAIN,
            &["making the folder of plots out/plots: it is a link"],
        )
        .then(|at| assert_eq!(std::fs::read_dir(at.join("elsewhere")).expect("a folder").count(), 0)),
        refused(
            "last_checkpoint_lies_elsewhere",
            |at| {
                linked(at, &[]);
                std::fs::create_dir(at.join("elsewhere")).expect("made");
                link(&at.join("elsewhere"), &at.join("out/checkpoints/last"));
            },
            TRAIN,
            &["making the folder of a checkpoint out/checkpoints/last: it is a link"],
        )
        .then(|at| assert_eq!(std::fs::read_dir(at.join("elsewhere")).expect("a folder").count(), 0)),
        refused("lock_is_a_link", |at| linked(at, &[".lock"]), TRAIN, &["out/.lock is a link or no regular file"])
            .then(mine_is_left),
    ];
    let mut all = Vec::from(all);
    all[0].then = mine_is_left;
    all[1].then = mine_is_left;
    all
}
