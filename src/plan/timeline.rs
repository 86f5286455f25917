//! What running a program took, as executors measure it: when the host and the
//! device did what, all on one clock.

/// What a device can tell about the time of its dispatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The device's own clock, read before and after every dispatch.
    Dispatches,
    /// The device's own clock, which it reads only where a pass begins and
    /// ends: every dispatch gets a pass, which costs a little between them.
    Passes,
    /// The host's clock around each step of the plan: the CPU executor.
    Host,
    /// Nothing below a whole run: the device has no clock to read.
    Runs,
}

/// A stretch of time, in nanoseconds since the measurement began.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Span {
    /// When it begins.
    pub begin: f64,
    /// When it ends.
    pub end: f64,
}

impl Span {
    /// How long it is, in nanoseconds.
    pub fn duration(self) -> f64 {
        (self.end - self.begin).max(0.0)
    }
}

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TimedRun {
    /// The host writes commands.
    pub encode: Span,
    /// The host hands them over.
    pub submit: Span,
    /// The host waits until all is done.
    pub wait: Span,
    /// What ran: each dispatch of a GPU, each step of the plan on the CPU, in
    /// order. Empty where the clock is [`Clock::Runs`].
    pub kernels: Vec<Span>,
}

impl TimedRun {
    /// From the first command to the last result.
    pub fn wall(&self) -> f64 {
        self.wait.end - self.encode.begin
    }

    /// All kernels together, in nanoseconds.
    pub fn busy(&self) -> f64 {
        self.kernels.iter().map(|k| k.duration()).sum()
    }
}

/// Several runs of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// How the kernels were timed.
    pub clock: Clock,
    /// The runs, in order.
    pub runs: Vec<TimedRun>,
    /// How far all kernels may lie from where they are on the host's clock, in
    /// nanoseconds. Durations and gaps between kernels do not depend on it.
    pub uncertainty: f64,
}

impl Timeline {
    /// Nanoseconds of each kernel in each run: one list per kernel.
    pub fn durations(&self) -> Vec<Vec<f64>> {
        let kernels = self.runs.first().map_or(0, |r| r.kernels.len());
        (0..kernels).map(|k| self.runs.iter().map(|r| r.kernels[k].duration()).collect()).collect()
    }

    /// Moves kernels that carry the device's own clock onto the host's.
    ///
    /// No kernel begins before its run is handed over, and none ends after the
    /// host has waited for it. Each run narrows the possible distance of the
    /// clocks from both sides; what is left is [`Timeline::uncertainty`].
    pub(crate) fn align(&mut self) {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for run in &self.runs {
            let begin = run.kernels.iter().map(|k| k.begin).fold(f64::INFINITY, f64::min);
            let end = run.kernels.iter().map(|k| k.end).fold(f64::NEG_INFINITY, f64::max);
            low = low.max(run.submit.begin - begin);
            high = high.min(run.wait.end - end);
        }
        if !(low.is_finite() && high.is_finite()) {
            return;
        }
        // Clocks that drift apart may contradict themselves by a little.
        let distance = (low + high) / 2.0;
        self.uncertainty = (high - low).abs() / 2.0;
        for kernel in self.runs.iter_mut().flat_map(|r| &mut r.kernels) {
            kernel.begin += distance;
            kernel.end += distance;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_meet_where_all_runs_allow() {
        let span = |begin: f64, end: f64| Span { begin, end };
        let run = |at: f64, kernels: &[(f64, f64)]| TimedRun {
            encode: span(at, at + 10.0),
            submit: span(at + 10.0, at + 20.0),
            wait: span(at + 20.0, at + 100.0),
            kernels: kernels.iter().map(|&(a, b)| span(a, b)).collect(),
        };
        // The device's clock is 1000 ahead: the first run allows -1020 to -990,
        // the second -1010 to -985.
        let runs = vec![run(0.0, &[(1030.0, 1050.0), (1050.0, 1090.0)]), run(200.0, &[(1220.0, 1285.0)])];
        let mut timeline = Timeline { clock: Clock::Dispatches, runs, uncertainty: 0.0 };
        timeline.align();
        assert_eq!(timeline.uncertainty, 10.0);
        assert_eq!(timeline.runs[0].kernels, [span(30.0, 50.0), span(50.0, 90.0)]);
        assert_eq!(timeline.runs[1].kernels, [span(220.0, 285.0)]);
        assert_eq!((timeline.runs[0].wall(), timeline.runs[0].busy()), (100.0, 60.0));
    }

    #[test]
    fn nothing_ran_and_nothing_breaks() {
        let mut timeline = Timeline { clock: Clock::Runs, runs: vec![TimedRun::default()], uncertainty: 0.0 };
        timeline.align();
        assert_eq!((timeline.uncertainty, timeline.durations().len()), (0.0, 0));
    }
}
