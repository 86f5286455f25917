//! The first example of every tutorial: a small CNN that learns digits.
//!
//!     cargo run --release --example keras_cnn

use wgrad::prelude::*;

/// Prints a line per epoch.
struct Print;

impl Observer for Print {
    fn say(&mut self, _: Level, text: &str) {
        println!("{text}");
    }

    fn end(&mut self, epoch: &Epoch) {
        println!("{epoch}");
    }
}

fn main() -> Result<()> {
    let model = Sequential::new()
        .add(Conv2D::new(32, 3).activation("relu"))
        .add(MaxPooling2D::new(2))
        .add(Flatten)
        .add(Dense::new(128).activation("relu"))
        .add(Dense::new(10));
    // The built-in digits; a folder of pictures or of IDX files would do as well.
    let trained = Trainer::new().model(model).data("builtin:digits").epochs(3).batch_size(128).observer(Print).fit()?;
    println!("test accuracy {:.4}", trained.figure("accuracy").unwrap_or_default());
    Ok(())
}
