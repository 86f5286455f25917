//! `wgrad profile --shader`: every dispatch of a shader in every case of its
//! room, with the text as it is on disk, checked against the CPU. For a person
//! with the file open in an editor.

use super::flags::Profile;
use crate::cli::{open_device, out};
use crate::device::Device;
use crate::error::{Error, Result, unknown};
use crate::files;
use crate::graph::Case;
use crate::kernel::{includes, replace};
use crate::ops;
use crate::profile::shader::{Figure, Judged, table, time_all};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// A shader and where its text lies.
struct Shader {
    /// `matmul`, or `matmul/blocks`.
    name: String,
    /// The folder `shaders`; `None` for the text inside the program.
    root: Option<PathBuf>,
}

pub fn run(f: &Profile, wanted: &str) -> Result<()> {
    let shader = find(wanted)?;
    if f.watch && shader.root.is_none() {
        return Err(Error::usage(format!(
            "--watch: there is no folder shaders/ here with {}.wgsl in it; run it where that is, or give the file",
            shader.name
        )));
    }
    let room = format!("{}/", shader.name.split('/').next().unwrap_or_default());
    let cases: Vec<Case> = ops::cases().into_iter().filter(|c| c.name.starts_with(&room)).collect();
    let (device, _) = open_device(&f.device)?;
    let Device::Gpu(gpu) = &device else {
        return Err(Error::usage("--shader needs a GPU; name one with --device (see `wgrad devices`)"));
    };
    let mut judged = Judged::default();
    let mut before: Option<Vec<Figure>> = None;
    loop {
        let texts = shader.load()?;
        match time_all(gpu, &shader.name, &cases, &mut judged) {
            Ok(o) => {
                out::line(table(&o.figures, before.as_deref()))?;
                if !o.wrong.is_empty() {
                    out::line(format!("WRONG RESULTS in {} places:\n{}", o.wrong.len(), o.wrong.join("\n")))?;
                }
                if !f.watch && !o.wrong.is_empty() {
                    return Err(Error::device(format!("{} gives wrong results", shader.name)));
                }
                before = Some(o.figures);
            }
            Err(e) if f.watch => out::line(format!("{e}\nthe last good figures stay"))?,
            Err(e) => return Err(e),
        }
        if !f.watch {
            return Ok(());
        }
        eprintln!("watching {}.wgsl ..", shader.name);
        while shader.read().is_ok_and(|now| now == texts) {
            std::thread::sleep(EVERY);
        }
    }
}

/// The shader that is meant: a file below a folder `shaders`, or a name.
fn find(wanted: &str) -> Result<Shader> {
    let path = Path::new(wanted);
    let (name, root) = match path.extension().is_some_and(|e| e == "wgsl") {
        false => (wanted.to_string(), Some(PathBuf::from("shaders"))),
        true => {
            let parts: Vec<String> = path.iter().map(|p| p.to_string_lossy().into_owned()).collect();
            let at = parts.iter().rposition(|p| p == "shaders").map_or(parts.len() - 1, |i| i + 1);
            let name = parts[at..].join("/");
            (name.trim_end_matches(".wgsl").to_string(), Some(parts[..at].iter().collect::<PathBuf>()))
        }
    };
    let room = name.split('/').next().unwrap_or_default();
    if !ops::ROOMS.contains(&room) {
        return Err(unknown("shader", &name, ops::ROOMS.iter().copied()));
    }
    let shader = Shader { root, name };
    match shader.file().is_file() {
        true => Ok(shader),
        false if path.extension().is_some() => {
            Err(Error::data(format!("{wanted} does not exist; expected a file of the folder shaders/")))
        }
        false => Ok(Shader { root: None, ..shader }),
    }
}

impl Shader {
    fn file(&self) -> PathBuf {
        self.root.clone().unwrap_or_default().join(format!("{}.wgsl", self.name))
    }

    /// The text and those of the fragments that it includes, by name.
    fn read(&self) -> Result<Vec<(String, String)>> {
        let Some(root) = &self.root else { return Ok(vec![]) };
        let missing = |p: &Path| Error::data(format!("{} is gone", p.display()));
        let file = self.file();
        let text = files::read(&file)?.ok_or_else(|| missing(&file))?;
        let mut all = vec![];
        for name in includes(&text) {
            // One that does not exist is said by the assembler.
            if let Some(fragment) = files::read(&root.join(format!("{name}.wgsl")))? {
                all.push((name.to_string(), fragment));
            }
        }
        all.push((self.name.clone(), text));
        Ok(all)
    }

    /// Puts the texts on disk in the place of those inside the program.
    fn load(&self) -> Result<Vec<(String, String)>> {
        let texts = self.read()?;
        for (name, text) in &texts {
            replace(name, text.clone());
        }
        Ok(texts)
    }
}
