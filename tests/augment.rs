//! Augmentation against PyTorch's `grid_sample` and against copies made by
//! hand: on the f64 judge, in f32 and on the GPU under test.
//! `assets/goldens/make_augment.py` made the golden.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use safetensors::SafeTensors;
use std::sync::Arc;
use support::device::{announce, floor_caps, gpu_trial};
use wgrad::cpu::Cpu;
use wgrad::gpu::GpuExecutor;
use wgrad::graph::{Graph, Init, TensorId};
use wgrad::kernel::Class;
use wgrad::ops::augment_images::{Augmentation, Outside};
use wgrad::plan::{Executor, Plan, Target};
use wgrad::tensor::{HostTensor, pack_bytes};

const FILE: &[u8] = include_bytes!("../assets/goldens/augment.safetensors");

/// What each fill is called in the golden.
const FILLS: [(&str, Outside); 3] = [("zero", Outside::Zero), ("edge", Outside::Edge), ("reflect", Outside::Reflect)];

type Run = fn(&mut dyn Executor, Target) -> Result<(), Failed>;

fn main() {
    let args = Arguments::from_args();
    let mut trials: Vec<Trial> = FILLS
        .iter()
        .map(|&(name, fill)| Trial::test(format!("torch_{name}::judge"), move || judge(name, fill)))
        .collect();
    let checks: [(&str, Run); 3] =
        [("torch", torch), ("copies", flips_and_crops_are_copies), ("slots", pictures_follow_the_slot)];
    for (name, check) in checks {
        trials.push(Trial::test(format!("{name}::cpu"), move || check(&mut Cpu::<f32>::new(), Target::Cpu)));
        for (kind, class) in [("gpu_registers", Class::Cpu), ("gpu_workgroups", Class::Discrete)] {
            trials.push(gpu_trial(format!("{name}::{kind}"), move |gpu| {
                check(&mut GpuExecutor::new(gpu.clone()), Target::Gpu(floor_caps(gpu, class)))
            }));
        }
    }
    announce();
    libtest_mimic::run(&args, trials).exit();
}

/// A set of images as a graph takes it.
struct Set {
    graph: Graph,
    image: [usize; 3],
    n: usize,
    inputs: [TensorId; 5],
}

/// `inputs` are data, index, clock, scale 1 and shift 0; `set` keeps its buffers
/// apart from those of others on one executor.
fn set(set: &str, bytes: &[u8], image: [usize; 3], index: Vec<u32>) -> Set {
    let mut graph = Graph::new();
    let mut given = |name: &str, value: HostTensor| {
        graph.persistent(&format!("{set}.{name}"), value.spec(), Init::Data(Arc::new(value)))
    };
    let words = pack_bytes(bytes);
    let inputs = [
        given("data", HostTensor::u32([words.len()], words)),
        given("index", HostTensor::u32([index.len()], index)),
        given("clock", HostTensor::u32([4], vec![5, 0, 0, 21])),
        given("scale", HostTensor::f32([image[0]], vec![1.0; image[0]])),
        given("shift", HostTensor::f32([image[0]], vec![0.0; image[0]])),
    ];
    Set { graph, image, n: bytes.len() / image.iter().product::<usize>(), inputs }
}

/// The golden's images, moved as its parameters say.
fn golden(outside: Outside) -> wgrad::Result<(Graph, TensorId)> {
    let file = SafeTensors::deserialize(FILE).expect("the golden is whole");
    let images = file.tensor("images").expect("the script writes them");
    let params = file.tensor("params").expect("the script writes them");
    let shape = images.shape();
    let mut s = set("golden", images.data(), [shape[1], shape[2], shape[3]], (0..shape[0] as u32).collect());
    let words = params.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")));
    let value = HostTensor::f32(params.shape(), words.collect());
    let params = s.graph.persistent("params", value.spec(), Init::Data(Arc::new(value)));
    // Any rotation makes it look between pixels.
    let how = Augmentation { rotation: 1.0, outside, ..Augmentation::default() };
    let [data, index, clock, scale, shift] = s.inputs;
    let x = s.graph.resample_images(data, index, params, clock, scale, shift, s.n, s.image, how)?;
    Ok((s.graph, x))
}

fn expected(name: &str) -> Vec<f64> {
    let file = SafeTensors::deserialize(FILE).expect("the golden is whole");
    let view = file.tensor(name).expect("the script writes it");
    view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes"))).collect()
}

/// Compares bytes of pictures.
fn close(what: &str, found: &[f64], torch: &[f64], slack: f64) -> Result<(), Failed> {
    if found.len() != torch.len() {
        return Err(format!("{what}: {} elements, PyTorch {}", found.len(), torch.len()).into());
    }
    for (i, (f, t)) in found.iter().zip(torch).enumerate() {
        let error = (f - t).abs();
        if error.is_nan() || error > slack {
            return Err(format!("{what}[{i}]: found {f}, PyTorch {t}").into());
        }
    }
    Ok(())
}

fn judge(name: &str, outside: Outside) -> Result<(), Failed> {
    let (graph, x) = golden(outside)?;
    let mut cpu = Cpu::<f64>::new();
    let program = cpu.load(Plan::build(&graph, &[x], Target::Cpu)?)?;
    cpu.run(&program, 1)?;
    close(name, &cpu.values(&program, x)?, &expected(name), 1e-9)
}

