//! What the design takes for granted about naga, wgpu and the device under
//! test, asked one question at a time. When a driver or an upgrade breaks
//! everything at once, the answer is here.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::device::{NO_ADAPTER, announce, gpu_trial, open};
use support::lint;
use support::probe::Probe;
use support::training::{NORMAL, bands, settings};
use wgrad::data::Interface;
use wgrad::device::Device;
use wgrad::gpu::{Checks, Gpu, GpuExecutor};
use wgrad::graph::{Graph, Init, TensorId};
use wgrad::kernel::{Caps, Class};
use wgrad::nn::{Model, Weights, preset};
use wgrad::plan::{Clock, Executor, Options, Plan, Target};
use wgrad::tensor::{HostTensor, Spec};
use wgrad::train::Session;
use wgrad::verify::guards;

fn main() {
    let args = Arguments::from_args();
    let here = |name: &str, run: fn() -> Result<(), Failed>| Trial::test(name, run);
    let gpu = |name: &str, run: fn(&Arc<Gpu>) -> Result<(), Failed>| gpu_trial(name.into(), run);
    let trials = vec![
        here("planner::one_buffer_read_and_written_is_refused_by_name", read_and_written),
        here("planner::one_buffer_written_twice_is_refused_by_name", written_twice),
        here("planner::two_outputs_of_one_dispatch_get_two_buffers", two_outputs_planned),
        here("planner::a_tensor_beyond_one_binding_is_refused_with_the_number", beyond_one_binding),
        here("planner::tensors_of_2_to_the_32_elements_are_refused", uncountable),
        here("naga::accepts_a_barrier_after_a_return_and_the_lint_does_not", barrier_after_return),
        gpu("device::overrides_size_workgroups_and_their_memory", override_sizes),
        gpu("device::a_bool_override_switches", bool_override),
        gpu("device::two_buffers_are_written_by_one_dispatch", two_outputs),
        gpu("device::nan_shows_in_the_bits", nan_bits),
        gpu("device::a_loop_of_sixty_thousand_turns_runs_to_its_end", long_loops),
        gpu("device::a_wrong_shader_is_an_error_with_its_name", wrong_shader),
        gpu("device::readbacks_arrive_in_order_with_the_values_of_their_time", readbacks_in_order),
        gpu("device::a_readback_does_not_wait", readback_does_not_wait),
        gpu("device::a_step_of_5000_dispatches_is_many_submits", many_dispatches),
        gpu("device::submits_end_after_the_work_of_a_tenth_of_a_second", slow_dispatches),
        gpu("device::a_second_session_compiles_nothing", second_session),
        gpu("device::a_write_out_of_bounds_is_seen", out_of_bounds),
    ];
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// A graph with `n` floats named `x`, all `value`.
fn with_x(n: usize, value: f32) -> (Graph, TensorId) {
    let mut g = Graph::new();
    let x = g.persistent("x", Spec::f32([n]), Init::Data(Arc::new(HostTensor::f32([n], vec![value; n]))));
    (g, x)
}

/// Runs a probe on `x` once and returns its outputs.
fn ask(gpu: &Arc<Gpu>, x: HostTensor, probe: Probe) -> Result<Vec<HostTensor>, Failed> {
    let mut g = Graph::new();
    let input = g.persistent("x", x.spec(), Init::Data(Arc::new(x)));
    let outputs = g.push(probe, &[input])?;
    let mut e = GpuExecutor::new(gpu.clone());
    let program = e.load(Plan::build(&g, &outputs, Target::Gpu(gpu.caps.clone()))?)?;
    e.poison(&program);
    e.run(&program, 1)?;
    Ok(outputs.iter().map(|&y| e.fetch(&program, y)).collect::<wgrad::Result<_>>()?)
}

fn equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}").into()) }
}

