//! Several ranks train one model, here as threads: whatever their number, they end in the bits of
//! one, go on with another number, and fail together.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use support::device::{GPU_UNCHECKED, NO_ADAPTER, on_both};
use support::training::{NORMAL, bands, device, settings};
use wgrad::data::{Dataset, Interface, Normal, Origin, Samples, Targets};
use wgrad::nn::{Description, Model, Weights};
use wgrad::ranks::{Collective, Threads, World};
use wgrad::tensor::random::{Random, stream};
use wgrad::train::checkpoint::{self, Progressed};
use wgrad::train::{Epoch, Held, Kept, Outcome, Progress, Scores, Session, Settings, Start, fit, go_on};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![];
    let mut add = |name: &str, test: fn(bool) -> Result<(), Failed>| trials.extend(on_both(name, test));
    add("any_number_ends_in_the_same_bits", any_number_ends_in_the_same_bits);
    add("micro_batches_are_a_large_batch", micro_batches_are_a_large_batch);
    trials.push(Trial::test("another_number_goes_on", another_number_goes_on));
    trials.push(Trial::test("numbers_that_are_not_finite_stop_all", numbers_that_are_not_finite_stop_all));
    trials.push(Trial::test("a_rank_that_fails_stops_all", a_rank_that_fails_stops_all));
    trials.push(Trial::test("what_cannot_be_is_refused", what_cannot_be_is_refused));
    if GPU_UNCHECKED.is_none() {
        eprintln!("GPU tests are ignored: {NO_ADAPTER}");
    }
    libtest_mimic::run(&args, trials).exit();
}

/// Nobody looks, or whoever wants checkpoints in a folder.
struct Watcher {
    folder: Option<PathBuf>,
    fails: bool,
}

impl Progress for Watcher {
    fn begin(&mut self, _epoch: usize, _epochs: usize, _batches: usize) {}
    fn step(&mut self, _done: usize, _scores: Option<Scores>) {}
    fn end(&mut self, _epoch: &Epoch) -> wgrad::Result<()> {
        if self.fails { Err(wgrad::Error::data("the disk is full")) } else { Ok(()) }
    }
    fn keeps(&self) -> bool {
        self.folder.is_some()
    }
    fn keep(&mut self, checkpoint: &Kept) -> wgrad::Result<()> {
        self.folder.as_ref().map_or(Ok(()), |folder| checkpoint.files.write(folder))
    }
}

/// A training: its model, its data and its settings.
struct Case {
    name: &'static str,
    model: Model,
    interface: Interface,
    train: Dataset,
    val: Dataset,
    settings: Settings,
}

/// Texts whose next token mostly follows from the last.
fn text(samples: usize, seed: u32) -> Dataset {
    const CONTEXT: usize = 64;
    const TOKENS: u32 = 11;
    let mut r = Random::new(seed, stream::CASES);
    let mut last = 0u32;
    let mut next = || {
        last = (last * 5 + 1 + r.bits() % 3) % TOKENS;
        last
    };
    let tokens: Vec<u32> = (0..=samples * CONTEXT).map(|_| next()).collect();
    Dataset {
        name: "text".into(),
        shape: vec![CONTEXT],
        samples: Samples::Tokens(tokens[..samples * CONTEXT].to_vec().into()),
        targets: Targets::Sequence {
            labels: tokens[1..].to_vec().into(),
            positions: CONTEXT,
            names: (0..TOKENS).map(|i| i.to_string()).collect(),
        },
        origin: Origin::default(),
    }
}

fn images(name: &'static str, keys: &[(&str, toml::Value)]) -> wgrad::Result<Case> {
    let classes = (0..10).map(|i| i.to_string()).collect();
    Ok(Case {
        name,
        model: Model::new(Description::named(name)?, Some([1, 28, 28].into()), Some(10))?,
        interface: Interface::of_images(classes, &[NORMAL]),
        train: bands(34, 1),
        val: bands(8, 2),
        settings: settings(keys),
    })
}

