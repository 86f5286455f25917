//! When each dispatch of a program begins and ends, by the device's own clock.
//!
//! Timestamps surround every dispatch. They are written when all work before
//! them is done, so where a device lets independent dispatches overlap, what
//! they take together is booked on them in order, and nothing is counted twice.

use super::GpuExecutor;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::command::Command;
use crate::gpu::pace::Pace;
use crate::plan::{Clock, Program, Span, TimedRun, Timeline};
use std::ops::Range;
use std::time::Instant;

/// Timestamps per query set: the most that there may be, and even, so that the
/// two of a dispatch are never parted.
const PER_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;

/// What an opened device can tell about time.
fn clock(gpu: &Gpu) -> Clock {
    let features = gpu.device.features();
    match features.contains(wgpu::Features::TIMESTAMP_QUERY) {
        false => Clock::Runs,
        true if features.contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES) => Clock::Dispatches,
        true => Clock::Passes,
    }
}

/// Room for two timestamps per dispatch, in as many query sets as that takes.
struct Queries {
    sets: Vec<wgpu::QuerySet>,
    /// Where the device resolves them to numbers, and where the host reads them.
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
    count: usize,
}

impl Queries {
    fn new(gpu: &Gpu, dispatches: usize) -> Result<Queries> {
        let count = 2 * dispatches;
        let size = (count.max(1) * wgpu::QUERY_SIZE as usize) as u64;
        let buffer = |label, usage| {
            gpu.buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        };
        let resolved = buffer("timestamps", wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC)?;
        let staging = buffer("timestamps, staging", wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)?;
        gpu.health.scoped("timestamps", || {
            let sets = (0..count).step_by(PER_SET).map(|first| {
                gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("timestamps"),
                    ty: wgpu::QueryType::Timestamp,
                    count: (count - first).min(PER_SET) as u32,
                })
            });
            Queries { sets: sets.collect(), resolved, staging, count }
        })
    }

    /// The set and the number in it of the first timestamp of a dispatch.
    fn place(&self, dispatch: usize) -> (&wgpu::QuerySet, u32) {
        (&self.sets[2 * dispatch / PER_SET], (2 * dispatch % PER_SET) as u32)
    }

    /// Turns what was written into numbers that the host can read.
    fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        for (i, set) in self.sets.iter().enumerate() {
            let first = i * PER_SET;
            let count = (self.count - first).min(PER_SET) as u32;
            // A whole set is a multiple of the alignment that resolving asks for.
            let offset = (first * wgpu::QUERY_SIZE as usize) as u64;
            encoder.resolve_query_set(set, 0..count, &self.resolved, offset);
        }
        if self.count > 0 {
            encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging, 0, self.staging.size());
        }
    }
}

impl GpuExecutor {
    /// What timings of this device rest on.
    pub fn clock(&self) -> Clock {
        self.clock.unwrap_or_else(|| clock(&self.gpu))
    }

    /// Times as on a device that can tell no more than this.
    ///
    /// Fails where this one can tell less.
    pub fn time_with(&mut self, wanted: Clock) -> Result<()> {
        let has = clock(&self.gpu);
        let possible = match wanted {
            Clock::Runs => true,
            Clock::Passes => has != Clock::Runs,
            Clock::Dispatches => has == Clock::Dispatches,
            Clock::Host => false,
        };
        if !possible {
            return Err(Error::device(format!("{} does not time {wanted:?}; it times {has:?}", self.gpu.adapter.name)));
        }
        self.clock = Some(wanted);
        Ok(())
    }

    /// The time of one dispatch of a program, over and over: the first `times` runs of it, in nanoseconds. Dispatches are counted through
    /// the plan's steps. What it reads is what the last run of the program left.
    ///
    /// Without a clock on the device there is one number: the mean, as the host
    /// sees it, with the cost of a submit in it.
    pub fn time_dispatch(&mut self, program: &Program, dispatch: usize, times: usize) -> Result<Vec<f64>> {
        let (commands, pace) = self.commands(program)?;
        let command = commands.get(dispatch).ok_or_else(|| {
            Error::model(format!("there is no dispatch {dispatch} to time: the program has {}", commands.len()))
        })?;
        let repeated = vec![command; times];
        let timeline = self.timed(&repeated, pace, 1, self.clock())?;
        if timeline.clock == Clock::Runs {
            return Ok(timeline.runs.iter().map(|r| r.wall() / times.max(1) as f64).collect());
        }
        Ok(timeline.durations().concat())
    }