fn torch(e: &mut dyn Executor, target: Target) -> Result<(), Failed> {
    for (name, outside) in FILLS {
        let (graph, x) = golden(outside)?;
        let program = e.load(Plan::build(&graph, &[x], target.clone())?)?;
        e.run(&program, 1)?;
        let found: Vec<f64> = e.fetch(&program, x)?.as_f32().iter().map(|&v| v.into()).collect();
        // Coordinates below 32 rounded a few times, between bytes far apart.
        close(name, &found, &expected(name), 255.0 * 32.0 * 4.0 * f64::from(f32::EPSILON))?;
    }
    Ok(())
}

/// Images of random bytes.
fn noise(n: usize, image: [usize; 3]) -> Vec<u8> {
    let mut random = wgrad::tensor::random::Random::new(3, wgrad::tensor::random::stream::CASES);
    (0..n * image.iter().product::<usize>()).map(|_| random.below(256) as u8).collect()
}

/// A flip and a shift by whole pixels move bytes and change none, also where
/// the look-up could blend; the parameters say where to.
fn flips_and_crops_are_copies(e: &mut dyn Executor, target: Target) -> Result<(), Failed> {
    let (image, n) = ([3, 7, 10], 64);
    let [c, h, w] = image;
    let bytes = noise(n, image);
    let copy = Augmentation { flip_horizontal: 0.5, flip_vertical: 0.5, crop_padding: 3, ..Augmentation::default() };
    // An angle of nothing at all: the same picture, by the way of blending.
    let blend = Augmentation { rotation: f32::MIN_POSITIVE, ..copy };
    for how in [copy, blend] {
        let mut s = set("copies", &bytes, image, (0..n as u32).collect());
        let [data, index, clock, scale, shift] = s.inputs;
        let params = s.graph.draw_augmentation(data, index, clock, n, image, copy)?;
        let x = s.graph.resample_images(data, index, params, clock, scale, shift, n, image, how)?;
        let program = e.load(Plan::build(&s.graph, &[params, x], target.clone())?)?;
        e.run(&program, 1)?;
        let (params, x) = (e.fetch(&program, params)?, e.fetch(&program, x)?);
        let (params, x) = (params.as_f32(), x.as_f32());
        let mut kinds = std::collections::BTreeSet::new();
        for (at, &found) in x.iter().enumerate() {
            let (slot, channel, row, col) = (at / (c * h * w), at / (h * w) % c, at / w % h, at % w);
            let p = &params[slot * 16..][..16];
            kinds.insert([p[0] as i32, p[3] as i32, p[4] as i32, p[5] as i32]);
            let from = [p[0] * col as f32 + p[4], p[3] * row as f32 + p[5]];
            let inside = from[0] >= 0.0 && from[0] < w as f32 && from[1] >= 0.0 && from[1] < h as f32;
            let place = ((slot * c + channel) * h + from[1].max(0.0) as usize) * w + from[0].max(0.0) as usize;
            let byte = if inside { f32::from(bytes[place]) } else { 0.0 };
            if from.iter().any(|f| f.fract() != 0.0) || p[1] != 0.0 || p[2] != 0.0 || found != byte {
                return Err(format!("slot {slot} at {channel}, {row}, {col}: {found}, not {byte}; {p:?}").into());
            }
        }
        if kinds.len() < n / 2 {
            return Err(format!("{} kinds of moves in {n} slots", kinds.len()).into());
        }
    }
    Ok(())
}

/// The same images at other rows of the data make the same pictures, bit for
/// bit: randomness follows the slot.
fn pictures_follow_the_slot(e: &mut dyn Executor, target: Target) -> Result<(), Failed> {
    let (image, n) = ([3, 8, 9], 10);
    let bytes = noise(n, image);
    let backwards: Vec<u8> = bytes.chunks(216).rev().flatten().copied().collect();
    let how = Augmentation {
        flip_horizontal: 0.5,
        rotation: 20.0,
        elastic_alpha: 1.0,
        contrast: 0.5,
        saturation: 0.5,
        noise: 0.05,
        erase: 0.5,
        ..Augmentation::default()
    };
    let mut pictures = vec![];
    for (name, bytes, index) in [("forth", &bytes, [1, 9, 9, 4]), ("back", &backwards, [8, 0, 0, 5])] {
        let mut s = set(name, bytes, image, index.to_vec());
        let [data, index, clock, scale, shift] = s.inputs;
        let x = s.graph.augment_images(data, index, clock, scale, shift, n, image, how)?;
        let program = e.load(Plan::build(&s.graph, &[x], target.clone())?)?;
        e.run(&program, 1)?;
        pictures.push(e.fetch(&program, x)?);
    }
    if pictures[0].bytes() != pictures[1].bytes() {
        return Err("the pictures depend on where the images lie".into());
    }
    let [second, third] = [1, 2].map(|slot| &pictures[0].as_f32()[slot * 216..(slot + 1) * 216]);
    if second == third {
        return Err("one image makes one picture in two slots".into());
    }
    Ok(())
}