/// Nine micro-batches to an epoch, the last of them short: steps of four, four and one. What
/// looks at a whole step or a whole epoch is on: clipping, a rate that falls with the scores,
/// weights of classes, averages, dropout.
fn cases() -> wgrad::Result<Vec<Case>> {
    let common: Vec<(&str, toml::Value)> = vec![
        ("train.epochs", 2.into()),
        ("train.batch_size", 4.into()),
        ("train.seed", 5.into()),
        ("train.micro_batches", 4.into()),
        ("train.clip_norm", 0.5.into()),
    ];
    let of = |keys: &[(&'static str, toml::Value)]| [&common[..], keys].concat();
    let cnn = images(
        "keras-cnn",
        &of(&[
            ("schedule.name", "plateau".into()),
            ("schedule.patience", 0.into()),
            ("schedule.monitor", "loss".into()),
            ("schedule.min_delta", 100.0.into()),
            ("early_stopping.monitor", "val_accuracy".into()),
            ("early_stopping.patience", 1.into()),
        ]),
    )?;
    let resnet = images(
        "resnet8",
        &of(&[
            ("optimizer.name", "sgd".into()),
            ("optimizer.lr", 0.05.into()),
            ("optimizer.momentum", 0.9.into()),
            ("loss.class_weights", "balanced".into()),
            ("train.ema", 0.9.into()),
            ("train.clip_value", 0.02.into()),
            ("train.l1", 0.0001.into()),
            ("train.max_norm", 2.0.into()),
            ("data.device_mb", 0.01.into()),
        ]),
    )?;
    let (train, val) = (text(17, 1), text(4, 2));
    let model = Model::new(Description::named("char-gpt")?, Some([64].into()), Some(11))?.with_vocabulary(Some(11));
    let gpt = Case {
        name: "char-gpt",
        model,
        interface: Interface::of(&train, Normal::default()),
        train,
        val,
        settings: settings(&of(&[
            ("optimizer.name", "adamw".into()),
            ("optimizer.lr", 0.001.into()),
            ("train.batch_size", 2.into()),
        ])),
    };
    Ok(vec![cnn, resnet, gpt])
}

/// What a rank ends with.
struct Ended {
    outcome: Outcome,
    weights: Weights,
    state: Vec<(String, Vec<u8>)>,
}

impl Ended {
    fn bits(&self) -> Vec<(String, Vec<u8>)> {
        let weights = self.weights.iter().map(|(name, value)| (name.to_string(), value.bytes().to_vec()));
        weights.chain(self.state.iter().cloned()).collect()
    }

    /// The figures of the epochs, without times.
    fn figures(&self) -> String {
        let epoch = |e: &Epoch| format!("{:?}", Epoch { seconds: 0.0, ..e.clone() });
        self.outcome.epochs.iter().map(epoch).collect()
    }
}

/// One rank of a training, which may begin from a checkpoint.
fn rank(
    case: &Case,
    s: &Settings,
    on_gpu: bool,
    collective: Threads,
    from: Option<&Path>,
    mut watch: Watcher,
) -> wgrad::Result<Ended> {
    let mut start = Start::default();
    let (weights, state) = match from {
        None => (Weights::new(s.seed), None),
        Some(folder) => {
            let loaded = checkpoint::load(&folder.join(checkpoint::MODEL))?;
            start.at = loaded.about.progress.clone().expect("a checkpoint of a training");
            (loaded.weights, Some(loaded.state))
        }
    };
    let mut session = Session::new(device(on_gpu), case.model.clone(), case.interface.clone(), weights)?;
    session.join(World::of(collective));
    session.prepare_training(&case.train, s)?;
    if let Some(state) = state {
        session.set_state(&state, &start.at)?;
    }
    let outcome = go_on(&mut session, &case.train, Some(Held::from(&case.val)), s, start, &mut watch)?;
    let state = session.state()?.into_iter().map(|(name, value)| (name, value.bytes().to_vec())).collect();
    Ok(Ended { outcome, weights: session.weights()?, state })
}

/// So many ranks, each on a thread.
fn ranks(
    case: &Case,
    s: &Settings,
    on_gpu: bool,
    n: usize,
    from: Option<&Path>,
    watch: impl Fn(usize) -> Watcher + Sync,
) -> Vec<wgrad::Result<Ended>> {
    let watch = &watch;
    std::thread::scope(|scope| {
        let one = |t: Threads| {
            scope.spawn(move || {
                let own = watch(t.rank());
                rank(case, s, on_gpu, t, from, own)
            })
        };
        let started: Vec<_> = Threads::ranks(n).into_iter().map(one).collect();
        started.into_iter().map(|t| t.join().expect("no panic")).collect()
    })
}

fn nobody(_: usize) -> Watcher {
    Watcher { folder: None, fails: false }
}

fn any_number_ends_in_the_same_bits(on_gpu: bool) -> Result<(), Failed> {
    for case in cases()? {
        let alone = ranks(&case, &case.settings, on_gpu, 1, None, nobody).remove(0)?;
        assert_eq!(alone.outcome.at.step, 18, "{}", case.name);
        assert!(alone.outcome.epochs[1].train.loss < alone.outcome.epochs[0].train.loss, "{} learns", case.name);
        let several: &[usize] = if on_gpu { &[2] } else { &[2, 4] };
        for &n in several {
            for (rank, found) in ranks(&case, &case.settings, on_gpu, n, None, nobody).into_iter().enumerate() {
                let found = found?;
                assert_eq!(found.figures(), alone.figures(), "{}: rank {rank} of {n}", case.name);
                for ((name, a), (_, b)) in found.bits().iter().zip(alone.bits()) {
                    assert!(*a == b, "{}: {name} of rank {rank} of {n} has other bits", case.name);
                }
                assert_eq!(found.bits().len(), alone.bits().len());
            }
        }
    }
    Ok(())
}

/// Beside gradient accumulation, which has the same updates in another order of the sums.
fn micro_batches_are_a_large_batch(on_gpu: bool) -> Result<(), Failed> {
    let keys = |n: &'static str| {
        [
            ("train.epochs", 3.into()),
            ("train.batch_size", 4.into()),
            (n, 4.into()),
            ("train.clip_norm", 1.0.into()),
            ("optimizer.name", "sgd".into()),
            ("optimizer.lr", 0.02.into()),
            ("optimizer.momentum", 0.9.into()),
            ("schedule.name", "cosine".into()),
            ("loss.class_weights", "balanced".into()),
        ]
    };
    let run = |n: &'static str| -> wgrad::Result<(Outcome, Weights)> {
        let case = images("keras-cnn", &keys(n))?;
        let mut session = Session::new(device(on_gpu), case.model, case.interface, Weights::new(3))?;
        let outcome = fit(&mut session, &case.train, Some(&case.val), &case.settings, &mut nobody(0))?;
        Ok((outcome, session.weights()?))
    };
    let (tree, mean) = (run("train.micro_batches")?, run("train.accumulate")?);
    for (a, b) in tree.0.epochs.iter().zip(&mean.0.epochs) {
        assert_eq!((a.step, a.train.samples, a.lr), (b.step, b.train.samples, b.lr));
        let figures = |e: &Epoch| [e.train.loss, e.val.as_ref().expect("watched").loss];
        for (x, y) in figures(a).into_iter().zip(figures(b)) {
            assert!((x - y).abs() < 2e-4 * y, "{x} and {y} in epoch {}", a.epoch);
        }
    }
    for ((name, a), (_, b)) in tree.1.iter().zip(mean.1.iter()) {
        let apart = a.as_f32().iter().zip(b.as_f32()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 2e-4, "{name} is {apart} apart");
    }
    Ok(())
}

