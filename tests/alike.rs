//! The CPU path and the GPU under test train alike: every integer and every random draw has the same bits at
//! every step, and losses part by rounding alone.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeSet;
use std::sync::Arc;
use support::device::{announce, floor_caps, gpu_trial};
use support::training::{NORMAL, bands, device, losses, settings};
use wgrad::cpu::Cpu;
use wgrad::data::Interface;
use wgrad::gpu::{Gpu, GpuExecutor};
use wgrad::graph::{Graph, Init, TensorId};
use wgrad::kernel::Class;
use wgrad::nn::{Description, Model, Weights};
use wgrad::ops::augment_images::Augmentation;
use wgrad::ops::mix_batch::MixBatch;
use wgrad::ops::select_rows::Order;
use wgrad::plan::{Executor, Plan, Target};
use wgrad::tensor::HostTensor;
use wgrad::tensor::random::{Random, stream};
use wgrad::train::Session;

fn main() {
    let args = Arguments::from_args();
    let mut trials: Vec<Trial> = [("registers", Class::Cpu), ("workgroups", Class::Discrete)]
        .into_iter()
        .map(|(kind, class)| gpu_trial(format!("draws_are_the_same_bits::{kind}"), move |gpu| draws(gpu, class)))
        .collect();
    trials.push(gpu_trial("losses_part_by_rounding_alone".into(), |_| trainings()));
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// Rows of the set, and those of a batch: the last of an epoch is short.
const ROWS: usize = 50;
const BATCH: usize = 8;
const IMAGE: [usize; 3] = [1, 8, 9];

/// What is made of the numbers that are drawn for a picture.
const MOVES: &str = "how pictures are moved";

/// What is drawn in a step: the rows of a batch and how many they are, pictures that are moved and erased, which of
/// them are mixed and how much of each is kept, masks; and the graph, which ends with the clock's tick.
fn drawn() -> wgrad::Result<(Graph, Vec<(&'static str, TensorId)>)> {
    let pixels = IMAGE.iter().product::<usize>();
    let mut random = Random::new(3, stream::CASES);
    let bytes: Vec<u8> = (0..ROWS * pixels).map(|_| random.below(256) as u8).collect();
    let words = wgrad::tensor::pack_bytes(&bytes);
    let mut g = Graph::new();
    let mut given = |name: &str, value: HostTensor| g.persistent(name, value.spec(), Init::Data(Arc::new(value)));
    let data = given("data", HostTensor::u32([words.len()], words));
    let clock = given("clock", HostTensor::u32([4], vec![0, 0, 0, 21]));
    let scale = given("scale", HostTensor::f32([1], vec![1.0]));
    let shift = given("shift", HostTensor::f32([1], vec![0.0]));
    let ones = given("ones", HostTensor::f32([BATCH, 33], vec![1.0; BATCH * 33]));
    let copies = Augmentation {
        flip_horizontal: 0.5,
        flip_vertical: 0.3,
        crop_padding: 2,
        erase: 0.5,
        ..Augmentation::default()
    };
    let mix = MixBatch { mixup: 0.4, cutmix: 1.0, probability: 0.7, each: true };
    let (index, rows) = g.select_rows(clock, ROWS, BATCH, Order::Shuffled)?;
    let params = g.draw_augmentation(data, index, clock, ROWS, IMAGE, copies)?;
    let pictures = g.resample_images(data, index, params, clock, scale, shift, ROWS, IMAGE, copies)?;
    let (plan, shares) = g.plan_mix(pictures, rows, clock, mix)?;
    let mask = g.dropout(ones, 0.3, clock, 2)?;
    g.tick(clock, ROWS.div_ceil(BATCH))?;
    let found = [
        ("rows of a batch", index),
        ("their number", rows),
        (MOVES, params),
        ("pictures", pictures),
        ("pairs that are mixed", plan),
        ("shares of a pair", shares),
        ("mask", mask),
    ];
    Ok((g, found.to_vec()))
}

fn draws(gpu: &Arc<Gpu>, class: Class) -> Result<(), Failed> {
    let (g, looked_at) = drawn()?;
    let fetches: Vec<TensorId> = looked_at.iter().map(|(_, t)| *t).collect();
    let (mut cpu, mut device) = (Cpu::<f32>::new(), GpuExecutor::new(gpu.clone()));
    let on_cpu = cpu.load(Plan::build(&g, &fetches, Target::Cpu)?)?;
    let on_device = device.load(Plan::build(&g, &fetches, Target::Gpu(floor_caps(gpu, class)))?)?;
    let mut kinds = vec![BTreeSet::new(); looked_at.len()];
    for step in 0..200 {
        cpu.run(&on_cpu, 1)?;
        device.run(&on_device, 1)?;
        for ((name, tensor), kinds) in looked_at.iter().zip(&mut kinds) {
            let (a, b) = (cpu.fetch(&on_cpu, *tensor)?, device.fetch(&on_device, *tensor)?);
            // Of what follows from the draws a zero may be negative.
            let same = if *name == MOVES { a.as_f32() == b.as_f32() } else { a.bytes() == b.bytes() };
            if !same {
                return Err(format!("step {step}: {name}: {a:?} on the CPU, {b:?} on the GPU").into());
            }
            kinds.insert(a.bytes().to_vec());
        }
    }
    for ((name, _), kinds) in looked_at.iter().zip(&kinds) {
        // Whole batches and the short one; everything else is drawn anew.
        let expected = if *name == "their number" { 2 } else { 170 };
        if kinds.len() < expected {
            return Err(format!("{name}: {} kinds in 200 steps", kinds.len()).into());
        }
    }
    let [a, b] = [cpu.read("clock")?, device.read("clock")?];
    if a.as_u32() == [200, 200 % 7, 200 / 7, 21] && a.bytes() == b.bytes() {
        return Ok(());
    }
    Err(format!("the clock is {a:?} on the CPU, {b:?} on the GPU").into())
}

const NET: &str = "[[layer]]\ntype = \"Conv2D\"\nfilters = 4\nkernel_size = 3\n[[layer]]\ntype = \
                   \"BatchNormalization\"\n[[layer]]\ntype = \"Activation\"\nactivation = \"relu\"\n[[layer]]\ntype = \
                   \"MaxPooling2D\"\npool_size = 4\n[[layer]]\ntype = \"Flatten\"\n[[layer]]\ntype = \"Dropout\"\nrate = \
                   0.3\n[[layer]]\ntype = \"Dense\"\nunits = \"classes\"\n";

/// Steps that are trained, and how far a loss may be from the CPU's: relative to it, over the first few and over
/// all. `docs/trust.md` states the bounds.
const STEPS: usize = 300;
const FIRST: (usize, f64) = (10, 1e-5);
const ALL: f64 = 1e-3;

fn trainings() -> Result<(), Failed> {
    let set = bands(16 * 12 - 3, 1);
    let settings = settings(&[
        ("train.batch_size", 16.into()),
        ("train.clip_norm", 1.0.into()),
        ("augment.flip_horizontal", true.into()),
        ("augment.crop_padding", 2.into()),
        ("augment.rotation", 5.0.into()),
        ("augment.mixup", 0.2.into()),
        ("optimizer.name", "adam".into()),
        ("optimizer.lr", 0.003.into()),
    ]);
    let of = |on_gpu: bool| -> wgrad::Result<Vec<f64>> {
        let model = Model::new(Description::parse(NET)?, Some([1, 28, 28].into()), Some(10))?;
        let classes = (0..10).map(|i| i.to_string()).collect();
        let interface = Interface::of_images(classes, &[NORMAL]);
        let mut session = Session::new(device(on_gpu), model, interface, Weights::new(1))?;
        session.prepare_training(&set, &settings)?;
        losses(&mut session, STEPS)
    };
    let [on_cpu, on_gpu] = [of(false)?, of(true)?];
    let apart: Vec<f64> = on_cpu.iter().zip(&on_gpu).map(|(a, b)| (a - b).abs() / a).collect();
    let worst = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    let (first, all) = (worst(&apart[..FIRST.0]), worst(&apart));
    if first > FIRST.1 || all > ALL || apart.iter().any(|x| x.is_nan()) {
        return Err(format!(
            "losses are {first:.1e} apart in the first {} steps ({:.0e} allowed), {all:.1e} in {STEPS} ({ALL:.0e} allowed)",
            FIRST.0, FIRST.1
        )
        .into());
    }
    // They learn, so that there is something to differ in.
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (begins, ends) = (mean(&on_cpu[..12]), mean(&on_cpu[STEPS - 12..]));
    if ends < 0.8 * begins { Ok(()) } else { Err(format!("the loss goes from {begins} to {ends}").into()) }
}
