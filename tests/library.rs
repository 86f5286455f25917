//! The library as another program uses it: trainer, predictor, layers and losses of its
//! own, and errors for what does not fit.

use std::sync::{Arc, Mutex};
use wgrad::nn::layers;
use wgrad::prelude::*;

/// Points whose class is the sign of their first coordinate.
fn halves(n: usize) -> Dataset {
    let samples: Vec<f32> = (0..2 * n).map(|i| ((i * 7_919) % 1_000) as f32 / 500.0 - 0.999).collect();
    let labels = samples.chunks(2).map(|x| u32::from(x[0] > 0.0)).collect();
    Dataset::of_classes("halves", &[2], samples, labels, &["left", "right"]).unwrap()
}

fn small() -> Sequential {
    Sequential::new().add(Dense::new(8).activation("relu")).add(Dense::new(2))
}

#[test]
fn arrays_in_memory_are_trained_on_saved_and_answered_for() {
    let mut trained =
        Trainer::new().model(small()).data(halves(256)).epochs(20).lr(0.05).seed(3).device("cpu").fit().unwrap();
    assert_eq!(trained.history().len(), 20);
    assert!(trained.figure("accuracy").unwrap() > 0.9, "{:?}", trained.figure("accuracy"));
    assert!(trained.evaluation().is_some() && trained.folder.is_none());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("halves.safetensors");
    trained.save(&file).unwrap();
    let points = [-0.9, 0.0, 0.9, 0.0];
    let own = trained.into_predictor().unwrap().tensors(&points).unwrap();
    let device = wgrad::run::request::DeviceRequest::named("cpu");
    let again = Predictor::open_on(&file, &device).unwrap().tensors(&points).unwrap();
    assert_eq!(own, again);
    assert_eq!([again[0].class(), again[1].class()], [Some("left"), Some("right")]);
    assert_eq!(again[0].names(), ["left", "right"]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let names = |e: Error, parts: &[&str]| {
        let text = e.to_string();
        assert!(parts.iter().all(|p| text.contains(p)), "{text}");
    };
    let labels = Dataset::of_classes("set", &[2], vec![0.0; 4], vec![0, 2], &["a", "b"]);
    names(labels.unwrap_err(), &["class 2", "below 2"]);
    names(Dataset::of_classes("set", &[2], vec![0.0; 5], vec![0, 1], &["a", "b"]).unwrap_err(), &["5 elements"]);
    names(Dataset::of_values("set", &[2], vec![0.0; 4], vec![1.0; 3], &["y", "z"]).unwrap_err(), &["3 targets"]);
    let trainer = || Trainer::new().model(small()).data(halves(32)).epochs(1).device("cpu");
    names(trainer().model(Sequential::new().add(Dense::new(3))).fit().err().unwrap(), &["3 outputs", "2 classes"]);
    names(trainer().loss("mse_").fit().err().unwrap(), &["unknown loss", "did you mean \"mse\"?"]);
    names(trainer().device("no such").fit().err().unwrap(), &["no such"]);
    names(Trainer::new().data("no such file").fit().err().unwrap(), &["no such file"]);
    let test = Trainer::new().data("builtin:digits").test(halves(8)).fit().err().unwrap();
    names(test, &["in memory"]);
    let broken = Dataset { shape: vec![3], ..halves(8) };
    names(trainer().validation(broken).fit().err().unwrap(), &["16 elements"]);
    let mut predictor = trainer().fit().unwrap().into_predictor().unwrap();
    names(predictor.tensors(&[0.0; 3]).unwrap_err(), &["3 numbers", "2 numbers each"]);
    names(predictor.csv("a,b\n1,2\n").unwrap_err(), &["rows of a table", "images or arrays"]);
    names(predictor.texts(&["a"]).unwrap_err(), &["texts"]);
    names(predictor.pictures(&["a.png"]).unwrap_err(), &["pictures"]);
    assert_eq!(predictor.tensors(&[]).unwrap(), []);
}

#[test]
fn rows_are_answered_for_as_text_and_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("flats.csv");
    let row =
        |i: usize| format!("{},{},{}\n", 30 + i * 37 % 90, ["north", "south"][i % 2], i * 37 % 90 + 500 * (i % 2));
    std::fs::write(&file, "size,district,price\n".to_string() + &(0..200).map(row).collect::<String>()).unwrap();
    let trained = Trainer::new().data(file.as_path()).target("price").epochs(40).device("cpu").fit().unwrap();
    assert!(trained.figure("r2").unwrap() > 0.9, "{:?}", trained.figure("r2"));
    let mut predictor = trained.into_predictor().unwrap();
    let as_text = predictor.csv("district,size\nnorth,80\nsouth,\n").unwrap();
    let by_name = predictor.rows([vec![("size", "80"), ("district", "north")], vec![("district", "south")]]).unwrap();
    assert_eq!(as_text, by_name);
    let price = as_text[0].as_ref().unwrap().get("price").unwrap();
    assert!((price - 50.0).abs() < 60.0, "{price}");
    assert!(predictor.rows([[("size", "80")]]).unwrap_err().to_string().contains("district"));
}