    /// Times every dispatch of a program in each of `runs` runs by such a clock.
    pub(super) fn time_program(&self, program: &Program, runs: usize, clock: Clock) -> Result<Timeline> {
        if !self.store.lock().program(program)?.hosted.is_empty() {
            return Err(Error::device(format!(
                "{} computes some ops of this program wrongly, so that the CPU does; such a program is not timed",
                self.gpu.adapter.name
            )));
        }
        let (commands, pace) = self.commands(program)?;
        self.timed(&commands.iter().collect::<Vec<_>>(), pace, runs, clock)
    }

    fn timed(&self, commands: &[&Command], pace: Pace, runs: usize, clock: Clock) -> Result<Timeline> {
        let queries = match clock {
            Clock::Runs => None,
            _ => Some(Queries::new(&self.gpu, commands.len())?),
        };
        // What was run before is not to be counted.
        self.gpu.health.wait_patiently(None)?;
        let begun = Instant::now();
        let mut timeline = Timeline { clock, runs: Vec::with_capacity(runs), uncertainty: 0.0 };
        let mut first = None;
        for _ in 0..runs {
            let mut run = self.timed_run(commands, pace, (clock, queries.as_ref()), begun)?;
            if let Some(queries) = &queries {
                run.kernels = self.read(queries, &mut first)?;
            }
            timeline.runs.push(run);
        }
        timeline.align();
        Ok(timeline)
    }

    fn timed_run(
        &self,
        commands: &[&Command],
        pace: Pace,
        (clock, queries): (Clock, Option<&Queries>),
        begun: Instant,
    ) -> Result<TimedRun> {
        let now = || begun.elapsed().as_nanos() as f64;
        let start = now();
        let mut buffers = vec![];
        let mut first = 0;
        loop {
            // Cut as a run is that nobody times.
            let n = pace.cut(commands[first..].iter().map(|c| c.work)).0;
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            let range = first..first + n;
            match (queries, clock) {
                (Some(queries), Clock::Passes) => in_passes(&mut encoder, commands, range, queries),
                (queries, _) => in_one_pass(&mut encoder, commands, range, queries),
            }
            first += n;
            if let (Some(queries), true) = (queries, first == commands.len()) {
                queries.resolve(&mut encoder);
            }
            buffers.push(encoder.finish());
            if first == commands.len() {
                break;
            }
        }
        let encoded = now();
        let mut index = None;
        for buffer in buffers {
            index = Some(self.gpu.submit(Some(buffer)));
        }
        let submitted = now();
        self.gpu.health.wait_patiently(index)?;
        let span = |begin, end| Span { begin, end };
        Ok(TimedRun {
            encode: span(start, encoded),
            submit: span(encoded, submitted),
            wait: span(submitted, now()),
            kernels: vec![],
        })
    }

    /// Reads the timestamps of a run, in nanoseconds since the `first` of all.
    fn read(&self, queries: &Queries, first: &mut Option<u64>) -> Result<Vec<Span>> {
        if queries.count == 0 {
            return Ok(vec![]);
        }
        queries.staging.map_async(wgpu::MapMode::Read, .., |_| ());
        self.gpu.health.wait_patiently(None)?;
        let ticks: Vec<u64> = {
            let range = queries.staging.get_mapped_range(..);
            bytemuck::pod_collect_to_vec(&range.map_err(|e| Error::device(format!("timestamps: {e}")))?[..])
        };
        queries.staging.unmap();
        let first = *first.get_or_insert(ticks[0]);
        let period = f64::from(self.gpu.queue.get_timestamp_period());
        let since = |tick: u64| tick.saturating_sub(first) as f64 * period;
        Ok(ticks.chunks_exact(2).map(|t| Span { begin: since(t[0]), end: since(t[1]) }).collect())
    }
}

/// Commands in one pass, as in training, with timestamps between them.
fn in_one_pass(
    encoder: &mut wgpu::CommandEncoder,
    commands: &[&Command],
    range: Range<usize>,
    queries: Option<&Queries>,
) {
    let mut pass = encoder.begin_compute_pass(&Default::default());
    for i in range.clone() {
        let command = commands[i];
        let place = queries.map(|q| q.place(i));
        if let Some((set, at)) = place {
            pass.write_timestamp(set, at);
        }
        command.encode(&mut pass, (i > range.start).then(|| commands[i - 1]));
        if let Some((set, at)) = place {
            pass.write_timestamp(set, at + 1);
        }
    }
}

/// Each command in a pass of its own, for devices that read their clock only
/// there.
fn in_passes(encoder: &mut wgpu::CommandEncoder, commands: &[&Command], range: Range<usize>, queries: &Queries) {
    for i in range {
        let command = commands[i];
        let (query_set, at) = queries.place(i);
        let timestamp_writes = Some(wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: Some(at),
            end_of_pass_write_index: Some(at + 1),
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        command.encode(&mut pass, None);
    }
}
