//! Brings the windows of a set that does not fit on the device: a thread
//! prepares the next while the device works on the one before.

use super::resident::{Resident, Window};
use crate::data::{Dataset, Interface};
use crate::error::{Error, Result};
use crate::plan::Executor;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Windows of a training set, in order, epoch after epoch.
pub struct Stream {
    source: Option<Source>,
}

struct Source {
    windows: Receiver<Result<Window>>,
    batches: usize,
    /// The window on the device: epoch and number.
    present: Option<(usize, usize)>,
}

impl Stream {
    /// Starts the thread from a position, epoch and batch; no thread and
    /// nothing to do for a set that lies on the device whole.
    pub fn start<'s>(
        scope: &'s Scope<'s, '_>,
        set: &Resident,
        data: &'s Dataset,
        interface: &Interface,
        shuffle: Option<u32>,
        (epoch, batch): (usize, usize),
    ) -> Stream {
        let Some(batches) = set.window else { return Stream { source: None } };
        // One window waits while the next is made.
        let (sender, windows) = sync_channel(1);
        let (set, interface) = (set.clone(), interface.clone());
        let per_epoch = set.batches().div_ceil(batches);
        scope.spawn(move || {
            let mut number = batch / batches;
            for epoch in epoch.. {
                while number < per_epoch {
                    let order = shuffle.map(|seed| (seed, epoch as u32));
                    // Nobody listens any more once training has ended.
                    if sender.send(set.fill(data, &interface, number, order)).is_err() {
                        return;
                    }
                    number += 1;
                }
                number = 0;
            }
        });
        Stream { source: Some(Source { windows, batches, present: None }) }
    }

    /// Batches per window, if there are windows.
    pub fn window(&self) -> Option<usize> {
        self.source.as_ref().map(|s| s.batches)
    }

    /// Sees to it that the window of a batch is on the device, after the steps
    /// that were run so far.
    pub fn supply(&mut self, executor: &mut dyn Executor, epoch: usize, batch: usize) -> Result<()> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let wanted = (epoch, batch / source.batches);
        if source.present == Some(wanted) {
            return Ok(());
        }
        let window = source.windows.recv().map_err(|_| Error::data("the thread that reads the data has ended"))??;
        executor.write("train.samples", &window.samples)?;
        executor.write("train.targets", &window.targets)?;
        source.present = Some(wanted);
        Ok(())
    }
}
