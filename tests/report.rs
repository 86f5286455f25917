//! `wgrad report` and `wgrad watch` as a user meets them, on runs written here.

use std::path::Path;
use std::process::{Command, Output};
use wgrad::eval::metrics::{AttentionMap, Classification, Language, Metrics};
use wgrad::eval::tensorboard::EventWriter;
use wgrad::eval::{EpochRecord, EpochScores, Evaluation, Point, RunInfo, Task};

fn wgrad(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wgrad")).args(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A run of eight epochs whose every third sample is predicted wrong.
fn run(folder: &Path, lr: f64, stopped: Option<&str>) {
    std::fs::create_dir_all(folder).expect("a folder");
    let names = ["cat".to_string(), "dog".to_string()];
    let labels: Vec<u32> = (0..30).map(|i| i % 2).collect();
    let row = |i: u32| if (i % 2 == 1) != i.is_multiple_of(3) { [0.25, 0.75] } else { [0.625, 0.375] };
    let probabilities: Vec<f32> = (0..30).flat_map(row).collect();
    let metrics = Classification::of(&probabilities, &labels, &names).expect("scored");
    let metrics = Metrics::Classification(Box::new(metrics));
    Evaluation {
        split: "test".into(),
        task: Task::Classification,
        metrics,
        custom: Default::default(),
        mistakes: vec![],
        forecast: None,
    }
    .write(folder)
    .expect("written");
    let info = RunInfo { model: "mlp".into(), stopped: stopped.map(String::from), ..RunInfo::default() };
    info.write(folder).expect("written");
    std::fs::write(folder.join("config.toml"), format!("model = \"mlp\"\n[optimizer]\nlr = {lr}\n")).expect("written");
    let mut events = EventWriter::create(folder, None).expect("made");
    for epoch in 1..=8 {
        let loss = 1.0 / (epoch as f64 + 1.0 / lr);
        let record = EpochRecord {
            epoch,
            step: 10 * epoch as u64,
            train: EpochScores::new(loss).with("accuracy", 0.5),
            val: Some(EpochScores::new(loss + 0.1)),
            lr: Some(lr),
            seconds: 0.5,
            ..EpochRecord::default()
        };
        record.append(folder).expect("written");
        events.epoch(&record).expect("written");
    }
}

/// Lists that belong together may be of any length in a file.
#[test]
fn an_evaluation_that_contradicts_itself_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("utf-8");
    run(dir.path(), 0.5, Some("finished"));
    let write = |metrics: Metrics| {
        let task = Task::Language;
        Evaluation {
            split: "test".into(),
            task,
            metrics,
            custom: Default::default(),
            mistakes: vec![],
            forecast: None,
        }
        .write(dir.path())
        .expect("written");
    };
    let attention = |tokens: usize, weights: usize| {
        let mut language = Language::of(1.0, 0.5, 1, 4, None);
        let tokens = (0..tokens).map(|i| i.to_string()).collect();
        language.attention.push(AttentionMap { layer: "block1".into(), head: 1, tokens, weights: vec![0.5; weights] });
        Metrics::Language(Box::new(language))
    };
    for (tokens, weights) in [(2, 3), (2, 5), (2, 6), (1, 400), (0, 1), (3, 0)] {
        write(attention(tokens, weights));
        for args in [&["report", folder][..], &["report", folder, folder]] {
            let output = wgrad(args);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{said}");
            let what = format!("attention: {weights} weights of head 1 of block1 for {tokens} tokens");
            assert!(said.contains("evaluation.json contradicts itself") && said.contains(&what), "{said}");
        }
    }
    write(attention(2, 4));
    assert!(wgrad(&["report", folder]).status.success());
    run(dir.path(), 0.5, Some("finished"));
    let path = dir.path().join("evaluation.json");
    let whole = std::fs::read_to_string(&path).expect("written");
    let mut json: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    let confusion = json.pointer_mut("/metrics/confusion").expect("a matrix");
    *confusion = serde_json::json!([[1, 2, 3, 4], [5]]);
    std::fs::write(&path, json.to_string()).expect("written");
    let output = wgrad(&["report", folder]);
    assert!(text(&output.stderr).contains("confusion: 2 rows, the first of [4, 1] numbers, for 2 classes"));
}