#[test]
fn pictures_are_the_same_from_files_bytes_and_pixels() {
    // Dark and bright squares.
    let pixels: Vec<u8> = (0..40 * 64).map(|i| if i / 64 % 2 == 0 { i % 90 } else { 160 + i % 90 } as u8).collect();
    let labels = (0..40).map(|i| i % 2).collect();
    let set = Dataset::of_classes("squares", &[1, 8, 8], pixels.clone(), labels, &["dark", "bright"]).unwrap();
    let model = Sequential::new().add(Flatten).add(Dense::new(2));
    let trained = Trainer::new().model(model).data(set).epochs(5).batch_size(8).device("cpu").fit().unwrap();
    let mut predictor = trained.into_predictor().unwrap();
    let own = predictor.pixels(&pixels[..128]).unwrap();
    assert_eq!([own[0].class(), own[1].class()], [Some("dark"), Some("bright")]);
    let dir = tempfile::tempdir().unwrap();
    let squares = pixels[..128].chunks(64).map(|square| image::GrayImage::from_raw(8, 8, square.to_vec()).unwrap());
    let (mut files, mut bytes, mut images) = (vec![], vec![], vec![]);
    for (i, square) in squares.enumerate() {
        let file = dir.path().join(format!("{i}.png"));
        square.save(&file).unwrap();
        bytes.push(std::fs::read(&file).unwrap());
        files.push(file);
        images.push(square.into());
    }
    assert_eq!(predictor.pictures(&files).unwrap(), own);
    assert_eq!(predictor.file(&files[1]).unwrap(), [Some(own[1].clone())]);
    assert_eq!(predictor.picture_bytes(&bytes).unwrap(), own);
    assert_eq!(predictor.images(&images).unwrap(), own);
    let cut = predictor.picture_bytes(&[&bytes[0][..], &bytes[1][..40]]).unwrap_err().to_string();
    assert!(cut.contains("picture 2 of 2") && cut.contains("cannot be decoded"), "{cut}");
}

/// `|outputs - targets|`, written out.
fn absolute(g: &mut Graph, outputs: TensorId, targets: TensorId) -> Result<TensorId> {
    let distance = g.sub(outputs, targets)?;
    let size = g.abs(distance)?;
    g.mean(size, &[1], false)
}

