//! A model as one web page: plans for WebGPU's smallest limits as data, the shaders, the
//! weights, and a player of JavaScript that carries them out (`assets/web`). `docs/web.md`
//! describes the format.

mod input;
mod package;
mod page;
mod program;

pub use package::{Options, VERSION, about, package, training_settings};
pub use page::{page, served_page};

use crate::error::{Error, Result};
use crate::files;
use crate::nn::Model;
use crate::train::checkpoint::Loaded;
use std::path::{Path, PathBuf};

/// Who computes what a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Computer {
    /// The page itself: it resizes pictures and cuts texts into tokens.
    Page,
    /// The server that it comes from.
    Server,
}

/// The files of the player, for those who use it without the page.
const PLAYER: [(&str, &str); 7] = [
    ("player.js", include_str!("../../../assets/web/player.js")),
    ("unpack.js", include_str!("../../../assets/web/unpack.js")),
    ("prepare.js", include_str!("../../../assets/web/prepare.js")),
    ("pictures.js", include_str!("../../../assets/web/pictures.js")),
    ("tables.js", include_str!("../../../assets/web/tables.js")),
    ("tokens.js", include_str!("../../../assets/web/tokens.js")),
    ("player.d.ts", include_str!("../../../assets/web/player.d.ts")),
];

/// Writes a page of its own, `NAME.html`; under any other ending the package alone, with the
/// player's modules beside it. Returns the files.
///
/// Fails as [`package`] does, and where a module of the player would replace another file.
pub fn write(path: &Path, model: &Model, loaded: &Loaded, options: &Options) -> Result<Vec<PathBuf>> {
    let packed = package(model, loaded, options)?;
    let is_page = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm"));
    if is_page {
        files::write(path, page::page(&model.description.name, &packed).as_bytes())?;
        return Ok(vec![path.to_path_buf()]);
    }
    let mut all = vec![path.to_path_buf()];
    for (name, text) in PLAYER {
        let file = path.with_file_name(name);
        if files::read(&file)?.is_some_and(|there| there != text) {
            return Err(Error::usage(format!(
                "{}: it is there and is not this version's module, which would replace it; name a file in another folder",
                file.display()
            )));
        }
        all.push(file);
    }
    files::write(path, &packed)?;
    for ((_, text), file) in PLAYER.iter().zip(&all[1..]) {
        files::write(file, text.as_bytes())?;
    }
    Ok(all)
}
