//! What the peers in Rust have in common: their arguments, and a limit on their
//! time.

use crate::timing::{What, rates};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// `MODEL [BATCH] [--json] [--limit SECONDS]`
pub struct Args {
    pub model: String,
    pub batch: usize,
    json: bool,
    limit: u64,
}

impl Args {
    /// As given to the program.
    pub fn read() -> Args {
        let mut a = Args { model: "keras-cnn".into(), batch: 128, json: false, limit: 600 };
        let mut positional = vec![];
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => a.json = true,
                "--limit" => a.limit = words.next().and_then(|s| s.parse().ok()).expect("--limit SECONDS"),
                _ => positional.push(word),
            }
        }
        let mut positional = positional.into_iter();
        a.model = positional.next().unwrap_or(a.model);
        a.batch = positional.next().map_or(a.batch, |n| n.parse().expect("BATCH is a number"));
        a
    }

    /// Measures `repeat` and prints what came out, or, at the limit, how far it
    /// got: then the process ends with code 3.
    pub fn measure(
        &self,
        peer: &str,
        version: &str,
        device: &str,
        mut repeat: impl FnMut(usize) -> Result<(), String>,
    ) {
        let done = Arc::new(AtomicUsize::new(0));
        let (limit, seen, model) = (self.limit, done.clone(), self.model.clone());
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(limit));
            println!("{model}: {} steps in {limit} s, too few to measure", seen.load(Ordering::Relaxed));
            std::process::exit(3);
        });
        let counted = |n| {
            repeat(n)?;
            done.fetch_add(n, Ordering::Relaxed);
            Ok(())
        };
        let rates = rates(counted).unwrap_or_else(|e: String| panic!("{e}"));
        let (workload, batch) = match self.model.as_str() {
            "matmul" => (format!("matmul-{}", self.batch), 1),
            model => (model.into(), self.batch),
        };
        println!("{}", What { workload: &workload, peer, version, device, batch }.line(&rates, self.json));
    }
}
