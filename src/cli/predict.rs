//! `wgrad predict`

use super::{flags, open_device, out, run_folder};
use crate::data::{Images, picture};
use crate::error::{Error, Result};
use crate::train::Session;

pub fn run(f: &flags::Predict) -> Result<()> {
    let (model, loaded) = run_folder::load(&f.run)?;
    let [channels, height, width] = model.input[..] else {
        return Err(Error::model(format!("the model takes samples of shape {}, not pictures", model.input)));
    };
    let mut pixels = vec![];
    for file in &f.files {
        let mut bytes = picture::load(file, channels, height, width)?;
        if f.invert {
            bytes.iter_mut().for_each(|b| *b = 255 - *b);
        }
        pixels.extend(bytes);
    }
    let (device, info) = open_device(&f.device)?;
    let interface = loaded.about.interface;
    let (classes, labels) = (interface.outputs.clone(), vec![0; f.files.len()]);
    let images = Images { name: "pictures".into(), channels, height, width, pixels, labels, classes };
    let mut session = Session::new(device, model, interface, loaded.weights)?;
    let answers = session.predict(&images.into())?;
    let rows = answers.chunks(session.interface.outputs.len());
    let ranked: Vec<Vec<(usize, f32)>> = rows
        .map(|row| {
            let mut order: Vec<(usize, f32)> = row.iter().copied().enumerate().collect();
            order.sort_by(|a, b| b.1.total_cmp(&a.1));
            order.truncate(f.top.max(1));
            order
        })
        .collect();
    let class = |i: usize| session.interface.outputs.get(i).cloned().unwrap_or_else(|| i.to_string());
    if f.json {
        let predictions: Vec<_> = f
            .files
            .iter()
            .zip(&ranked)
            .map(|(file, top)| {
                let top: Vec<_> =
                    top.iter().map(|&(i, p)| serde_json::json!({ "class": class(i), "probability": p })).collect();
                serde_json::json!({ "file": file, "class": top[0]["class"], "probability": top[0]["probability"], "top": top })
            })
            .collect();
        return out::json(&serde_json::json!({ "status": "ok", "device": info, "predictions": predictions }));
    }
    for (file, top) in f.files.iter().zip(&ranked) {
        let list: Vec<String> = top.iter().map(|&(i, p)| format!("{} {:.1}%", class(i), 100.0 * p)).collect();
        out::line(format!("{}: {}", file.display(), list.join(", ")))?;
    }
    Ok(())
}