fn another_number_goes_on() -> Result<(), Failed> {
    // A checkpoint of a text needs its vocabulary, which the case does not have; `mpi/ranks.py` has texts.
    let pictures = cases()?.into_iter().filter(|case| case.name != "char-gpt");
    for (case, (first, then)) in pictures.zip([(2, 4), (4, 1)]) {
        let whole = ranks(&case, &case.settings, false, 1, None, nobody).remove(0)?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("last");
        // Within the second epoch.
        let part = Settings { max_steps: Some(4), ..case.settings.clone() };
        let keeping = |rank: usize| Watcher { folder: (rank == 0).then(|| path.clone()), fails: false };
        for ended in ranks(&case, &part, false, first, None, keeping) {
            let at: Progressed = ended?.outcome.at;
            assert_eq!((at.epoch, at.batch), (1, 4));
        }
        for ended in ranks(&case, &case.settings, false, then, Some(&path), nobody) {
            assert!(ended?.bits() == whole.bits(), "{}: {first} ranks, then {then}", case.name);
        }
    }
    Ok(())
}

fn numbers_that_are_not_finite_stop_all() -> Result<(), Failed> {
    let case = images(
        "keras-cnn",
        &[
            ("train.epochs", 2.into()),
            ("train.batch_size", 8.into()),
            ("train.micro_batches", 2.into()),
            ("optimizer.name", "sgd".into()),
            ("optimizer.lr", 1000.0.into()),
        ],
    )?;
    for on_nan in ["stop", "rollback"] {
        let mut s = case.settings.clone();
        s.flight.on_nan = if on_nan == "stop" { wgrad::train::OnNan::Stop } else { wgrad::train::OnNan::Rollback };
        let said: Vec<String> = ranks(&case, &s, false, 2, None, nobody)
            .into_iter()
            .map(|ended| ended.err().expect("the rate is too high").to_string())
            .collect();
        assert_eq!(said[0], said[1], "{on_nan}");
        assert!(said[0].contains("stopped being a finite number in epoch 1"), "{}", said[0]);
    }
    Ok(())
}

