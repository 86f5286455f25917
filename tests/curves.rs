//! The curves by step: points are means of their steps, come before an epoch
//! ends, do not depend on where a run was stopped, and reach whoever watches.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::device::{GPU_UNCHECKED, NO_ADAPTER, on_both};
use support::training::{device, settings};
use tempfile::TempDir;
use wgrad::data::{Dataset, Images, Interface};
use wgrad::eval::Point;
use wgrad::nn::{Description, Model, Weights};
use wgrad::tensor::random::{Random, stream};
use wgrad::train::checkpoint::{self, Loaded};
use wgrad::train::{Epoch, Kept, Progress, Scores, Session, Settings, Start, fit, go_on};

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![];
    let mut add = |name: &str, test: fn(bool) -> Result<(), Failed>| trials.extend(on_both(name, test));
    add("points_are_means_of_their_steps", points_are_means_of_their_steps);
    add("going_on_gives_the_same_points", going_on_gives_the_same_points);
    add("points_of_accumulated_batches", points_of_accumulated_batches);
    trials.push(Trial::test("the_dashboard_shows_a_run_to_its_end", the_dashboard_shows_a_run_to_its_end));
    trials.push(Trial::test("the_dashboard_follows_the_folds", the_dashboard_follows_the_folds));
    trials.push(Trial::test("every_end_has_a_state", every_end_has_a_state));
    if GPU_UNCHECKED.is_none() {
        eprintln!("GPU tests are ignored: {NO_ADAPTER}");
    }
    libtest_mimic::run(&args, trials).exit();
}

/// Batches of an epoch; the last is a short one.
const BATCHES: usize = 20;
const BATCH: usize = 16;
const SAMPLES: usize = 310;

/// Noise with a bright band whose place is the label.
fn bands() -> Images {
    let mut r = Random::new(3, stream::CASES);
    let (mut pixels, mut labels) = (vec![], vec![]);
    for _ in 0..SAMPLES {
        let label = (r.bits() % 4) as u8;
        let band = |i: u32| if i / 8 / 2 == u32::from(label) { 60 } else { 0 };
        pixels.extend((0..64).map(|i| (r.bits() % 150 + band(i)) as u8));
        labels.push(label.into());
    }
    let classes = (0..4).map(|i| i.to_string()).collect();
    Images { name: "bands".into(), channels: 1, height: 8, width: 8, pixels, labels, classes }
}

/// What a training says, in order.
#[derive(Default)]
struct Notes {
    points: Vec<Point>,
    /// The epochs, each with the number of points before it.
    epochs: Vec<(Epoch, usize)>,
    /// The step whose checkpoint is kept.
    wanted: Option<usize>,
    kept: Option<checkpoint::Files>,
}

impl Progress for Notes {
    fn begin(&mut self, _: usize, _: usize, _: usize) {}
    fn step(&mut self, _: usize, _: Option<Scores>) {}
    fn point(&mut self, point: &Point) -> wgrad::Result<()> {
        self.points.push(point.clone());
        Ok(())
    }
    fn end(&mut self, epoch: &Epoch) -> wgrad::Result<()> {
        self.epochs.push((epoch.clone(), self.points.len()));
        Ok(())
    }
    fn keeps(&self) -> bool {
        self.wanted.is_some()
    }
    fn keep(&mut self, checkpoint: &Kept) -> wgrad::Result<()> {
        if self.wanted == Some(checkpoint.step) {
            self.kept.get_or_insert_with(|| checkpoint.files.clone());
        }
        Ok(())
    }
}

fn of_epochs(epochs: i64) -> Settings {
    settings(&[
        ("train.epochs", epochs.into()),
        ("train.batch_size", (BATCH as i64).into()),
        ("optimizer.lr", 0.001.into()),
        ("schedule.name", "constant".into()),
    ])
}

fn session(on_gpu: bool, weights: Weights) -> wgrad::Result<Session> {
    let model = Model::new(Description::named("mlp")?, Some([1, 8, 8].into()), Some(4))?;
    let classes = (0..4).map(|i| i.to_string()).collect();
    Session::new(device(on_gpu), model, Interface::of_images(classes, &[(0.3, 0.2)]), weights)
}