#[test]
fn report_and_comparison_are_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    run(&a, 0.5, Some("finished"));
    run(&b, 0.25, Some("finished"));
    let (a, b) = (a.to_str().expect("utf-8"), b.to_str().expect("utf-8"));
    let output = wgrad(&["report", a]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("report.html"));
    let html = std::fs::read_to_string(format!("{a}/report.html")).expect("a report");
    assert!(html.contains("Choosing a threshold") && html.contains("F1 of dog") && html.contains("66.7 %"), "{html}");
    let png = image::open(format!("{a}/plots/loss.png")).expect("a picture").to_rgb8();
    let colors: std::collections::BTreeSet<[u8; 3]> = png.pixels().map(|p| p.0).collect();
    assert!(colors.contains(&[0x25, 0x63, 0xeb]) && colors.contains(&[0xd9, 0x58, 0x0d]), "both curves are drawn");

    let page = dir.path().join("both.html");
    let page = page.to_str().expect("utf-8");
    let output = wgrad(&["report", a, b, "--out", page, "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["runs"][1]["settings"], serde_json::json!({ "optimizer.lr": "0.25" }));
    assert_eq!(found["runs"][0]["best_epoch"], 8);
    assert_eq!(found["runs"][0]["figures"][0]["key"], "accuracy");
    let html = std::fs::read_to_string(page).expect("a page");
    assert!(html.contains("optimizer.lr") && html.contains("2 runs"));
}

#[test]
fn curves_by_step_are_drawn_beside_the_epochs() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("utf-8");
    let point = |step: u64| {
        let loss = Some(2.0 / (1.0 + step as f64));
        Point { step, epoch: step as f64 / 10.0, loss, lr: Some(0.5), grad_norm: Some(1.0), ..Point::default() }
    };
    // Before an epoch has ended there is a curve already.
    let info = RunInfo { model: "mlp".into(), epochs: 8, ..RunInfo::default() };
    info.write(dir.path()).expect("written");
    (1..=7).for_each(|step| point(step).append(dir.path()).expect("written"));
    let report = || {
        let output = wgrad(&["report", folder]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        std::fs::read_to_string(dir.path().join("report.html")).expect("a report")
    };
    let thin = |html: &str| html.matches("stroke=\"var(--s0)\" stroke-width=\"1.2\"").count();
    let html = report();
    assert_eq!(thin(&html), 1, "{html}");
    // Then the epochs' validation stands on the same axis.
    (8..=80).for_each(|step| point(step).append(dir.path()).expect("written"));
    run(dir.path(), 0.5, Some("finished"));
    let html = report();
    // The legend's line and the curve itself.
    assert_eq!(thin(&html), 2, "{html}");
    assert!(html.contains("training: 0.1818 at 1<") && html.contains("validation: 0.4333 at 1<"), "{html}");
    assert!(Path::new(&format!("{folder}/plots/loss.png")).is_file());
    // Comparisons read such runs as any others.
    let output = wgrad(&["report", folder, folder, "--out", &format!("{folder}/both.html"), "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["runs"][0]["epochs"], 8);
}

#[test]
fn watch_draws_and_ends() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("utf-8");
    run(dir.path(), 0.5, None);
    // Once, of a run that still goes on.
    let output = wgrad(&["watch", folder, "--once"]);
    let frame = text(&output.stdout);
    assert!(output.status.success() && frame.contains("running  epoch 8"), "{frame}");
    let drawn = frame.chars().filter(|c| (0x2801..=0x28ff).contains(&(*c as u32))).count();
    assert!(drawn > 40 && frame.contains("● training") && frame.contains("● validation"), "{frame}");
    assert!(!frame.contains('\u{1b}'), "no colours where there is no terminal");
    // Until the end, a line per epoch.
    run(dir.path(), 0.5, Some("finished"));
    let output = wgrad(&["watch", folder]);
    let lines = text(&output.stdout);
    assert!(output.status.success() && lines.lines().count() == 9, "{lines}");
    assert!(lines.starts_with("epoch 1  loss ") && lines.ends_with("finished\n"), "{lines}");
}

#[test]
fn what_is_no_run_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("utf-8");
    let cases: [(&[&str], i32, &str); 4] = [
        (&["report", folder], 1, "holds no run"),
        (&["report", folder, "--out", "x.html"], 2, "--out is for the comparison"),
        (&["watch", "no/such/run"], 1, "is not a folder"),
        (&["report"], 2, "required"),
    ];
    for (args, code, part) in cases {
        let output = wgrad(args);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
        assert!(message.contains(part), "{args:?}: {message}");
    }
    std::fs::write(dir.path().join("metrics.jsonl"), "nonsense\n").expect("written");
    let output = wgrad(&["report", folder, "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON, also of an error");
    assert_eq!(answer["status"], "error");
    assert!(
        text(&output.stderr).contains("line 1 is not the record of an epoch or of a step"),
        "{}",
        text(&output.stderr)
    );
}
