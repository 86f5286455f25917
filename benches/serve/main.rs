//! Load on a server, on this machine: requests per second and how long they take, one sample
//! at a time and put together, beside a peer if there is one (`benches/serve/peer.py`).
//!
//!     cargo bench --bench serve -- [--run RUN] [--clients 64] [--seconds 10] [--device cpu]
//!         [--peer http://127.0.0.1:9000/predict]
//!
//! Without a run, `keras-cnn` is trained for a few steps on the built-in digits. Each server
//! is measured in turn, twice; the better round counts.

use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use wgrad::device::Device;
use wgrad::prelude::*;
use wgrad::serve::{Served, Server, Settings as Serving};

const ROUNDS: usize = 2;

/// Where requests go, and what they say.
#[derive(Clone)]
struct Target {
    address: String,
    request: Arc<Vec<u8>>,
}

impl Target {
    fn new(address: &str, path: &str, headers: &str, body: &[u8]) -> Target {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        Target { address: address.into(), request: Arc::new([head.as_bytes(), body].concat()) }
    }
}

/// What came of a round.
#[derive(Default)]
struct Round {
    seconds: f64,
    /// Seconds of each answer.
    times: Vec<f64>,
    /// Requests turned away with 503, and other failures.
    away: usize,
    failed: usize,
}

impl Round {
    fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.seconds
    }

    /// The time that a share of the answers took at most, in milliseconds.
    fn ms(&mut self, share: f64) -> f64 {
        self.times.sort_by(f64::total_cmp);
        let at = ((self.times.len() as f64 * share) as usize).min(self.times.len().saturating_sub(1));
        1e3 * self.times.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// The status of an answer, once it has been read.
fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<u16> {
    buffer.clear();
    let mut piece = [0; 8192];
    let (mut end, mut length) = (None, 0);
    loop {
        if let Some(end) = end
            && buffer.len() >= end + length
        {
            let status = std::str::from_utf8(&buffer[9..12]).ok().and_then(|s| s.parse().ok());
            return status.ok_or_else(|| std::io::ErrorKind::InvalidData.into());
        }
        let n = stream.read(&mut piece)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend(&piece[..n]);
        if end.is_none()
            && let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&buffer[..at]).to_lowercase();
            length = head.split("content-length: ").nth(1).and_then(|l| l.lines().next()?.parse().ok()).unwrap_or(0);
            end = Some(at + 4);
        }
    }
}

/// Clients that ask again as soon as they have their answer.
fn load(target: &Target, clients: usize, seconds: f64) -> Round {
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let client = |_| {
        let (target, stop) = (target.clone(), stop.clone());
        std::thread::spawn(move || {
            let (mut round, mut buffer) = (Round::default(), vec![]);
            let mut stream = None;
            while !stop.load(Relaxed) {
                let asked = Instant::now();
                let mut ask = || -> std::io::Result<u16> {
                    if stream.is_none() {
                        let new = TcpStream::connect(&target.address)?;
                        new.set_nodelay(true)?;
                        new.set_read_timeout(Some(Duration::from_secs(60)))?;
                        stream = Some(new);
                    }
                    let stream = stream.as_mut().expect("it was made");
                    stream.write_all(&target.request)?;
                    answer(stream, &mut buffer)
                };
                match ask() {
                    Ok(200) => round.times.push(asked.elapsed().as_secs_f64()),
                    Ok(503) => round.away += 1,
                    _ => {
                        round.failed += 1;
                        stream = None;
                    }
                }
            }
            round
        })
    };
    let threads: Vec<_> = (0..clients).map(client).collect();
    std::thread::sleep(Duration::from_secs_f64(seconds));
    stop.store(true, Relaxed);
    let mut all = Round { seconds: begun.elapsed().as_secs_f64(), ..Round::default() };
    for thread in threads {
        let one = thread.join().expect("no panic");
        all.times.extend(one.times);
        all.away += one.away;
        all.failed += one.failed;
    }
    all
}

/// Resident memory of this process, in MiB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) / 1024.0
}