fn trained(on_gpu: bool, s: &Settings, mut notes: Notes) -> wgrad::Result<Notes> {
    fit(&mut session(on_gpu, Weights::new(1))?, &bands().into(), None, s, &mut notes)?;
    Ok(notes)
}

/// Rows of a step, counted from 1.
fn rows(step: usize) -> f64 {
    if step.is_multiple_of(BATCHES) { (SAMPLES - (BATCHES - 1) * BATCH) as f64 } else { BATCH as f64 }
}

/// The same steps with a point each and with a point every third.
fn points_are_means_of_their_steps(on_gpu: bool) -> Result<(), Failed> {
    let (each, third) =
        (trained(on_gpu, &of_epochs(5), Notes::default())?, trained(on_gpu, &of_epochs(30), Notes::default())?);
    let steps = |n: &Notes| n.points.iter().map(|p| p.step as usize).collect::<Vec<_>>();
    assert_eq!(steps(&each), (1..=5 * BATCHES).collect::<Vec<_>>());
    assert_eq!(steps(&third)[..6], [1, 2, 3, 6, 9, 12]);
    assert!((190..=210).contains(&third.points.len()), "{} points of 600 steps", third.points.len());
    // Before the first epoch ends there are its points, and no later ones.
    for notes in [&each, &third] {
        for (epoch, before) in &notes.epochs {
            let said = &notes.points[..*before];
            assert_eq!(said.len(), notes.points.iter().filter(|p| p.step <= epoch.step as u64).count());
        }
    }
    type Of = fn(&Point) -> Option<f64>;
    let mean = |from: usize, to: usize, of: Of| {
        let sum: f64 = (from + 1..=to).map(|n| rows(n) * of(&each.points[n - 1]).expect("a number")).sum();
        sum / (from + 1..=to).map(rows).sum::<f64>()
    };
    let numbers: [(&str, Of); 3] = [("loss", |p| p.loss), ("accuracy", |p| p.accuracy), ("grad_norm", |p| p.grad_norm)];
    for (name, of) in numbers {
        for pair in third.points.windows(2).filter(|w| w[1].step <= 5 * BATCHES as u64) {
            let (from, to) = (pair[0].step as usize, pair[1].step as usize);
            let (found, wanted) = (of(&pair[1]).expect("a number"), mean(from, to, of));
            assert!((found - wanted).abs() <= 1e-5 * wanted.abs(), "{name} of steps {from} to {to}: {found}, {wanted}");
        }
    }
    // And an epoch is the mean of all of its steps, as it always was.
    let (first, _) = &each.epochs[1];
    let wanted = mean(BATCHES, 2 * BATCHES, |p| p.loss);
    assert!((first.train.loss - wanted).abs() <= 1e-5 * wanted, "{} and {wanted}", first.train.loss);
    let middle = &each.points[BATCHES + 9];
    assert_eq!((middle.epoch, middle.lr), (1.5, Some(0.001)));
    Ok(())
}

/// Where several batches make an update, points lie between updates and count them,
/// and each is the mean of the batches since the one before.
fn points_of_accumulated_batches(on_gpu: bool) -> Result<(), Failed> {
    let accumulated = |epochs: i64| {
        let mut s = of_epochs(epochs);
        s.update.accumulate = 3;
        s
    };
    // An epoch has 7 updates, the last of two batches.
    let (each, third) =
        (trained(on_gpu, &accumulated(6), Notes::default())?, trained(on_gpu, &accumulated(86), Notes::default())?);
    let steps = |n: &Notes| n.points.iter().map(|p| p.step as usize).collect::<Vec<_>>();
    assert_eq!(steps(&each), (1..=42).collect::<Vec<_>>());
    assert_eq!(steps(&third)[..6], [1, 2, 3, 6, 9, 12]);
    let batches = |p: &Point| (p.epoch * BATCHES as f64).round() as usize;
    assert_eq!(each.points.iter().take(9).map(batches).collect::<Vec<_>>(), [3, 6, 9, 12, 15, 18, 20, 23, 26]);
    assert_eq!(each.epochs.iter().map(|(e, _)| e.step).collect::<Vec<_>>(), [7, 14, 21, 28, 35, 42]);
    let samples = |from: usize, to: usize| (from + 1..=to).map(rows).sum::<f64>();
    let ends: Vec<usize> = [0].into_iter().chain(each.points.iter().map(batches)).collect();
    for pair in third.points.windows(2).filter(|w| w[1].step <= 42) {
        let updates = pair[0].step as usize..pair[1].step as usize;
        let sum: f64 =
            updates.clone().map(|u| samples(ends[u], ends[u + 1]) * each.points[u].loss.expect("a number")).sum();
        let wanted = sum / samples(ends[updates.start], ends[updates.end]);
        let found = pair[1].loss.expect("a number");
        assert!((found - wanted).abs() <= 1e-5 * wanted, "loss of updates {updates:?}: {found}, {wanted}");
    }
    Ok(())
}

