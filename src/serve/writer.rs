//! The thread of a language model: it goes on with one text after the other.

use super::problem::{Answered, Problem};
use super::stats::Stats;
use crate::data::text::Vocabulary;
use crate::deploy::generate::Generator;
use crate::deploy::sample::{Sampler, Sampling};
use crate::error::{Error, Result, caught};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More of the text.
    Text(String),
    /// The end, after so many tokens; whether one of the stops was met.
    End {
        /// Tokens that were drawn.
        tokens: usize,
        /// Whether one of the stops was met.
        stopped: bool,
    },
    /// The model failed.
    Failed(String),
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
    ) -> Result<Writer> {
        let (jobs, waiting) = sync_channel(queue);
        let worker = Worker { generator, vocabulary, time, stats: stats.clone() };
        std::thread::Builder::new()
            .name(format!("model {name}"))
            .spawn(move || worker.run(&waiting))
            .map_err(|e| Error::io("starting the thread of a model", e))?;
        Ok(Writer { jobs, stats })
    }

    /// Goes on with a text. The pieces end with the receiver: dropping it stops the model.
    ///
    /// Fails when too many wait.
    pub fn write(&self, wanted: Wanted) -> Answered<mpsc::Receiver<Piece>> {
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
}

/// Why a text ended before its length.
enum Ended {
    /// Nobody reads it any more, or it took too long.
    Given,
    /// One of the stops was met.
    Stop,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            if job.pieces.is_closed() {
                continue;
            }
            let begun = Instant::now();
            self.stats.queue.add(begun.duration_since(job.since));
            let last = match caught(|| self.write(&job, begun)) {
                Some(Ok(end)) => end,
                Some(Err(e)) => Piece::Failed(e.to_string()),
                None => Piece::Failed("the model failed; this is a bug, please report it".into()),
            };
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
        self.generator.reset()?;
        let mut decoder = self.vocabulary.decoder();
        decoder.follow(prompt);
        let (mut held, mut tokens, mut ended) = (String::new(), 0, None);
        let time = self.time;
        let written = self.generator.write(prompt, *length, &mut sampler, |token| {
            tokens += 1;
            held += &decoder.push(token);
            let (ready, met) = until_stop(&mut held, stop);
            let gone = !ready.is_empty() && job.pieces.blocking_send(Piece::Text(ready)).is_err();
            ended = match () {
                () if met => Some(Ended::Stop),
                () if gone || job.pieces.is_closed() || begun.elapsed() > time => Some(Ended::Given),
                () => None,
            };
            // The only way to end before the length; what it says is not told.
            if ended.is_some() { Err(Error::interrupted("the text has ended")) } else { Ok(()) }
        });
        if ended.is_none() {
            written?;
            held += &decoder.finish();
        }
        let stopped = matches!(ended, Some(Ended::Stop));
        if !stopped && !held.is_empty() {
            let (rest, _) = cut(&held, stop);
            // Nobody may wait for it any more.
            let _ = job.pieces.blocking_send(Piece::Text(rest.to_string()));
        }
        Ok(Piece::End { tokens, stopped })
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
