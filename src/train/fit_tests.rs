use super::*;
use crate::data::{Interface, Normal, Samples, Targets};
use crate::device::Device;
use crate::eval::Point;
use crate::nn::Description;
use crate::train::progress::Kept;
use crate::train::{checkpoint, model_for};

/// What a training says, in order.
#[derive(Debug, Default, PartialEq)]
struct Notes {
    points: Vec<Point>,
    epochs: Vec<(usize, Scores)>,
    kept: Vec<(usize, checkpoint::Files)>,
}

impl Progress for Notes {
    fn begin(&mut self, _: usize, _: usize, _: usize) {}
    fn step(&mut self, _: usize, _: Option<Scores>) {}
    fn point(&mut self, point: &Point) -> Result<()> {
        self.points.push(point.clone());
        Ok(())
    }
    fn end(&mut self, epoch: &Epoch) -> Result<()> {
        self.epochs.push((epoch.step, epoch.train.clone()));
        Ok(())
    }
    fn keeps(&self) -> bool {
        true
    }
    fn keep(&mut self, checkpoint: &Kept) -> Result<()> {
        self.kept.push((checkpoint.step, checkpoint.files.clone()));
        Ok(())
    }
}

/// A training on 41 samples in 21 batches.
fn trained(s: &Settings, at_once: usize) -> Notes {
    let x: Vec<f32> = (0..41 * 3).map(|i| (i * 7 % 11) as f32).collect();
    let targets = Targets::Values { values: x.chunks(3).map(|x| x[0] - x[2]).collect(), names: vec!["y".into()] };
    let set = Dataset {
        name: "set".into(),
        shape: vec![3],
        samples: Samples::Floats(x.into()),
        targets,
        origin: Default::default(),
    };
    let interface = Interface::of(&set, Normal::learn(&set, Default::default()));
    let description = Description::parse("[[layer]]\ntype = \"Dense\"\nunits = \"classes\"").unwrap();
    let model = model_for(description, &[3], &interface).unwrap();
    let mut session = Session::new(Device::Cpu, model, interface, Weights::new(0)).unwrap();
    session.at_once = at_once;
    let mut notes = Notes::default();
    fit(&mut session, &set, None, s, &mut notes).unwrap();
    notes
}

/// A GPU gets several batches at once. They end where something is to be looked at, so that all is as
/// it is batch by batch: points of the curves, checkpoints, the last step, the windows of a streamed set.
#[test]
fn batches_that_are_handed_over_at_once_change_nothing() {
    let plain = Settings { batch_size: 2, epochs: 30, ..Settings::default() };
    let with = |change: fn(&mut Settings)| {
        let mut s = plain.clone();
        change(&mut s);
        s
    };
    for s in [
        plain.clone(),
        with(|s| s.checkpoint_every = Some(5)),
        with(|s| s.max_steps = Some(401)),
        with(|s| s.data.device_bytes = Some(200)),
        with(|s| {
            s.update.accumulate = 4;
            (s.checkpoint_every, s.max_steps, s.data.device_bytes) = (Some(5), Some(101), Some(300));
        }),
    ] {
        let one_by_one = trained(&s, 1);
        assert!(one_by_one.points.len() > 20 && !one_by_one.kept.is_empty());
        assert!(trained(&s, 8) == one_by_one, "at once it is another training: {:?}", s.checkpoint_every);
    }
}
