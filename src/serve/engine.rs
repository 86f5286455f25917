//! The thread that has a model on the device: it takes samples from a queue, puts those of
//! several requests together, and sends each its numbers.
//!
//! Samples wait for others only while other requests are being read: one client alone never
//! waits.

use super::alive::Alive;
use super::problem::{Answered, Problem};
use super::stats::Stats;
use crate::data::{Elements, Samples};
use crate::error::{Error, Result};
use crate::run::predictor::Predictor;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How samples are put together.
#[derive(Debug, Clone, Copy)]
pub struct Batching {
    /// The most samples at once.
    pub max_batch: usize,
    /// How long samples wait for others.
    pub max_delay: Duration,
    /// Requests that may wait.
    pub queue: usize,
}

/// Samples of one request.
struct Job {
    samples: Samples,
    rows: usize,
    since: Instant,
    reply: oneshot::Sender<Answered<Vec<f32>>>,
}

impl Job {
    /// Whether anybody still waits for it.
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }
}

/// A model that answers from a thread of its own. It ends when this is dropped and what
/// waits has been answered.
pub struct Engine {
    jobs: SyncSender<Job>,
    stats: Arc<Stats>,
    alive: Alive,
}

impl Engine {
    /// Starts the thread. The programs for batches up to the largest are planned before.
    ///
    /// Fails when the model does not run on its device.
    pub fn start(
        mut predictor: Predictor,
        how: Batching,
        stats: Arc<Stats>,
        name: &str,
        alive: Alive,
    ) -> Result<Engine> {
        warm_up(&mut predictor, how.max_batch)?;
        let (jobs, queue) = sync_channel(how.queue);
        let worker = Worker { predictor, how, stats: stats.clone(), alive: alive.clone(), held: None };
        std::thread::Builder::new()
            .name(format!("model {name}"))
            .spawn(move || worker.run(&queue))
            .map_err(|e| Error::io("starting the thread of a model", e))?;
        Ok(Engine { jobs, stats, alive })
    }

    /// The model's numbers for samples.
    ///
    /// Fails when too many wait, when it takes longer than `time`, and when the device fails.
    pub async fn numbers(&self, samples: Samples, rows: usize, time: Duration) -> Answered<Vec<f32>> {
        self.alive.check()?;
        let (reply, answer) = oneshot::channel();
        let job = Job { samples, rows, since: Instant::now(), reply };
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.stats.rejected.fetch_add(1, Relaxed);
                return Err(Problem::busy("too many requests wait for the model (--queue); try again in a moment"));
            }
            Err(TrySendError::Disconnected(_)) => return Err(Problem::internal("the model's thread has ended")),
        }
        match tokio::time::timeout(time, answer).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => Err(Problem::internal("the model's thread has ended")),
            Err(_) => Err(Problem::busy(format!(
                "the model did not answer within {} seconds (--timeout); try again in a moment",
                time.as_secs_f32()
            ))),
        }
    }
}

/// Plans the programs for batches of each power of two, so that no request waits for that.
fn warm_up(predictor: &mut Predictor, max_batch: usize) -> Result<()> {
    let each = predictor.inputs().shape().iter().product::<usize>();
    let kind = predictor.inputs().elements();
    let mut rows = 1;
    loop {
        let n = rows * each;
        let samples = match kind {
            Elements::Bytes => Samples::Bytes(Arc::new(vec![0; n])),
            Elements::Floats => Samples::Floats(Arc::new(vec![0.0; n])),
            Elements::Tokens => Samples::Tokens(Arc::new(vec![0; n])),
        };
        predictor.numbers_of(&samples)?;
        if rows >= max_batch.min(64) {
            return Ok(());
        }
        rows *= 2;
    }
}

struct Worker {
    predictor: Predictor,
    how: Batching,
    stats: Arc<Stats>,
    alive: Alive,
    /// A job that did not go with the batch before it.
    held: Option<Job>,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Job>) {
        while let Some(first) = self.held.take().or_else(|| queue.recv().ok()) {
            if first.is_wanted() {
                let batch = self.batch(first, queue);
                self.answer(batch);
            }
        }
    }

    /// What goes through with a first job.
    fn batch(&mut self, first: Job, queue: &Receiver<Job>) -> Vec<Job> {
        let until = first.since + self.how.max_delay;
        let mut rows = first.rows;
        let mut batch = vec![first];
        while rows < self.how.max_batch {
            let next = match queue.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Disconnected) => break,
                // Whoever is not in the batch may be about to ask.
                Err(TryRecvError::Empty) if self.stats.open.load(Relaxed) <= batch.len() => break,
                Err(TryRecvError::Empty) => {
                    let left = until.saturating_duration_since(Instant::now());
                    match queue.recv_timeout(left) {
                        Ok(next) => next,
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                    }
                }
            };
            if !next.is_wanted() {
                continue;
            }
            if rows + next.rows > self.how.max_batch || next.samples.kind() != batch[0].samples.kind() {
                self.held = Some(next);
                break;
            }
            rows += next.rows;
            batch.push(next);
        }
        batch
    }

    fn answer(&mut self, batch: Vec<Job>) {
        let begun = Instant::now();
        let rows: usize = batch.iter().map(|job| job.rows).sum();
        let samples = match &batch[..] {
            [one] => Some(one.samples.clone()),
            several => Samples::joined(several.iter().map(|job| &job.samples)),
        };
        let found = self.alive.run(|| match samples {
            Some(samples) => self.predictor.numbers_of(&samples),
            None => Err(Error::data("samples of different kinds")),
        });
        let took = begun.elapsed();
        if found.is_ok() {
            self.stats.ran(rows, took);
        }
        let mut at = 0;
        for job in batch {
            self.stats.queue.add(begun.saturating_duration_since(job.since));
            self.stats.infer.add(took);
            let reply = match &found {
                Ok(numbers) => {
                    let each = numbers.len() / rows.max(1);
                    let own = numbers[at * each..(at + job.rows) * each].to_vec();
                    at += job.rows;
                    Ok(own)
                }
                Err(problem) => Err(problem.clone()),
            };
            // Nobody may wait for it any more.
            let _ = job.reply.send(reply);
        }
    }
}
