//! Short trainings of presets on a device beside the CPU's: the same weights, the same
//! batches, the same draws, so that the losses agree but for rounding. The first step runs
//! op by op beside the judge as well: there kernels are fused as training fuses them.

use super::verdict::{Status, Training};
use crate::data::{self, Dataset, Interface, Normal, Samples, Targets};
use crate::device::Device;
use crate::error::Result;
use crate::kernel::Refusal;
use crate::nn::{Description, Weights};
use crate::tensor::random::{Random, stream};
use crate::train::{Session, Settings, model_for, set};
use crate::verify::WHOLE_STEP;

/// The presets, and whether a quick examination trains them.
const PRESETS: [(&str, bool); 5] =
    [("mlp", true), ("keras-cnn", true), ("resnet8", false), ("vit-tiny", false), (TEXT, false)];

/// The one that reads text.
const TEXT: &str = "char-gpt";

/// Samples of a step.
const BATCH: usize = 16;
/// Steps of a training, and of a quick one.
const STEPS: [usize; 2] = [12, 4];
/// How far the first loss may be from the CPU's, relative to it, and how much that grows with
/// every step: rounding errors do as training goes on.
const FIRST: f64 = 1e-4;
const GROWTH: f64 = 1.6;
/// Classes of the characters of a made-up text, and its characters.
const VOCABULARY: usize = 48;
const CONTEXT: usize = 64;

/// Trains the presets. What an op by itself computes wrongly joins what is refused.
pub(super) fn run(
    device: &Device,
    quick: bool,
    mut refused: Vec<Refusal>,
    said: &mut dyn FnMut(&str),
) -> Result<(Vec<Training>, Vec<Refusal>)> {
    let mut found = vec![];
    for (preset, _) in PRESETS.iter().filter(|(_, in_quick)| *in_quick || !quick) {
        said(&format!("training {preset}"));
        let steps = STEPS[usize::from(quick)];
        let mut training =
            Training { model: preset.to_string(), steps, status: Status::Right, losses: [vec![], vec![]], why: None };
        match beside(device, preset, steps, &mut training, &mut refused) {
            Ok(()) => {}
            Err(e) => (training.status, training.why) = (Status::Failed, Some(e.to_string())),
        }
        found.push(training);
    }
    Ok((found, refused))
}

fn beside(device: &Device, preset: &str, steps: usize, t: &mut Training, refused: &mut Vec<Refusal>) -> Result<()> {
    let (data, interface) = data_for(preset)?;
    let mut table = toml::Table::new();
    set(&mut table, "train.batch_size", (BATCH as i64).into())?;
    let settings = Settings::read(table)?;
    let mut of = |device: Device, verify: bool| -> Result<Vec<f64>> {
        let model = model_for(Description::named(preset)?, &data.shape, &interface)?;
        let model = if preset == TEXT { model.with_vocabulary(Some(VOCABULARY)) } else { model };
        let mut session = Session::new(device, model, interface.clone(), Weights::new(0))?;
        session.prepare_training(&data, &settings)?;
        let mut losses = vec![];
        for step in 0..steps {
            session.reset_metrics()?;
            match (verify && step == 0).then(|| session.verified_step()).transpose()? {
                Some(Err(wrong)) => {
                    t.why = Some(format!("the first step: {wrong}"));
                    if wrong.op != WHOLE_STEP {
                        let (op, variant) = (wrong.kernel.clone(), wrong.variant.clone());
                        refused.push(Refusal { op, variant, why: format!("training {preset}: {wrong}") });
                    }
                    return Ok(losses);
                }
                Some(Ok(_)) => {}
                None => session.steps(1)?,
            }
            losses.push(session.scores()?.loss);
        }
        Ok(losses)
    };
    let found = of(device.clone(), true)?;
    let cpu = of(Device::Cpu, false)?;
    let mut allowed = FIRST;
    for (step, (a, b)) in found.iter().zip(&cpu).enumerate() {
        let error = (a - b).abs() / b.abs().max(1e-9);
        if t.why.is_none() && (error.is_nan() || error > allowed) {
            t.why =
                Some(format!("step {}: the loss is {a}, the CPU's {b}: {error:.1e}, {allowed:.1e} allowed", step + 1));
        }
        allowed *= GROWTH;
    }
    t.losses = [found, cpu];
    if t.why.is_some() {
        t.status = Status::Wrong;
    }
    Ok(())
}

/// Samples for a preset: the built-in digits, or a made-up text.
fn data_for(preset: &str) -> Result<(Dataset, Interface)> {
    let n = BATCH * 8;
    if preset != TEXT {
        let digits = data::open("digits", 0)?.train;
        let interface = Interface::of_images(digits.classes.clone(), &digits.channel_stats());
        let digits: Dataset = digits.into();
        return Ok((digits.select(&(0..n).collect::<Vec<_>>()), interface));
    }
    let mut r = Random::new(1, stream::CASES);
    // A text with some order in it: each token follows from the one before or is drawn.
    let mut token = 0u32;
    let mut next = || {
        token = if r.below(4) == 0 { r.below(VOCABULARY as u32) } else { (token * 7 + 3) % VOCABULARY as u32 };
        token
    };
    let text: Vec<u32> = (0..n * CONTEXT + 1).map(|_| next()).collect();
    let set = Dataset {
        name: "made-up text".into(),
        shape: vec![CONTEXT],
        samples: Samples::Tokens(text[..n * CONTEXT].to_vec().into()),
        targets: Targets::Sequence {
            labels: text[1..].to_vec().into(),
            positions: CONTEXT,
            names: (0..VOCABULARY).map(|i| i.to_string()).collect(),
        },
        origin: Default::default(),
    };
    let interface = Interface::of(&set, Normal::default());
    Ok((set, interface))
}
