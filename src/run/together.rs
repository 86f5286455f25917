//! What a run with several ranks agrees on before it begins: the micro-batches of a step, and that
//! all have the same program, settings and data.

use super::observer::Observer;
use crate::error::{Error, Result};
use crate::ranks::World;
use crate::train::{MOST_MICRO_BATCHES, Prepared, Settings};
use std::path::{Path, PathBuf};
use toml::Value;

/// Gives the step of a run a micro-batch for each rank, where its settings leave that open.
///
/// Fails where the ranks cannot share its steps.
pub fn share(s: &mut Settings, world: &World, goes_on: bool, observer: &mut dyn Observer) -> Result<()> {
    let (ranks, micro_batches) = (world.ranks(), s.update.micro_batches);
    if ranks == 1 {
        return Ok(());
    }
    if s.data.folds > 0 {
        return Err(Error::usage(
            "data.folds: the folds of a cross-validation are not shared by ranks; start it without mpirun",
        ));
    }
    if s.auto_batch {
        return Err(Error::usage(
            "train.batch_size = \"auto\": each of several ranks would decide its own; expected a batch size that is a number",
        ));
    }
    if micro_batches > 1 {
        return match micro_batches.is_multiple_of(ranks) {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "{ranks} ranks and train.micro_batches = {micro_batches}; expected a number of ranks that divides it"
            ))),
        };
    }
    if goes_on {
        return Err(Error::usage(format!(
            "this run was begun with steps of one batch, which {ranks} ranks cannot share; resume it without mpirun, or start a \
             new run from its weights with --init"
        )));
    }
    if !ranks.is_power_of_two() || ranks > MOST_MICRO_BATCHES {
        return Err(Error::usage(format!(
            "{ranks} ranks; expected a power of two of at most {MOST_MICRO_BATCHES}, as the micro-batches of a step are"
        )));
    }
    s.update.micro_batches = ranks;
    observer.info(&format!(
        "a step is {ranks} micro-batches of {} samples, one for each rank (train.micro_batches)",
        s.batch_size
    ));
    Ok(())
}

/// What has to be the same on all ranks.
struct Same {
    version: String,
    settings: String,
    data: String,
}

impl Same {
    fn of(s: &Settings, p: &Prepared) -> Result<Same> {
        let mut table = s.to_table();
        if let Some(Value::Table(data)) = table.get_mut("data") {
            // Where it lies may differ, what it holds may not.
            ["source", "cache", "memory", "device_mb"].iter().for_each(|key| drop(data.remove(*key)));
        }
        let settings = toml::to_string(&table).expect("a table of plain values prints");
        Ok(Same { version: env!("CARGO_PKG_VERSION").into(), settings, data: p.fingerprint()? })
    }

    fn list(self) -> [String; 3] {
        [self.version, self.settings, self.data]
    }
}

/// Fails on all ranks where one has another version, other settings or other data.
pub fn check(world: &World, s: &Settings, p: &Prepared) -> Result<()> {
    if !world.has_others() {
        return Ok(());
    }
    let own = Same::of(s, p)?.list();
    let all = world.gather(&serde_json::to_vec(&own).expect("texts print"))?;
    let read = |bytes: &Vec<u8>| {
        serde_json::from_slice::<[String; 3]>(bytes)
            .map_err(|e| Error::device(format!("a rank says nothing of its settings: {e}")))
    };
    let all = all.iter().map(read).collect::<Result<Vec<_>>>()?;
    let first = &all[0];
    for (rank, [version, settings, data]) in all.iter().enumerate() {
        let what = if *version != first[0] {
            format!("is wgrad {version} and rank 0 is {}; expected one version", first[0])
        } else if *settings != first[1] {
            let differing = settings.lines().zip(first[1].lines()).find(|(a, b)| a != b);
            let (found, wanted) = differing.unwrap_or(("more", "other settings"));
            format!("has other settings: {found}, and rank 0 has {wanted}; expected the same command on all")
        } else if *data != first[2] {
            format!(
                "has other data in {}: samples or targets differ from those of rank 0; expected the same files on all",
                s.data.source
            )
        } else {
            continue;
        };
        return Err(Error::usage(format!("rank {rank} {what}")));
    }
    Ok(())
}

/// The run's folder, which the leading rank has made, for the logs of the others.
pub fn folder(world: &World, own: Option<&Path>) -> Result<Option<PathBuf>> {
    let whole = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut bytes = own.map(|path| whole(path).display().to_string().into_bytes()).unwrap_or_default();
    world.broadcast(0, &mut bytes)?;
    let path = String::from_utf8_lossy(&bytes).into_owned();
    Ok((!path.is_empty()).then(|| PathBuf::from(path)))
}