#[test]
fn a_registered_loss_trains_as_the_built_in_one_does() {
    register_loss("absolute", absolute).unwrap();
    register_loss("absolute", absolute).unwrap();
    assert!(register_loss("mse", absolute).unwrap_err().to_string().contains("built in"));
    let samples: Vec<f32> = (0..90).map(|i| i as f32 / 45.0 - 1.0).collect();
    let values = samples.iter().map(|x| 2.0 * x - 1.0).collect();
    let set = Dataset::of_values("line", &[1], samples, values, &["y"]).unwrap();
    let fit = |loss: &str| {
        let model = Sequential::new().add(Dense::new(1));
        let trained = Trainer::new().model(model).data(set.clone()).loss(loss).epochs(5).batch_size(16);
        trained.device("cpu").fit().unwrap().history().iter().map(|e| e.train.loss).collect::<Vec<_>>()
    };
    // 81 rows make a last batch of one: rows that are not there do not count.
    for (own, built_in) in fit("absolute").iter().zip(fit("mae")) {
        assert!((own - built_in).abs() < 1e-5, "{own} {built_in}");
    }
    // Classes come as 1 and 0.
    let classes = Trainer::new().model(small()).data(halves(64)).loss("absolute").epochs(1).device("cpu").fit();
    assert!(classes.unwrap().history()[0].train.loss.is_finite());
}

/// `x * gain`.
#[derive(Debug)]
struct Gain(f64);

impl Gain {
    fn read(keys: &mut Keys) -> Result<Arc<dyn Layer>> {
        Ok(Arc::new(Gain(keys.real("gain", 0.0, 9.0, Some(1.0))?)))
    }
}

impl Layer for Gain {
    fn kind(&self) -> &'static str {
        "Gain"
    }

    fn short(&self) -> &'static str {
        "gain"
    }

    fn build(&self, cx: &mut Build, inputs: &[TensorId]) -> Result<TensorId> {
        cx.g.affine(inputs[0], self.0 as f32, 0.0)
    }

    fn causal(&self, _: &[&Shape]) -> Result<()> {
        Ok(())
    }

    fn to_table(&self) -> Table {
        Table::from_iter([("gain".to_string(), self.0.into())])
    }
}

#[test]
fn a_registered_layer_is_known_to_toml_and_to_checkpoints() {
    let text = "[[layer]]\ntype = \"Gain\"\ngain = 3.0\n[[layer]]\ntype = \"Dense\"\nunits = 2\n";
    assert!(Description::parse(text).unwrap_err().to_string().contains("layer type"));
    layers::register("Gain", Gain::read).unwrap();
    assert!(layers::register("Dense", Gain::read).unwrap_err().to_string().contains("built in"));
    let described = Description::parse(text).unwrap();
    let in_code = Sequential::new().add(Gain(3.0)).add(Dense::new(2));
    let dir = tempfile::tempdir().unwrap();
    let fit = |model: wgrad::run::trainer::ModelSpec, name: &str| {
        let out = dir.path().join(name);
        Trainer::new().model(model).data(halves(64)).epochs(2).device("cpu").out(&out).fit().unwrap();
        let device = wgrad::run::request::DeviceRequest::named("cpu");
        Predictor::open_on(&out, &device).unwrap().tensors(&[0.5, 0.1]).unwrap()
    };
    assert_eq!(fit(described.into(), "toml"), fit(in_code.into(), "code"));
}

/// Notes what it is told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Observer for Log {
    fn say(&mut self, level: Level, text: &str) {
        self.0.lock().unwrap().push(format!("{level:?} {text}"));
    }

    fn end(&mut self, epoch: &Epoch) {
        self.0.lock().unwrap().push(format!("epoch {}", epoch.epoch));
    }
}

#[test]
fn an_observer_hears_what_a_terminal_shows() {
    let log = Log::default();
    Trainer::new().model(small()).data(halves(64)).epochs(2).device("cpu").observer(log.clone()).fit().unwrap();
    let heard = log.0.lock().unwrap();
    for part in ["Info device: ", "Info data: halves (", "Info model: model (", "epoch 1", "epoch 2"] {
        assert!(heard.iter().any(|line| line.starts_with(part)), "{part} in {heard:?}");
    }
}