fn a_rank_that_fails_stops_all() -> Result<(), Failed> {
    let case = images("keras-cnn", &[("train.epochs", 2.into()), ("train.micro_batches", 2.into())])?;
    let fails = |rank: usize| Watcher { folder: None, fails: rank == 1 };
    let ended = ranks(&case, &case.settings, false, 2, None, fails);
    let said: Vec<String> = ended.into_iter().map(|e| e.err().expect("rank 1 fails").to_string()).collect();
    assert_eq!(said, ["rank 1 failed: the disk is full", "the disk is full"]);
    Ok(())
}

fn what_cannot_be_is_refused() -> Result<(), Failed> {
    let said = |n: usize, keys: &[(&str, toml::Value)]| {
        let case = images("keras-cnn", keys).expect("a case");
        let ended = ranks(&case, &case.settings, false, n, None, nobody);
        ended.into_iter().map(|e| e.err().expect("refused").to_string()).collect::<Vec<_>>().remove(0)
    };
    let several = |n: i64| ("train.micro_batches", toml::Value::from(n));
    let message = said(4, &[several(2)]);
    assert!(message.starts_with("4 ranks share the 2 micro-batches of a step (train.micro_batches)"), "{message}");
    assert!(said(3, &[several(4)]).contains("expected a number of ranks that divides it"));
    assert!(said(2, &[]).contains("2 ranks share the 1 micro-batches"));
    assert!(
        said(2, &[several(2), ("train.precision", "f16".into())]).contains("train.precision = \"f16\" does not go")
    );
    assert!(said(1, &[several(2), ("train.verify_every", 3.into())]).contains("train.verify_every does not go"));
    let read = |pairs: &[(&str, toml::Value)]| {
        let mut table = toml::Table::new();
        pairs.iter().for_each(|(k, v)| wgrad::train::set(&mut table, k, v.clone()).expect("a key"));
        Settings::read(table).expect_err("refused").to_string()
    };
    assert!(read(&[several(3)]).contains("micro_batches = 3; expected a power of two"));
    assert!(read(&[several(2048)]).contains("of at most 1024"));
    assert!(read(&[several(2), ("train.accumulate", 2.into())]).contains("expected one of them"));
    // A step's program alone is no step.
    let case = images("keras-cnn", &[several(2)])?;
    let mut session = Session::new(device(false), case.model, case.interface, Weights::new(1))?;
    session.prepare_training(&case.train, &case.settings)?;
    assert!(session.steps(1).unwrap_err().to_string().contains("is part of a whole training"));
    Ok(())
}