fn contains(message: &str, words: &[&str]) -> Result<(), Failed> {
    match words.iter().find(|w| !message.contains(**w)) {
        None => Ok(()),
        Some(word) => Err(format!("\"{word}\" is not in: {message}").into()),
    }
}

const COPY: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn probe(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&y) { y[id.x] = x[id.x] + 1.0; }
}";

/// wgpu makes a written buffer exclusive within a dispatch and says so with a
/// panic or an error in the middle of a run; the planner knows before.
fn read_and_written() -> Result<(), Failed> {
    let (mut g, x) = with_x(8, 0.0);
    let probe = Probe::new(COPY, &[], |k| k.dispatch([1, 1, 1]).input("x", 0).update("y", 0));
    g.push_with(probe, &[x], &[x])?;
    for target in [Target::Cpu, Target::Gpu(Caps::floor(Class::Discrete))] {
        let error = Plan::build(&g, &[], target).err().ok_or("the planner accepted it")?;
        contains(&error.to_string(), &["probe", "(x)", "exclusive"])?;
    }
    Ok(())
}

const TWO: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> z: array<f32>;
@compute @workgroup_size(64) fn probe(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= arrayLength(&x) { return; }
    y[id.x] = x[id.x] + 1.0;
    z[id.x] = x[id.x] * 2.0;
}";

fn written_twice() -> Result<(), Failed> {
    let (mut g, x) = with_x(8, 0.0);
    let state = g.input("state", Spec::f32([8]));
    let probe = Probe::new(TWO, &[], |k| k.dispatch([1, 1, 1]).input("x", 0).update("y", 0).update("z", 1));
    g.push_with(probe, &[x], &[state, state])?;
    let error = Plan::build(&g, &[], Target::Gpu(Caps::floor(Class::Discrete))).err();
    contains(&error.ok_or("the planner accepted it")?.to_string(), &["probe", "(state)", "exclusive"])
}

fn two_outputs_probe(n: usize) -> Probe {
    Probe::new(TWO, &[Spec::f32([n]), Spec::f32([n])], |k| {
        k.dispatch([n.div_ceil(64) as u32, 1, 1]).input("x", 0).output("y", 0).output("z", 1)
    })
}

fn two_outputs_planned() -> Result<(), Failed> {
    let (mut g, x) = with_x(8, 3.0);
    let outputs = g.push(two_outputs_probe(8), &[x])?;
    let plan = Plan::build(&g, &outputs, Target::Gpu(Caps::floor(Class::Discrete)))?;
    let mut homes: Vec<usize> = plan.steps[0].launches[0].bound.iter().map(|b| b.place.buffer).collect();
    homes.sort();
    homes.dedup();
    equal(homes.len(), 3)
}

fn two_outputs(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let y = ask(gpu, HostTensor::f32([100], vec![3.0; 100]), two_outputs_probe(100))?;
    equal(y[0].as_f32(), &[4.0; 100])?;
    equal(y[1].as_f32(), &[6.0; 100])
}

fn beyond_one_binding() -> Result<(), Failed> {
    let (mut g, x) = with_x(1024, 0.0);
    let y = g.relu(x)?;
    let caps =
        |binding_bytes, buffer_bytes| Target::Gpu(Caps { binding_bytes, buffer_bytes, ..Caps::floor(Class::Discrete) });
    Plan::build(&g, &[y], caps(4096, 4096))?;
    let error = Plan::build(&g, &[y], caps(4095, 1 << 20)).err().ok_or("the planner accepted it")?;
    contains(&error.to_string(), &["4096 bytes", "4095", "binding"])?;
    let error = Plan::build(&g, &[y], caps(4095, 4095)).err().ok_or("the planner accepted it")?;
    contains(&error.to_string(), &["4096 bytes", "4095", "buffer"])
}

