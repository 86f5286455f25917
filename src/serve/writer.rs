//! The thread of a language model: it goes on with one text after the other.

use super::alive::Alive;
use super::problem::{Answered, Problem};
use super::stats::Stats;
use crate::data::text::Vocabulary;
use crate::deploy::generate::Generator;
use crate::deploy::sample::{Sampler, Sampling};
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Pieces of text that may wait to be sent.
const PIECES: usize = 64;

/// A text to be gone on with.
pub struct Wanted {
    /// The tokens that it begins with.
    pub prompt: Vec<u32>,
    /// The most tokens that follow.
    pub length: usize,
    /// How they are drawn.
    pub sampling: Sampling,
    /// Where the text ends: before the first of these.
    pub stop: Vec<String>,
}

/// What comes of it.
#[derive(Debug, Clone)]
pub enum Piece {
    /// More of the text.
    Text(String),
    /// The end.
    End {
        /// Tokens that were drawn.
        tokens: usize,
        /// Why: "length", "stop" where a stop was met, "time" where it took too long.
        finish: &'static str,
    },
    /// The model failed, or its device.
    Failed(Problem),
}

struct Job {
    wanted: Wanted,
    since: Instant,
    pieces: mpsc::Sender<Piece>,
}

/// A language model that writes from a thread of its own.
pub struct Writer {
    jobs: SyncSender<Job>,
    stats: Arc<Stats>,
    alive: Alive,
}

impl Writer {
    /// Starts the thread. A text that takes longer than `time` ends there.
    pub fn start(
        generator: Generator,
        vocabulary: Vocabulary,
        queue: usize,
        time: Duration,
        stats: Arc<Stats>,
        name: &str,
        alive: Alive,
    ) -> Result<Writer> {
        let (jobs, waiting) = sync_channel(queue);
        let worker = Worker { generator, vocabulary, time, stats: stats.clone(), alive: alive.clone() };
        std::thread::Builder::new()
            .name(format!("model {name}"))
            .spawn(move || worker.run(&waiting))
            .map_err(|e| Error::io("starting the thread of a model", e))?;
        Ok(Writer { jobs, stats, alive })
    }

    /// Goes on with a text. The pieces end with the receiver: dropping it stops the model.
    ///
    /// Fails when too many wait, and when the device has failed.
    pub fn write(&self, wanted: Wanted) -> Answered<mpsc::Receiver<Piece>> {
        self.alive.check()?;
        let (pieces, received) = mpsc::channel(PIECES);
        match self.jobs.try_send(Job { wanted, since: Instant::now(), pieces }) {
            Ok(()) => Ok(received),
            Err(TrySendError::Full(_)) => {
                self.stats.rejected.fetch_add(1, Relaxed);
                Err(Problem::busy("too many requests wait for the model (--queue); try again in a moment"))
            }
            Err(TrySendError::Disconnected(_)) => Err(Problem::internal("the model's thread has ended")),
        }
    }
}

struct Worker {
    generator: Generator,
    vocabulary: Vocabulary,
    time: Duration,
    stats: Arc<Stats>,
    alive: Alive,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            if job.pieces.is_closed() {
                continue;
            }
            let begun = Instant::now();
            self.stats.queue.add(begun.duration_since(job.since));
            let alive = self.alive.clone();
            let last = alive.run(|| self.write(&job, begun)).unwrap_or_else(Piece::Failed);
            if let Piece::End { tokens, .. } = last {
                self.stats.infer.add(begun.elapsed());
                self.stats.ran(tokens, begun.elapsed());
            }
            // Nobody may wait for it any more.
            let _ = job.pieces.blocking_send(last);
        }
    }

    fn write(&mut self, job: &Job, begun: Instant) -> Result<Piece> {
        let Wanted { prompt, length, sampling, stop } = &job.wanted;
        let mut sampler = Sampler::new(*sampling)?;
        let mut decoder = self.vocabulary.decoder();
        decoder.follow(prompt);
        self.generator.reset()?;
        let (time, pieces) = (self.time, &job.pieces);
        let is_over = || pieces.is_closed() || begun.elapsed() > time;
        let send = |text: String| text.is_empty() || pieces.blocking_send(Piece::Text(text)).is_ok();
        let (mut held, mut scores) = (String::new(), vec![]);
        for &token in prompt {
            if is_over() {
                return Ok(Piece::End { tokens: 0, finish: "time" });
            }
            scores = self.generator.read(token)?;
        }
        for tokens in 1..=*length {
            let token = sampler.draw(&scores)?;
            held += &decoder.push(token);
            let (ready, is_met) = until_stop(&mut held, stop);
            if !send(ready) || is_met {
                return Ok(Piece::End { tokens, finish: "stop" });
            }
            if is_over() {
                send(held);
                return Ok(Piece::End { tokens, finish: "time" });
            }
            // Nobody asks what follows the last one.
            if tokens < *length {
                scores = self.generator.read(token)?;
            }
        }
        held += &decoder.finish();
        let (rest, is_met) = cut(&held, stop);
        send(rest.to_string());
        Ok(Piece::End { tokens: *length, finish: if is_met { "stop" } else { "length" } })
    }
}

/// The text before the first stop, and whether there is one.
fn cut<'a>(text: &'a str, stop: &[String]) -> (&'a str, bool) {
    match stop.iter().filter_map(|s| text.find(s.as_str())).min() {
        Some(at) => (&text[..at], true),
        None => (text, false),
    }
}

/// Takes what can be sent from a text: all before a stop, or all that no stop may begin in.
fn until_stop(held: &mut String, stop: &[String]) -> (String, bool) {
    if let (before, true) = cut(held, stop) {
        return (before.to_string(), true);
    }
    let may_begin = |at: usize| stop.iter().any(|s| s.starts_with(&held[at..]));
    let end = held.char_indices().map(|(at, _)| at).find(|&at| may_begin(at)).unwrap_or(held.len());
    let rest = held.split_off(end);
    (std::mem::replace(held, rest), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_before_a_stop_however_it_comes() {
        let stop = vec!["\n\n".to_string(), "END".to_string()];
        let (mut held, mut sent) = (String::new(), String::new());
        let mut met = false;
        for piece in ["aE", "N", "b\n", "c", "E", "ND", "x"] {
            held += piece;
            let (ready, is_met) = until_stop(&mut held, &stop);
            sent += &ready;
            if is_met {
                met = true;
                break;
            }
        }
        assert_eq!((sent.as_str(), met), ("aENb\nc", true));
        let mut held = "ab".to_string();
        assert_eq!(until_stop(&mut held, &[]), ("ab".into(), false));
        assert_eq!(held, "");
    }
}
