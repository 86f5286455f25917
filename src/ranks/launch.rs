//! What the launcher of a process says of it: how many processes there are, and which of those on
//! this machine it is. Each launcher says it in environment variables of its own.

use super::World;
#[cfg(not(feature = "mpi"))]
use crate::error::Error;
use crate::error::Result;

/// How many processes: Open MPI, MPICH and Intel MPI, MVAPICH.
const RANKS: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"];
/// The same of a job of Slurm, which says it to processes that are no ranks as well.
const TASKS: &str = "SLURM_NTASKS";
/// What Slurm sets for ranks of MPI besides.
const OF_SLURM: [&str; 2] = ["PMIX_RANK", "PMI_RANK"];
/// Which of the processes on this machine.
const LOCAL: [&str; 4] =
    ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"];
/// How many of them there are on this machine.
const LOCALS: [&str; 3] = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE"];

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn number(names: &[&str], of: Lookup) -> Option<usize> {
    names.iter().find_map(|name| of(name)?.trim().parse().ok())
}

/// How many processes were launched together; `None` where nobody says so.
fn launched(of: Lookup) -> Option<usize> {
    let of_slurm = || OF_SLURM.iter().any(|name| of(name).is_some());
    number(&RANKS, of).or_else(|| number(&[TASKS], of).filter(|_| of_slurm()))
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Which of the ranks on this machine this process is, from 0.
pub fn local_rank() -> usize {
    number(&LOCAL, &environment).unwrap_or(0)
}

/// How many ranks share this machine, as far as the launcher says so.
pub fn local_ranks() -> usize {
    number(&LOCALS, &environment).unwrap_or(1).max(1)
}

/// The ranks that this process was launched with: alone where nobody launched several.
///
/// Fails where several were launched and this build has no MPI: each would do all of the work.
pub fn world() -> Result<World> {
    match launched(&environment) {
        None | Some(0 | 1) => Ok(World::default()),
        Some(n) => together(n),
    }
}

#[cfg(feature = "mpi")]
fn together(_n: usize) -> Result<World> {
    Ok(World::of(super::mpi::Mpi::start()?))
}

#[cfg(not(feature = "mpi"))]
fn together(n: usize) -> Result<World> {
    Err(Error::usage(format!(
        "{n} of these processes were launched together, and this wgrad was built without MPI: each would do all of the \
         work. Build it with: cargo build --release --features mpi; or start it without mpirun or srun"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_recognised() {
        let launched = |set: &[(&str, &str)]| {
            launched(&|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(launched(&[]), None);
        assert_eq!(launched(&[("OMPI_COMM_WORLD_SIZE", "4")]), Some(4));
        assert_eq!(launched(&[("PMI_SIZE", "2"), ("PMI_RANK", "0")]), Some(2));
        assert_eq!(launched(&[("SLURM_NTASKS", "8")]), None, "sbatch alone launches one process");
        assert_eq!(launched(&[("SLURM_NTASKS", "8"), ("PMIX_RANK", "3")]), Some(8));
        assert_eq!(launched(&[("OMPI_COMM_WORLD_SIZE", "many")]), None);
    }
}
