//! Fingerprints of the trained weights, computed where the weights are: a program of its own
//! that reads the parameters between two steps, and of whose sums nobody has to wait.

use super::Session;
use crate::error::Result;
use crate::eval::Fingerprint;
use crate::graph::Init;
use crate::ops::fingerprint::parts_of;
use crate::plan::{Program, Ticket};
use crate::tensor::{HostTensor, Spec};

/// The buffer of the sums.
const SUMS: &str = "fingerprint";

/// The program that computes fingerprints.
pub(in crate::train) struct Fingerprinter {
    program: Program,
    /// Each parameter with the number of its parts.
    tensors: Vec<(String, usize)>,
}

impl Session {
    /// Loads the program for the parameters of a training that is prepared.
    pub(in crate::train) fn fingerprinter(&mut self) -> Result<Fingerprinter> {
        let (mut g, _) = self.model.inspect(1, &mut self.weights)?;
        let (params, _) = g.flatten_params("params");
        let places: Vec<(usize, usize)> = self.params.iter().map(|(_, spec, at)| (*at, spec.elements())).collect();
        let (parts, counts) = parts_of(&places);
        let sums = g.persistent(SUMS, Spec::u32([parts.shape[0], 2]), Init::Zeros);
        let parts = g.constant(parts);
        g.fingerprint(params, parts, sums)?;
        let program = self.executor.load(self.device.plan(&g, &[])?)?;
        let tensors = self.params.iter().map(|(name, ..)| name.clone()).zip(counts).collect();
        Ok(Fingerprinter { program, tensors })
    }

    /// Asks for the fingerprint of the weights as they are after the steps so far.
    pub(in crate::train) fn ask_fingerprint(&mut self, of: &Fingerprinter) -> Result<Ticket> {
        self.executor.run(&of.program, 1)?;
        self.executor.request(SUMS)
    }
}

impl Fingerprinter {
    /// The fingerprint after a step, of the sums.
    pub(in crate::train) fn read(&self, step: usize, sums: &HostTensor) -> Fingerprint {
        let mut rows = sums.as_u32().chunks_exact(2);
        let mut all = [0u32; 2];
        let mut tensors = serde_json::Map::new();
        for (name, parts) in &self.tensors {
            let own = rows.by_ref().take(*parts).fold([0u32; 2], added);
            // Whose sums they are counts: tensors that change places are others.
            all = added(all.map(|n| n.rotate_left(1)), &own);
            tensors.insert(name.clone(), shown(own).into());
        }
        Fingerprint { step: step as u64, fingerprint: shown(all), tensors }
    }
}

fn added(a: [u32; 2], b: &[u32]) -> [u32; 2] {
    [a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1])]
}

fn shown([a, b]: [u32; 2]) -> String {
    format!("{a:08x}{b:08x}")
}