/// From a checkpoint within a window, with part of its sums in it.
fn going_on_gives_the_same_points(on_gpu: bool) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(checkpoint::MODEL);
    for step in [BATCHES + 5, 2 * BATCHES] {
        let s = Settings { checkpoint_every: Some(step), ..of_epochs(30) };
        let straight = trained(on_gpu, &s, Notes { wanted: Some(step), ..Notes::default() })?;
        straight.kept.as_ref().expect("a checkpoint").write(folder.path())?;
        let Loaded { weights, about, state } = checkpoint::load(&file)?;
        let at = about.progress.expect("of a training");
        // What an earlier version wrote has no such sums; it goes on all the same.
        for old in [false, true] {
            let mut state = state.clone();
            if old {
                state.retain(|name, _| !name.starts_with("train.point"));
            }
            let (data, mut notes): (Dataset, _) = (bands().into(), Notes::default());
            let mut session = session(on_gpu, weights.clone())?;
            session.prepare_training(&data, &of_epochs(30))?;
            session.set_state(&state, &at)?;
            go_on(&mut session, &data, None, &of_epochs(30), Start { at: at.clone(), best: None }, &mut notes)?;
            let later: Vec<Point> = straight.points.iter().filter(|p| p.step > step as u64).cloned().collect();
            // Of an old one the first point lacks what lay before the checkpoint.
            let from = usize::from(old);
            assert!(notes.points[from..] == later[from..], "from step {step} on the points are others");
            assert!(notes.points.len() == later.len() && (old || notes.points[0] == later[0]));
        }
    }
    Ok(())
}

const WIDE: &str = r#"
[data]
source = "set"
val_split = 0.2

[train]
batch_size = 2
epochs = 2

[optimizer]
name = "sgd"
lr = 0.001

[model]
name = "wide"
layer = [
    { type = "Flatten" },
    { type = "Dense", units = 2000, activation = "relu" },
    { type = "Dense", units = "classes" },
]
"#;

/// A folder with `run.toml` and the images that it names.
fn place() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let header = |dims: &[u32]| -> Vec<u8> {
        [vec![0, 0, 8, dims.len() as u8], dims.iter().flat_map(|d| d.to_be_bytes()).collect()].concat()
    };
    let Images { pixels, labels, .. } = bands();
    let labels = labels.into_iter().map(|l| l as u8).collect();
    let set = folder.path().join("set");
    std::fs::create_dir(&set).expect("made");
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(set.join(name), bytes).expect("written");
    write("train-images-idx3-ubyte", [header(&[SAMPLES as u32, 8, 8]), pixels].concat());
    write("train-labels-idx1-ubyte", [header(&[SAMPLES as u32]), labels].concat());
    std::fs::write(folder.path().join("run.toml"), WIDE).expect("written");
    folder
}