#[test]
fn callbacks_stop_a_training_and_scale_its_rate() {
    let trainer = || Trainer::new().model(small()).data(halves(256)).batch_size(16).seed(1).device("cpu");
    let lr = 0.01;
    let seen = Arc::new(Mutex::new(0));
    let count = seen.clone();
    let scaled = trainer()
        .epochs(6)
        .settings(move |s| (s.update.lr, s.update.schedule) = (lr, Schedule::default()))
        .on_step(move |_, _, _| *count.lock().unwrap() += 1)
        .on_epoch(|epoch, control| match epoch.epoch {
            2 => control.scale_lr(0.5),
            4 => control.stop("enough"),
            _ => {}
        })
        .fit()
        .unwrap();
    let rates: Vec<f64> = scaled.history().iter().map(|e| e.lr).collect();
    assert_eq!(rates, [lr, lr, lr / 2.0, lr / 2.0]);
    assert!(*seen.lock().unwrap() >= 4);
    let why = scaled.done.outcome.at.stopped.as_deref();
    assert_eq!(why, Some("stopped by a callback: enough"));
    assert!(scaled.evaluation().is_some(), "the outcome is kept");
    // The device took the rates that are shown: the same losses as with a schedule of them.
    let shape = wgrad::train::Schedule {
        shape: wgrad::train::Shape::MultiStep { milestones: vec![2], gamma: 0.5 },
        ..Schedule::default()
    };
    let scheduled =
        trainer().epochs(4).settings(move |s| (s.update.lr, s.update.schedule) = (lr, shape)).fit().unwrap();
    let losses = |t: &Trained| t.history().iter().map(|e| e.train.loss).collect::<Vec<_>>();
    assert_eq!(losses(&scaled), losses(&scheduled));
    // Within an epoch.
    let cut = trainer()
        .epochs(3)
        .on_step(|batches, _, control| {
            if batches >= 4 {
                control.stop("early")
            }
        })
        .fit()
        .unwrap();
    assert_eq!(cut.history().len(), 1);
}

/// The share of answers for the second class.
fn share_of_right(a: &Answers) -> Option<f64> {
    // It is measured wherever this program scores.
    let Targets::Classes { .. } = a.targets else { return None };
    let rows = a.answers.chunks(a.targets.width());
    Some(rows.clone().filter(|row| row[1] > row[0]).count() as f64 / rows.len() as f64)
}

#[test]
fn a_registered_metric_is_reported_and_monitored() {
    register_metric("share_of_right", "Share of right", Some(true), share_of_right).unwrap();
    assert!(register_metric("f1", "F1", None, share_of_right).unwrap_err().to_string().contains("built in"));
    let trained = Trainer::new()
        .model(small())
        .data(halves(128))
        .epochs(3)
        .device("cpu")
        .settings(|s| s.early_stopping.monitor = "val_share_of_right".into())
        .fit()
        .unwrap();
    let share = trained.figure("share_of_right").unwrap();
    assert!((0.0..=1.0).contains(&share), "{share}");
    let watched = trained.history().iter().map(|e| e.monitored("val_share_of_right").unwrap()).collect::<Vec<_>>();
    assert!(watched.contains(&share), "{watched:?} {share}");
    assert!(trained.evaluation().unwrap().figures().iter().any(|f| f.name == "Share of right"));
}

/// `halves`, of which every read is counted.
struct Counted(Dataset, Arc<Mutex<usize>>);

impl ReadSamples for Counted {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> Elements {
        Elements::Floats
    }

    fn read(&self, rows: &[usize]) -> Result<Samples> {
        *self.1.lock().unwrap() += 1;
        if rows.len() > 200 && self.0.name == "broken" {
            return Err(Error::data("the tape is torn"));
        }
        Ok(self.0.select(rows).samples)
    }
}

