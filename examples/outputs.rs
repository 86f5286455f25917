//! The outputs of a trained model for inputs as they are, normalised or tokens already:
//!
//! ```text
//! cargo run --example outputs -- RUN INPUTS OUTPUTS
//! ```
//!
//! INPUTS are the elements of whole samples as little-endian words of 32 bits, floats or
//! tokens; OUTPUTS becomes the floats that the model gives before anything makes
//! probabilities or units of them. `tests/onnx/export.py` compares files of ONNX with it.

use wgrad::error::{Error, Result};
use wgrad::onnx::export;
use wgrad::plan::Precision;
use wgrad::run::folder::{self, Checkpoint};
use wgrad::run::observer::Quiet;
use wgrad::run::request::DeviceRequest;
use wgrad::tensor::{DType, HostTensor};

fn main() -> Result<()> {
    let [run, inputs, outputs]: [String; 3] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| Error::usage("expected RUN INPUTS OUTPUTS"))?;
    let (model, loaded) = folder::load(run.as_ref(), Checkpoint::Last)?;
    let device = DeviceRequest::named("cpu").open(Precision::F32, &mut Quiet)?;
    let bytes = std::fs::read(&inputs).map_err(|e| Error::io(format!("reading {inputs}"), e))?;
    let words: Vec<[u8; 4]> = bytes.as_chunks::<4>().0.to_vec();
    let spec = model.batch_spec(words.len() / model.input.elements().max(1));
    let input = match spec.dtype {
        DType::U32 => HostTensor::u32(spec.shape, words.into_iter().map(u32::from_le_bytes).collect()),
        DType::F32 | DType::F16 => HostTensor::f32(spec.shape, words.into_iter().map(f32::from_le_bytes).collect()),
    };
    let found = export::outputs(&model, &loaded, &device, &input)?;
    std::fs::write(&outputs, found.bytes()).map_err(|e| Error::io(format!("writing {outputs}"), e))?;
    println!("{}", found.shape);
    Ok(())
}
