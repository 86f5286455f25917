//! `wgrad profile --shader`: every dispatch of a shader in every case of its
//! room, with the text as it is on disk, checked against the CPU. For a person
//! with the file open in an editor.

use super::flags::Profile;
use crate::cli::{open_device, out};
use crate::cpu::Cpu;
use crate::device::Device;
use crate::error::{Context, Error, Result, unknown};
use crate::files;
use crate::gpu::{Gpu, GpuExecutor};
use crate::graph::{Built, Case, tolerance};
use crate::kernel::{includes, replace};
use crate::ops;
use crate::plan::{Choices, Executor, Plan, Target, all_variants};
use crate::profile::{Stat, compare::is_change};
use crate::tensor::{DType, Data, HostTensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Timed runs of each dispatch.
const TIMES: usize = 20;
/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// A shader and where its text lies.
struct Shader {
    /// `matmul`, or `matmul/blocks`.
    name: String,
    /// The folder `shaders`; `None` for the text inside the program.
    root: Option<PathBuf>,
}

/// What the judge says of a case.
enum Values {
    Real(Vec<f64>),
    Index(Vec<u32>),
}

/// A dispatch of a case.
struct Figure {
    /// The case and the dispatch in it.
    name: String,
    /// Workgroups and their size.
    grid: String,
    /// Microseconds.
    us: Stat,
}

/// What a run over all cases came to.
struct Outcome {
    figures: Vec<Figure>,
    /// Results that are not the judge's.
    wrong: Vec<String>,
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
    let mut judged = HashMap::new();
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

fn time_all(
    gpu: &Arc<Gpu>,
    shader: &str,
    cases: &[Case],
    judged: &mut HashMap<String, Vec<Values>>,
) -> Result<Outcome> {
    let mut outcome = Outcome { figures: vec![], wrong: vec![] };
    for case in cases {
        let built = case.built()?;
        let fetches = built.fetches();
        let target = Target::Gpu(gpu.caps.clone());
        let usual = Plan::build(&built.graph, &fetches, target.clone()).context(|| case.name.clone())?;
        let mut seen = vec![];
        for choices in [vec![Choices::default()], all_variants(&usual)].concat() {
            let plan = Plan::tuned(&built.graph, &fetches, target.clone(), &choices).context(|| case.name.clone())?;
            let launches: Vec<_> = plan.steps.iter().flat_map(|s| s.launches.clone()).collect();
            let ours = launches.iter().enumerate().filter(|(_, l)| l.kernel.shader.name == shader);
            let new: Vec<_> = ours.filter(|(i, l)| !seen.contains(&(*i, l.kernel.clone()))).collect();
            if new.is_empty() {
                continue;
            }
            let mut e = GpuExecutor::new(gpu.clone());
            let program = e.load(plan)?;
            e.poison(program);
            e.run(program, 1)?;
            if !judged.contains_key(&case.name) {
                judged.insert(case.name.clone(), judge(&built)?);
            }
            let found = fetches.iter().map(|&t| e.fetch(program, t)).collect::<Result<Vec<_>>>()?;
            outcome.wrong.extend(differences(case, &built, &found, &judged[&case.name]));
            for (i, launch) in new {
                let us = Stat::of(e.time_dispatch(program, i, TIMES)?.into_iter().map(|ns| ns / 1e3));
                let [x, y, z] = launch.groups;
                let size: u32 = launch.entry.workgroup_size.iter().product();
                let (name, grid) =
                    (format!("{} #{i} {}", case.name, launch.kernel.entry), format!("{x}x{y}x{z} of {size}"));
                outcome.figures.push(Figure { name, grid, us });
                seen.push((i, launch.kernel.clone()));
            }
        }
    }
    match outcome.figures.is_empty() {
        true => Err(Error::device(format!("no case of its room dispatches {shader} on this device"))),
        false => Ok(outcome),
    }
}

/// What the reference in f64 gives.
fn judge(built: &Built) -> Result<Vec<Values>> {
    let mut cpu = Cpu::<f64>::new();
    let fetches = built.fetches();
    let program = cpu.load(Plan::build(&built.graph, &fetches, Target::Cpu)?)?;
    cpu.run(program, 1)?;
    let value = |&t| -> Result<Values> {
        Ok(match built.graph.spec(t).dtype {
            DType::F32 => Values::Real(cpu.values(program, t)?),
            DType::U32 => Values::Index(cpu.fetch(program, t)?.as_u32().to_vec()),
        })
    };
    fetches.iter().map(value).collect()
}

fn differences(case: &Case, built: &Built, found: &[HostTensor], judged: &[Values]) -> Vec<String> {
    let compared = built.looked_at().into_iter().zip(found).zip(judged).map(|(((name, _), found), judged)| {
        match (&found.data, judged) {
            (Data::F32(f), Values::Real(j)) => tolerance::compare(&name, f, j, tolerance::relative(case)),
            (Data::U32(f), Values::Index(j)) if f == j => Ok(()),
            _ => Err(format!("{name}: integers differ")),
        }
    });
    compared.filter_map(|c| c.err()).map(|e| format!("{}: {e}", case.name)).collect()
}

/// The figures, and how they changed.
fn table(now: &[Figure], before: Option<&[Figure]>) -> String {
    let width = now.iter().map(|f| f.name.chars().count()).max().unwrap_or(0);
    let row = |f: &Figure| {
        let was = before.and_then(|b| b.iter().find(|o| o.name == f.name));
        let change = match was {
            None if before.is_some() => "new".into(),
            Some(o) if is_change(&o.us, &f.us, 0.0) => {
                format!("{:+.1} % (was {:.1})", 100.0 * (f.us.median / o.us.median - 1.0), o.us.median)
            }
            _ => String::new(),
        };
        let line =
            format!("{:<width$}  {:>10.1} us ± {:<8.1}  {:<18}  {change}", f.name, f.us.median, f.us.sigma, f.grid);
        line.trim_end().to_string()
    };
    let total = |list: &[Figure]| list.iter().map(|f| f.us.median).sum::<f64>();
    let was = before.map_or(String::new(), |b| format!(" (was {:.1})", total(b)));
    let rows: Vec<String> = now.iter().map(row).collect();
    format!("{}\n{:<width$}  {:>10.1} us{was}", rows.join("\n"), "all", total(now))
}