#[test]
fn samples_that_are_read_when_needed_train_to_the_same_bits() {
    let reads = Arc::new(Mutex::new(0));
    let read = |set: Dataset| {
        let samples = Samples::read_by(Counted(set.clone(), reads.clone()), &[2]);
        Dataset::new("halves", vec![2], samples, set.targets).unwrap()
    };
    let trained = |set: Dataset, bytes: Option<u64>| {
        let trainer = Trainer::new().model(small()).data(set).epochs(3).batch_size(16).device("cpu");
        let mut trained = trainer.settings(move |s| s.data.device_bytes = bytes).fit().unwrap();
        let weights = format!("{:?}", trained.session.weights().unwrap());
        (weights, trained.into_predictor().unwrap().tensors(&[0.3, 0.4]).unwrap())
    };
    let held = trained(halves(400), None);
    // In windows of two batches, and whole.
    for bytes in [Some(512), None] {
        assert_eq!(trained(read(halves(400)), bytes), held);
    }
    assert!(*reads.lock().unwrap() > 30);
    let broken = read(Dataset { name: "broken".into(), ..halves(400) });
    let error = Trainer::new().model(small()).data(broken).device("cpu").fit().err().unwrap().to_string();
    assert!(error.contains("halves") && error.contains("the tape is torn"), "{error}");
}

#[test]
fn a_run_goes_on_to_the_bits_of_one_that_was_not_stopped() {
    let dir = tempfile::tempdir().unwrap();
    // A constant learning rate, which more epochs do not stretch.
    let trainer = || Trainer::new().model(small()).data(halves(200)).lr(0.01).device("cpu");
    let bytes = |name: &str| std::fs::read(dir.path().join(name).join("checkpoints/last/model.safetensors")).unwrap();
    trainer().epochs(4).out(dir.path().join("whole")).fit().unwrap();
    let parts = || dir.path().join("parts");
    // Nothing lies there yet.
    trainer().epochs(2).resume(parts()).fit().unwrap();
    let trained = trainer().epochs(4).resume(parts()).fit().unwrap();
    assert_eq!(trained.history().iter().map(|e| e.epoch).collect::<Vec<_>>(), [3, 4]);
    assert!(bytes("whole") == bytes("parts"));
    let refused = |trainer: Trainer| trainer.resume(parts()).fit().err().unwrap().to_string();
    assert!(refused(trainer().epochs(5).lr(0.5)).contains("was trained with"), "{}", refused(trainer().lr(0.5)));
    let other = refused(trainer().epochs(5).data(halves(100)));
    assert!(other.contains("not the data"), "{other}");
    assert!(refused(trainer().epochs(1)).contains("epochs"));
}

#[test]
fn a_series_is_forecast() {
    let dir = tempfile::tempdir().unwrap();
    // Up and down every four days, from the first of January on.
    let rows =
        |n: u64| (0..n).map(|i| format!("{},{}\n", date(i), [0, 10, 20, 10][i as usize % 4])).collect::<String>();
    let file = dir.path().join("wave.csv");
    std::fs::write(&file, format!("day,level\n{}", rows(220))).unwrap();
    let series = SeriesOptions { window: 8, horizon: 2, ..SeriesOptions::default() };
    let trainer = Trainer::new().data(&*file).series(series).model("mlp").epochs(60).device("cpu");
    let mut predictor = trainer.fit().unwrap().into_predictor().unwrap();
    let ahead = predictor.forecast(&format!("day,level\n{}", rows(42))).unwrap();
    assert_eq!(ahead.iter().map(|f| f.row).collect::<Vec<_>>(), [43, 44]);
    assert_eq!(ahead[0].date.as_deref(), Some("2023-02-12"));
    assert_eq!(ahead[0].answer.names(), ["level"]);
    for (forecast, expected) in ahead.iter().zip([20.0, 10.0]) {
        assert!((forecast.answer.values()[0] - expected).abs() < 3.0, "{ahead:?}");
    }
    let short = predictor.forecast(&format!("day,level\n{}", rows(5))).unwrap_err().to_string();
    // The window, beside the season of four days before that is taken off.
    assert!(short.contains("5 rows") && short.contains("at least 12"), "{short}");
    assert!(predictor.csv("day,level\n2023-01-01,1\n").unwrap_err().to_string().contains("a series"));
}

/// The day of 2023 with this number.
fn date(mut day: u64) -> String {
    let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = months
        .iter()
        .take_while(|&&n| {
            day >= n && {
                day -= n;
                true
            }
        })
        .count();
    format!("2023-{:02}-{:02}", month + 1, day + 1)
}