fn train(at: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(["train", "run.toml", "--device", "cpu"]).args(args).current_dir(at);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The body of what a dashboard answers.
fn get(port: u16, target: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{target}: {answer}");
    Ok(answer.split_once("\r\n\r\n").expect("head and body").1.to_string())
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// What a page does with a run until its end: what it saw on the way, and the
/// last `run.json`.
fn watched(at: &Path, args: &[&str], mut see: impl FnMut(&dyn Fn(&str) -> String)) -> Result<Value, Failed> {
    let mut child =
        train(at, &[args, &["--dashboard", "0", "--out", "run"]].concat()).stderr(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
    let port = loop {
        let line = said.next().ok_or("it said nothing of a dashboard")??;
        if let Some(port) = line.strip_prefix("dashboard: http://127.0.0.1:") {
            break port.trim_end_matches('/').parse::<u16>()?;
        }
    };
    let rest = std::thread::spawn(move || said.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    let end = std::thread::spawn(move || get(port, "/end").map(|told| (told, Instant::now())));
    while !end.is_finished() {
        see(&|target| get(port, target).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(1));
    }
    let (told, when) = end.join().expect("no panic")?;
    assert_eq!(object(&told)["ended"], true);
    let (run, live, report) = (get(port, "/run.json")?, get(port, "/live.json")?, get(port, "/report.html")?);
    assert_eq!(live, "{}", "what has ended is not live");
    assert!(report.contains("<!doctype html>") && report.contains("</html>"), "{report}");
    get(port, "/goodbye")?;
    assert!(child.wait()?.success(), "{}", rest.join().expect("no panic"));
    assert!(when.elapsed() < Duration::from_secs(4), "it stayed for {:?} after the goodbye", when.elapsed());
    Ok(object(&run))
}

fn the_dashboard_shows_a_run_to_its_end() -> Result<(), Failed> {
    let place = place();
    let (mut early, mut live) = (0, Value::Null);
    let run = watched(place.path(), &[], |get| {
        let metrics = get("/metrics.jsonl");
        let of_epochs = metrics.lines().any(|l| l.contains("\"train\""));
        early = early.max(if of_epochs { 0 } else { metrics.lines().count() });
        let found = get("/live.json");
        if found.starts_with('{') && found != "{}" {
            live = object(&found);
        }
    })?;
    assert!(early > 3, "{early} points were seen before the first epoch ended");
    assert!(live["step"].as_u64() > Some(0) && live["point"]["loss"].is_f64(), "{live}");
    assert_eq!((run["state"].as_str(), run["stopped"].as_str()), (Some("finished"), Some("finished")));
    assert_eq!((&run["epochs"], &run["steps_per_epoch"], &run["steps"]), (&2.into(), &124.into(), &248.into()));
    assert!(run["best_epoch"].is_u64() && run["figures"][0]["value"].is_f64(), "{run}");
    // TensorBoard has the points too, and the report and the terminal show them.
    let at = place.path().join("run");
    let events = std::fs::read_dir(&at)?.flatten().find(|f| f.file_name().to_string_lossy().contains("tfevents"));
    let events = std::fs::read(events.ok_or("no event file")?.path())?;
    let points = std::fs::read_to_string(at.join("metrics.jsonl"))?.lines().filter(|l| !l.contains("train")).count();
    let tag = |tag: &str| events.windows(tag.len()).filter(|w| *w == tag.as_bytes()).count();
    assert!(points > 200 && tag("loss/step") == points && tag("grad_norm/step") == points, "{points} points");
    let watch = Command::new(env!("CARGO_BIN_EXE_wgrad")).args(["watch", "--once"]).arg(&at).output()?;
    let frame = String::from_utf8_lossy(&watch.stdout).into_owned();
    for part in ["finished", "epoch 2 of 2", "report: ", "● training", "● validation", "accuracy"] {
        assert!(frame.to_lowercase().contains(part), "{part} is missing in\n{frame}");
    }
    Ok(())
}

fn the_dashboard_follows_the_folds() -> Result<(), Failed> {
    let place = place();
    let mut folds = std::collections::BTreeSet::new();
    let run = watched(place.path(), &["--folds", "2"], |get| {
        if let Ok(run) = serde_json::from_str::<Value>(&get("/run.json")) {
            folds.insert(run["fold"].to_string());
        }
    })?;
    assert!(folds.contains("[1,2]") && folds.contains("[2,2]"), "{folds:?}");
    assert_eq!((&run["fold"], run["state"].as_str()), (&serde_json::json!([2, 2]), Some("finished")));
    Ok(())
}

fn every_end_has_a_state() -> Result<(), Failed> {
    let place = place();
    for (args, code, state) in [
        (&["--max-steps", "5"][..], 0, "stopped"),
        (&["--lr", "1000"], 1, "diverged"),
        (&["--epochs", "1"], 0, "finished"),
    ] {
        let out = place.path().join(state);
        let output = train(place.path(), args).arg("--out").arg(&out).stderr(Stdio::piped()).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        let run = object(&std::fs::read_to_string(out.join("run.json"))?);
        assert_eq!(run["state"], state, "{run}");
        assert!(!out.join("live.json").exists(), "{state}");
    }
    Ok(())
}