fn main() -> wgrad::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let arg = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let number = |name: &str, usual: f64| arg(name).map_or(usual, |v| v.parse().expect("a number"));
    let (clients, seconds) = (number("--clients", 64.0) as usize, number("--seconds", 10.0));
    let dir = std::env::temp_dir().join(format!("wgrad-bench-serve-{}", std::process::id()));
    let run: PathBuf = match arg("--run") {
        Some(run) => run.into(),
        None => {
            let trainer = Trainer::new().model("keras-cnn").data("builtin:digits").device("cpu").out(&dir);
            trainer.settings(|s| s.max_steps = Some(20)).fit()?;
            dir.clone()
        }
    };
    let device = arg("--device").unwrap_or("cpu".into());
    let start = |max_batch: usize| -> wgrad::Result<Server> {
        let settings = Serving { port: 0, access_log: false, max_batch, ..Serving::default() };
        let runs = [Served { name: "digits".into(), run: run.clone() }];
        Server::start(&runs, Device::open(&device)?, settings)
    };
    let pixels: Vec<u8> = (0..784).map(|i| (i * 7 % 256) as u8).collect();
    let head = json!({
        "inputs": [{ "name": "input", "shape": [1, 1, 28, 28], "datatype": "UINT8", "parameters": { "binary_data_size": 784 } }],
        "parameters": { "binary_data_output": true },
    })
    .to_string();
    let binary = [head.as_bytes(), &pixels].concat();
    let header = format!("Inference-Header-Content-Length: {}\r\n", head.len());
    let rows: Vec<Vec<f32>> = pixels.chunks(28).map(|r| r.iter().map(|p| f32::from(*p) / 255.0).collect()).collect();
    let text = json!({ "instances": [[rows]] }).to_string();
    let kind = "Content-Type: application/json\r\n";

    let (single, together) = (start(1)?, start(64)?);
    let at = |server: &Server| server.address().to_string();
    let infer = "/v2/models/digits/infer";
    let mut targets = vec![
        ("batch 1, binary".to_string(), Target::new(&at(&single), infer, &header, &binary)),
        ("dynamic batches, binary".to_string(), Target::new(&at(&together), infer, &header, &binary)),
        (
            "dynamic batches, JSON".to_string(),
            Target::new(&at(&together), "/v1/models/digits:predict", kind, text.as_bytes()),
        ),
    ];
    if let Some(peer) = arg("--peer") {
        let (address, path) = peer.trim_start_matches("http://").split_once('/').expect("http://HOST:PORT/PATH");
        targets
            .push((format!("peer, JSON ({peer})"), Target::new(address, &format!("/{path}"), kind, text.as_bytes())));
    }
    let before = memory();
    let mut best: Vec<Round> = targets.iter().map(|_| Round::default()).collect();
    for _ in 0..ROUNDS {
        for ((_, target), best) in targets.iter().zip(&mut best) {
            let round = load(target, clients, seconds);
            if best.times.is_empty() || round.per_second() > best.per_second() {
                *best = round;
            }
        }
    }
    println!("{clients} clients, {seconds} s each, {ROUNDS} rounds, the better one; {device}");
    let mut lines = vec![];
    for ((name, _), round) in targets.iter().zip(&mut best) {
        let (p50, p99) = (round.ms(0.5), round.ms(0.99));
        println!(
            "{name:32} {:9.1} requests/s  p50 {p50:8.2} ms  p99 {p99:8.2} ms  p99/p50 {:5.2}  503: {}  failed: {}",
            round.per_second(),
            p99 / p50,
            round.away,
            round.failed
        );
        lines.push(json!({
            "name": name, "per_second": round.per_second(), "p50_ms": p50, "p99_ms": p99, "away": round.away,
            "failed": round.failed,
        }));
    }
    println!("dynamic batches / batch 1: {:.2}", best[1].per_second() / best[0].per_second());
    if let Some(peer) = best.get(3) {
        println!("dynamic batches / peer: {:.2}", best[2].per_second() / peer.per_second());
    }
    println!("memory: {before:.0} MiB before, {:.0} MiB after", memory());
    println!("{}", json!({ "clients": clients, "seconds": seconds, "device": device, "rounds": lines }));
    drop((single, together));
    if arg("--run").is_none() {
        // Whoever clears the temporary folder finds it, else.
        let _ = std::fs::remove_dir_all(dir);
    }
    Ok(())
}
