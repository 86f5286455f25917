//! The first example of every tutorial: a small CNN that learns digits.
//!
//!     cargo run --release --example keras_cnn

use wgrad::data::{self, Dataset, Interface};
use wgrad::device::Device;
use wgrad::nn::layers::{Conv2D, Dense, Flatten, MaxPooling2D};
use wgrad::nn::{Model, Sequential, Weights};
use wgrad::train::{Session, Settings, fit};

fn main() -> wgrad::Result<()> {
    let digits = data::open("digits", 0)?;
    let test: Dataset = digits.test.expect("the built-in digits have a test set").into();

    let layers = Sequential::new()
        .add(Conv2D::new(32, 3).activation("relu"))
        .add(MaxPooling2D::new(2))
        .add(Flatten)
        .add(Dense::new(128).activation("relu"))
        .add(Dense::new(10));
    let model = Model::new(layers.describe("keras-cnn"), Some([1, 28, 28].into()), Some(10))?;
    println!("{}", wgrad::nn::summary(&model)?);

    let interface = Interface::of_images(digits.train.classes.clone(), &digits.train.channel_stats());
    let mut session = Session::new(Device::open("auto")?, model, interface, Weights::new(0))?;
    let settings = Settings { epochs: 3, batch_size: 128, ..Settings::default() };
    fit(&mut session, &digits.train.into(), None, &settings, &mut wgrad::train::Lines)?;

    let scorer = session.scorer("test", &test, 128)?;
    println!("test: {}", session.score(&scorer)?);
    Ok(())
}
