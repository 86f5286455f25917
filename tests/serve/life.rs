//! Batches, queues, newer weights, tokens, secure connections, and the end.

use super::client::{Answer, bytes, get, post_json, raw};
use super::make::{halves, predictor, run, serve, serve_runs};
use crate::device::{NO_ADAPTER, open, required};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wgrad::device::Device;
use wgrad::gpu::Checks;
use wgrad::serve::{Served, Server};

fn point(x: f32) -> Value {
    json!({ "instances": [[x, 0.25]] })
}

#[test]
fn requests_at_a_time_go_through_together_and_apart() {
    let server = serve(&["halves"], |s| s.max_delay = Duration::from_millis(200));
    let at = server.address();
    let points: Vec<f32> = (0..24).map(|i| i as f32 / 12.0 - 1.0).collect();
    let asked: Vec<_> = points
        .iter()
        .map(|&x| std::thread::spawn(move || post_json(at, "/v1/models/halves:predict", &point(x)).ok()))
        .collect();
    let mut alone = predictor("halves");
    for (x, told) in points.iter().zip(asked) {
        let told = told.join().unwrap();
        let found: Vec<f32> =
            told["predictions"][0].as_array().unwrap().iter().map(|p| p.as_f64().unwrap() as f32).collect();
        let wanted = alone.tensors(&[*x, 0.25]).unwrap();
        assert!(found.iter().zip(wanted[0].numbers()).all(|(a, b)| (a - b).abs() < 1e-6), "{x}: {found:?}");
    }
    let stats = get(at, "/v2/models/halves/stats").ok();
    let stats = &stats["model_stats"][0];
    assert_eq!(stats["inference_count"], 24);
    assert!(stats["execution_count"].as_u64().unwrap() < 24, "{stats}");
    // One alone does not wait for others.
    let begun = Instant::now();
    (0..5).for_each(|_| drop(post_json(at, "/v1/models/halves:predict", &point(0.5)).ok()));
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[test]
fn a_full_queue_turns_requests_away() {
    let server = serve(&["writer"], |s| s.queue = 1);
    let at = server.address();
    let ask = move || post_json(at, "/generate", &json!({ "prompt": "the ", "max_tokens": 2000, "stream": false }));
    let asked: Vec<_> = (0..8).map(|_| std::thread::spawn(ask)).collect();
    let told: Vec<_> = asked.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(told.iter().all(|a| a.status == 200 || a.status == 503), "{told:?}");
    let away: Vec<_> = told.iter().filter(|a| a.status == 503).collect();
    assert!(!away.is_empty() && away.iter().all(|a| a.header("retry-after") == Some("1")), "{told:?}");
}

#[test]
fn newer_weights_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    halves(&out, 1);
    let runs =
        [Served { name: "halves".into(), run: out.clone() }, Served { name: "halves".into(), run: run("halves") }];
    let server = serve_runs(&runs, |s| s.reload = Some(Duration::from_millis(50)));
    let at = server.address();
    let ask = |version: &str| post_json(at, &format!("/v1/models/halves{version}:predict"), &point(0.5)).ok();
    assert_eq!(ask(""), ask("/versions/2"), "the latest is meant");
    let (before, other) = (ask("/versions/1"), ask("/versions/2"));
    assert_ne!(before, other);
    // Weights that cannot be read change nothing.
    let file = out.join("checkpoints/last/model.safetensors");
    let good = std::fs::read(run("halves").join("checkpoints/last/model.safetensors")).unwrap();
    let begun = Instant::now();
    let count = |name: &str| {
        let text = get(at, "/metrics").text();
        let line = text.lines().find(|l| l.starts_with(&format!("{name}{{model=\"halves\",version=\"1\"}}"))).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let replace = |bytes: &[u8]| {
        std::fs::write(dir.path().join("new"), bytes).unwrap();
        std::fs::rename(dir.path().join("new"), &file).unwrap();
    };
    let until = |name: &str| {
        while count(name) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{name} stays 0");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    replace(b"broken");
    until("wgrad_failed_reloads");
    assert_eq!(ask("/versions/1"), before);
    replace(&good);
    until("wgrad_reloads");
    assert_eq!(ask("/versions/1"), other);
}

#[test]
fn the_token_is_asked_for() {
    let server = serve(&["halves"], |s| s.token = Some("open-sesame".into()));
    let at = server.address();
    let status = |path: &str, token: &str| {
        let headers = [("Authorization", token)];
        raw(at, &bytes("GET", path, if token.is_empty() { &[] } else { &headers }, b"")).unwrap().status
    };
    assert_eq!(status("/v2", ""), 401);
    assert_eq!(status("/v2", "Bearer open-sesam"), 401);
    assert_eq!(status("/metrics", ""), 401);
    assert_eq!(status("/v2", "Bearer open-sesame"), 200);
    assert_eq!(status("/v2/health/ready", ""), 200);
}

/// A device that is lost is opened anew with the models on it, and answers as before; meanwhile clients are told to
/// come again.
#[test]
fn a_lost_device_is_opened_anew() {
    let Some(gpu) = open(Checks::Off) else {
        assert!(!required(), "{NO_ADAPTER}");
        return eprintln!("ignored: {NO_ADAPTER}");
    };
    let runs = ["halves", "writer"].map(|name| Served { name: name.into(), run: run(name) });
    let settings = wgrad::serve::Settings { port: 0, access_log: false, ..Default::default() };
    let server = Server::start(&runs, Device::Gpu(gpu.clone()), settings).unwrap();
    let at = server.address();
    let ask = || post_json(at, "/v1/models/halves:predict", &point(0.5));
    let write = || {
        let wanted = json!({ "prompt": "the ", "max_tokens": 8, "stream": false, "temperature": 0 });
        post_json(at, "/generate?model=writer", &wanted)
    };
    let (answer, text) = (ask().ok(), write().ok());
    let until_answered = |ask: &dyn Fn() -> Answer| {
        let begun = Instant::now();
        loop {
            let told = ask();
            if told.status == 200 {
                return told.ok();
            }
            assert_eq!((told.status, told.header("retry-after")), (503, Some("1")), "{told:?}");
            assert!(begun.elapsed() < Duration::from_secs(60), "{told:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    gpu.inject("lost@1,lost@40").unwrap();
    let told = ask();
    assert_eq!((told.status, told.header("retry-after")), (503, Some("1")), "{told:?}");
    assert!(told.text().contains("opened anew"), "{told:?}");
    assert_eq!(until_answered(&ask), answer);
    assert_eq!(get(at, "/v2/health/ready").status, 200);
    // The other model was on the same device, and there is a second loss to come.
    for _ in 0..20 {
        assert_eq!(until_answered(&write), text);
    }
    assert_eq!(until_answered(&ask), answer);
}

/// Runs the program.
fn wgrad(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.arg("serve").args(args).args(["--device", "cpu", "--port", "0"]).stderr(Stdio::piped());
    command
}

#[cfg(unix)]
#[test]
fn sigterm_lets_requests_end_and_exits_0() {
    let run = run("writer");
    let mut child = wgrad(&[run.to_str().unwrap()]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.by_ref().find(|l| l.contains("serving on http://")).expect("it starts");
    let at = line.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
    let log = std::thread::spawn(move || lines.collect::<Vec<_>>());
    // A request that takes a while, a connection that is idle, and the signal between.
    let idle = TcpStream::connect(at).unwrap();
    let asked = std::thread::spawn(move || {
        post_json(at, "/generate", &json!({ "prompt": "the ", "max_tokens": 1500, "stream": false }))
    });
    std::thread::sleep(Duration::from_millis(300));
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let told = asked.join().unwrap().ok();
    assert_eq!(told["tokens"], 1500);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(idle);
    let log = log.join().unwrap();
    let line = log.iter().find(|l| l.contains("\"event\":\"request\"")).expect("the request is logged");
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["path"], &line["status"]), (&"/generate".into(), &200.into()));
}

#[test]
fn what_cannot_be_served_is_said() {
    let refused = |args: &[&str], part: &str| {
        let out = wgrad(args).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && said.contains(part), "{args:?}: {said}");
    };
    let run = run("halves");
    let run = run.to_str().unwrap();
    refused(&["no/such/run"], "no/such/run");
    refused(&[&format!("a b={run}")], "NAME=RUN");
    refused(&[run, "--max-batch", "0"], "--max-batch 0");
    refused(&[run, "--tls-cert", "x"], "--tls-key");
    refused(&[run, "--token-file", "/no/such/file"], "has no token");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let out = Command::new(env!("CARGO_BIN_EXE_wgrad"))
        .args(["serve", run, "--device", "cpu", "--port", &port])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && said.contains("in use"), "{said}");
}
