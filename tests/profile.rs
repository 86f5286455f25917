//! Timing and profiling: timestamps that hang together on every kind of clock.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use support::device::{announce, gpu_trial, required};
use support::training::settings;
use wgrad::cpu::Cpu;
use wgrad::gpu::GpuExecutor;
use wgrad::nn::{Description, Model};
use wgrad::plan::{Clock, Executor, Plan, ProgramId, Target, Timeline};
use wgrad::train::Session;

fn main() {
    let args = Arguments::from_args();
    let mut trials = vec![Trial::test("timeline_of_the_cpu", timeline_of_the_cpu)];
    for clock in [Clock::Dispatches, Clock::Passes, Clock::Runs] {
        trials.push(gpu_trial(format!("timeline_of_{clock:?}"), move |gpu| {
            let mut e = GpuExecutor::new(gpu.clone());
            if e.time_with(clock).is_err() && !required() {
                return Ok(());
            }
            let plan = lenet(Target::Gpu(gpu.caps.clone()));
            let dispatches = plan.steps.iter().map(|s| s.launches.len()).sum();
            let program = e.load(plan)?;
            check(&mut e, program, clock, if clock == Clock::Runs { 0 } else { dispatches })
        }));
    }
    trials.push(gpu_trial("dispatches_beyond_a_query_set".into(), |gpu| {
        let mut e = GpuExecutor::new(gpu.clone());
        let program = e.load(lenet(Target::Gpu(gpu.caps.clone())))?;
        e.run(program, 1)?;
        let times = e.time_dispatch(program, 0, 2_500)?;
        assert_eq!(times.len(), if e.clock() == Clock::Runs { 1 } else { 2_500 });
        assert!(times.iter().all(|t| t.is_finite() && *t >= 0.0));
        assert!(times.iter().sum::<f64>() > 0.0);
        let refused = e.time_dispatch(program, 100_000, 1).unwrap_err().to_string();
        assert!(refused.contains("no dispatch 100000"), "{refused}");
        Ok(())
    }));
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// A training step of a small model.
fn lenet(target: Target) -> Plan {
    let description = Description::named("lenet").expect("a preset");
    let model = Model::new(description, Some([1, 28, 28].into()), Some(10)).expect("it fits");
    let settings = settings(&[("train.batch_size", 8.into())]);
    Session::training_plan(&model, &settings, target).expect("it plans")
}

fn timeline_of_the_cpu() -> Result<(), Failed> {
    let mut e = Cpu::<f32>::new();
    let plan = lenet(Target::Cpu);
    let steps = plan.steps.len();
    let program = e.load(plan)?;
    check(&mut e, program, Clock::Host, steps)
}

/// Nothing here depends on how fast the machine is.
fn check(e: &mut dyn Executor, program: ProgramId, clock: Clock, kernels: usize) -> Result<(), Failed> {
    e.run(program, 1)?;
    let Timeline { clock: found, runs, uncertainty } = e.time(program, 4)?;
    assert_eq!((found, runs.len()), (clock, 4));
    assert!(uncertainty.is_finite() && uncertainty >= 0.0, "{uncertainty}");
    for run in &runs {
        assert_eq!(run.kernels.len(), kernels);
        let stages = [run.encode, run.submit, run.wait];
        assert!(stages.iter().all(|s| s.begin <= s.end) && run.wall() > 0.0, "{stages:?}");
        assert!(stages.windows(2).all(|w| w[0].end == w[1].begin), "{stages:?}");
        for (i, k) in run.kernels.iter().enumerate() {
            assert!(k.begin <= k.end, "kernel {i} ends before it begins: {k:?}");
            let next = run.kernels.get(i + 1).map_or(f64::INFINITY, |n| n.begin);
            assert!(k.end <= next + 1.0, "kernel {i} ends at {}, after the next begins at {next}", k.end);
        }
        // A nanosecond for rounding.
        assert!(run.busy() <= run.wall() + 1.0, "{} of {} ns", run.busy(), run.wall());
        if let (Some(first), Some(last)) = (run.kernels.first(), run.kernels.last()) {
            assert!(first.begin >= run.submit.begin - uncertainty - 1.0, "{first:?} {:?}", run.submit);
            assert!(last.end <= run.wait.end + uncertainty + 1.0, "{last:?} {:?}", run.wait);
            assert!(run.busy() > 0.0);
        }
    }
    let orders = runs.windows(2).all(|w| w[0].wait.end <= w[1].encode.begin);
    assert!(orders, "runs overlap");
    Ok(())
}