fn barrier_after_return() -> Result<(), Failed> {
    let text = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn probe(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= 7u { return; }
    workgroupBarrier();
    y[id.x] = x[id.x];
}";
    let (mut g, x) = with_x(8, 0.0);
    let probe = Probe::new(text, &[Spec::f32([8])], |k| k.dispatch([1, 1, 1]).input("x", 0).output("y", 0));
    let y = g.push1(probe.clone(), &[x])?;
    // naga parses, validates and specialises it without a word.
    Plan::build(&g, &[y], Target::Gpu(Caps::floor(Class::Discrete)))?;
    let module = wgrad::kernel::reflect::module(&probe.dispatch.kernel)?;
    let found = lint::barriers(&module.module, &module.text, "probe");
    contains(&found.join("; "), &["line 6", "after the return in line 5", "only some invocations"])
}

/// Each workgroup adds its ids through memory sized by the same override.
const SIZED: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
override WG: u32;
override EXTRA: u32 = WG + 1u;
var<workgroup> sh_sum: array<f32, EXTRA>;
@compute @workgroup_size(WG) fn probe(@builtin(local_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
    sh_sum[id.x] = f32(id.x) + x[group.x];
    if id.x == 0u { sh_sum[WG] = 0.5; }
    workgroupBarrier();
    if id.x == 0u {
        var sum = 0.0;
        for (var i = 0u; i <= WG; i++) { sum += sh_sum[i]; }
        y[group.x] = sum;
    }
}";

fn override_sizes(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    for wg in [32, 128] {
        let probe =
            Probe::new(SIZED, &[Spec::f32([3])], |k| k.set("WG", wg).dispatch([3, 1, 1]).input("x", 0).output("y", 0));
        let y = ask(gpu, HostTensor::f32([3], vec![0.0, 1.0, 2.0]), probe)?;
        let sum = |group: usize| (wg * (wg - 1) / 2 + wg * group) as f32 + 0.5;
        equal(y[0].as_f32(), &[sum(0), sum(1), sum(2)])?;
    }
    Ok(())
}

fn bool_override(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let text = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
override NEGATE: bool;
@compute @workgroup_size(1) fn probe() {
    if NEGATE { y[0] = -x[0]; } else { y[0] = x[0]; }
}";
    for (on, expected) in [(false, 5.0), (true, -5.0)] {
        let probe = Probe::new(text, &[Spec::f32([1])], |k| {
            k.flag("NEGATE", on).dispatch([1, 1, 1]).input("x", 0).output("y", 0)
        });
        equal(ask(gpu, HostTensor::f32([1], vec![5.0]), probe)?[0].as_f32(), &[expected])?;
    }
    Ok(())
}

/// WGSL may assume that there is no NaN, so `x != x` may be false for one; the
/// bits do not lie.
fn nan_bits(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let text = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read_write> z: array<u32>;
@compute @workgroup_size(8) fn probe(@builtin(global_invocation_id) id: vec3<u32>) {
    let v = x[id.x];
    y[id.x] = u32((bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u);
    z[id.x] = u32(v != v);
}";
    let values = [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001), f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0];
    let probe = Probe::new(text, &[Spec::u32([8]), Spec::u32([8])], |k| {
        k.dispatch([1, 1, 1]).input("x", 0).output("y", 0).output("z", 1)
    });
    let found = ask(gpu, HostTensor::f32([8], values.to_vec()), probe)?;
    let honest = found[1].as_u32()[..3] == [1; 3];
    eprintln!("on {}, x != x is {honest} for NaN", gpu.adapter.name);
    equal(found[0].as_u32(), &[1, 1, 1, 0, 0, 0, 0, 0])
}

fn wrong_shader(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let (mut g, x) = with_x(8, 0.0);
    let text = COPY.replace("x[id.x] + 1.0", "x[id.x] + 1u");
    let probe = Probe::new(&text, &[Spec::f32([8])], |k| k.dispatch([1, 1, 1]).input("x", 0).output("y", 0));
    let y = g.push1(probe, &[x])?;
    let error = Plan::build(&g, &[y], Target::Gpu(gpu.caps.clone())).err().ok_or("it was accepted")?;
    contains(&error.to_string(), &["shaders/probe.wgsl:5"])
}

/// Mesa's llvmpipe gives an invocation 65,535 turns, in all its loops taken
/// together, and then leaves every loop without a word. Kernels stay below.
fn long_loops(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let text = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
override OUTER: u32;
override INNER: u32;
@compute @workgroup_size(1) fn probe() {
    // Steps read from memory keep compilers from guessing the result.
    for (var i = 0u; i < OUTER; i++) {
        for (var j = 0u; j < INNER; j++) { y[0] += x[j & 1u]; }
    }
}";
    let turns = |outer, inner| -> Result<f32, Failed> {
        let probe = Probe::new(text, &[], |k| {
            k.set("OUTER", outer).set("INNER", inner).dispatch([1, 1, 1]).input("x", 0).update("y", 0)
        });
        let (mut g, x) = with_x(2, 1.0);
        let y = g.input("y", Spec::f32([1]));
        g.push_with(probe, &[x], &[y])?;
        let mut e = GpuExecutor::new(gpu.clone());
        let program = e.load(Plan::build(&g, &[], Target::Gpu(gpu.caps.clone()))?)?;
        e.run(&program, 1)?;
        Ok(e.read("y")?.as_f32()[0])
    };
    let (name, one, two) = (&gpu.adapter.name, turns(1, 100_000)?, turns(100, 1000)?);
    eprintln!("on {name}, 100000 turns of one loop were {one}; of two nested loops, {two}");
    equal(turns(60, 1000)?, 60_000.0)
}

/// Adds 1 to `count`; each invocation turns a loop 40,000 times to get there.
fn counter(groups: u32) -> Probe {
    let text = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> count: array<f32>;
@compute @workgroup_size(64) fn probe(@builtin(global_invocation_id) id: vec3<u32>) {
    var v = bitcast<u32>(x[0]) + id.x;
    for (var i = 0u; i < 40000u; i++) { v ^= v << 13u; v ^= v >> 17u; v ^= v << 5u; }
    // Never zero, which a compiler does not know.
    if id.x == 0u || v == 0u { count[0] += 1.0; }
}";
    Probe::new(text, &[], |k| k.dispatch([groups, 1, 1]).input("x", 0).update("count", 0))
}

fn counting(gpu: &Arc<Gpu>, groups: u32) -> Result<(GpuExecutor, wgrad::plan::Program), Failed> {
    let (mut g, x) = with_x(1, 0.3);
    let count = g.input("count", Spec::f32([1]));
    g.push_with(counter(groups), &[x], &[count])?;
    let mut e = GpuExecutor::new(gpu.clone());
    let program = e.load(Plan::build(&g, &[], Target::Gpu(gpu.caps.clone()))?)?;
    Ok((e, program))
}

/// Waits for a ticket by asking, as a training loop would.
fn arrival(e: &mut GpuExecutor, ticket: wgrad::plan::Ticket) -> Result<f32, Failed> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if let Some(value) = e.collect(&ticket)? {
            return Ok(value.as_f32()[0]);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err("the readback did not arrive within a minute".into())
}

fn readbacks_in_order(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let (mut e, program) = counting(gpu, 1)?;
    let mut tickets = vec![];
    for _ in 0..5 {
        e.run(&program, 3)?;
        tickets.push(e.request("count")?);
    }
    // When the last has arrived, so have the ones before it, each with what
    // the buffer held when it was asked for.
    let last = tickets.pop().ok_or("five were pushed")?;
    equal(arrival(&mut e, last)?, 15.0)?;
    for (i, ticket) in tickets.into_iter().enumerate() {
        let value = e.collect(&ticket)?.ok_or_else(|| format!("readback {i} came after the last"))?;
        equal(value.as_f32(), &[3.0 * (i + 1) as f32])?;
        let again = e.collect(&ticket).err().ok_or("a ticket was collected twice")?;
        contains(&again.to_string(), &["collected already"])?;
    }
    Ok(())
}

/// Asking for a value costs the host less than computing it costs the device.
/// A software adapter may compute within the submit, and llvmpipe does.
fn readback_does_not_wait(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let (mut e, program) = counting(gpu, 64)?;
    e.run(&program, 1)?;
    e.wait()?;
    let start = Instant::now();
    e.run(&program, 4)?;
    let ticket = e.request("count")?;
    let asked = start.elapsed();
    equal(arrival(&mut e, ticket)?, 5.0)?;
    let arrived = start.elapsed();
    eprintln!("on {}, asking took {asked:.1?} of the {arrived:.1?} until the value was there", gpu.adapter.name);
    if gpu.caps.class != Class::Cpu && asked > arrived / 2 {
        return Err(format!("asking took {asked:.1?} of {arrived:.1?}").into());
    }
    Ok(())
}

/// A named tensor, and a temporary of a lowering, that kernels could not count.
fn uncountable() -> Result<(), Failed> {
    let caps = Caps { binding_bytes: u64::MAX, buffer_bytes: u64::MAX, ..Caps::floor(Class::Discrete) };
    for (n, target) in [(1 << 32, Target::Cpu), (1 << 63, Target::Cpu), (1 << 32, Target::Gpu(caps))] {
        let mut g = Graph::new();
        let x = g.input("x", Spec::u32([n, 4]));
        let error = Plan::build(&g, &[x], target).err().ok_or("the planner accepted it")?;
        contains(&error.to_string(), &["x has shape", "more than 4294967295 elements"])?;
    }
    Ok(())
}

/// Bit-equal however it is cut: 5,000 dispatches of a step, each of which reads what
/// the one before has written.
fn many_dispatches(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    const N: usize = 5000;
    let (mut g, x) = with_x(100, 0.7);
    let factor = g.constant(HostTensor::f32([1], vec![1.000_1]));
    let mut y = x;
    for _ in 0..N {
        y = g.mul(y, factor)?;
    }
    let plan = || {
        let options = Options { fuse: false, ..Options::default() };
        Plan::with(&g, &[y], Target::Gpu(gpu.caps.clone()), &options)
    };
    let mut e = GpuExecutor::new(gpu.clone());
    let program = e.load(plan()?)?;
    e.run(&program, 1)?;
    let whole = e.fetch(&program, y)?;
    let submits = e.submits();
    if !(N as u64 / 256..N as u64).contains(&submits) {
        return Err(format!("{submits} submits for {N} dispatches").into());
    }
    e.poison(&program);
    (0..N).try_for_each(|step| e.run_step(&program, step))?;
    equal(e.fetch(&program, y)?.bytes(), whole.bytes())?;
    let expected = (0..N).fold(0.7f32, |y, _| y * 1.000_1);
    equal(whole.as_f32(), &[expected; 100])?;
    // Timing cuts it too, and counts all of it.
    e.poison(&program);
    let timeline = e.time(&program, 1)?;
    if timeline.clock != Clock::Runs {
        equal(timeline.runs[0].kernels.len(), N)?;
    }
    equal(e.fetch(&program, y)?.bytes(), whole.bytes())
}

/// Dispatches that take far longer than their op says, which is nothing at all.
fn slow_dispatches(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    const N: usize = 12;
    let (mut g, x) = with_x(1, 0.3);
    let count = g.input("count", Spec::f32([1]));
    for _ in 0..N {
        g.push_with(counter(16), &[x], &[count])?;
    }
    let mut e = GpuExecutor::new(gpu.clone());
    let program = e.load(Plan::build(&g, &[], Target::Gpu(gpu.caps.clone()))?)?;
    e.run(&program, 1)?;
    e.wait()?;
    let (before, begun) = (e.submits(), Instant::now());
    e.run(&program, 2)?;
    e.wait()?;
    let (submits, seconds) = (e.submits() - before, begun.elapsed().as_secs_f64());
    equal(e.read("count")?.as_f32()[0], 3.0 * N as f32)?;
    eprintln!("on {}, {} dispatches took {seconds:.2} s in {submits} submits", gpu.adapter.name, 2 * N);
    // The first run said how slow they are: half of it is forgiven.
    let least = (seconds / 0.2).min(N as f64) as u64;
    match submits >= least {
        true => Ok(()),
        false => Err(format!("{submits} submits in {seconds:.2} seconds, expected {least}").into()),
    }
}

/// Sessions on clones of a device share what was compiled, also when the first is
/// gone.
fn second_session(_: &Arc<Gpu>) -> Result<(), Failed> {
    // Other trials compile on the shared one at the same time.
    let device = Device::Gpu(open(Checks::Off).ok_or(NO_ADAPTER)?);
    let Device::Gpu(gpu) = device.clone() else { unreachable!("it was opened as one") };
    let train = || -> Result<Vec<f32>, Failed> {
        let model = Model::new(preset("lenet")?, Some([1, 28, 28].into()), Some(10))?;
        let set = bands(40, 1);
        let names = set.targets.names().to_vec();
        let mut s = Session::new(device.clone(), model, Interface::of_images(names, &[NORMAL]), Weights::new(1))?;
        s.prepare_training(&set, &settings(&[("train.batch_size", 8.into())]))?;
        s.steps(5)?;
        Ok(s.predict(&set)?)
    };
    let first = train()?;
    let [compiled, kept] = gpu.pipelines();
    if compiled < 10 || kept != compiled {
        return Err(format!("{compiled} pipelines were compiled, {kept} of them are kept").into());
    }
    equal(train()?, first)?;
    equal(gpu.pipelines(), [compiled, kept])
}

/// What `tests/ops.rs` puts behind every buffer shows a kernel that goes too far, by one
/// element or by 64.
fn out_of_bounds(gpu: &Arc<Gpu>) -> Result<(), Failed> {
    let text = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
override AT: u32;
@compute @workgroup_size(64) fn probe(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < 10u { y[id.x] = x[id.x]; }
    if id.x == 10u { y[AT] = 7.0; }
}";
    for (at, named) in [(9, true), (9, false), (10, true), (10, false), (73, true), (73, false)] {
        let (mut g, x) = with_x(10, 1.0);
        let outputs: &[Spec] = if named { &[] } else { &[Spec::f32([10])] };
        let probe = Probe::new(text, outputs, |k| {
            let d = k.set("AT", at).dispatch([1, 1, 1]).input("x", 0);
            if named { d.update("y", 0) } else { d.output("y", 0) }
        });
        let updates: Vec<TensorId> = named.then(|| g.input("state", Spec::f32([10]))).into_iter().collect();
        let fetched = g.push_with(probe, &[x], &updates)?;
        let mut plan = Plan::build(&g, &fetched, Target::Gpu(gpu.caps.clone()))?;
        let guards = guards::guard(&mut plan);
        let mut e = GpuExecutor::new(gpu.clone());
        let program = e.load(plan)?;
        for name in ["x", "state"].iter().filter(|name| **name == "x" || named) {
            let mut content = HostTensor::f32([74], vec![1.0; 74]);
            guards::arm(&mut content);
            e.write(name, &content)?;
        }
        e.poison(&program);
        e.run(&program, 1)?;
        let seen = guards.check(&mut e, &program);
        match (at, &seen) {
            (9, Ok(())) => {}
            (10.., Err(why)) => contains(why, &["behind the end of", "was written"])?,
            _ => return Err(format!("a write at {at} of 10, {named}: {}", seen.is_err()).into()),
        }
    }
    Ok(())
}
