//! Brings the windows of a set that does not fit on the device: a thread
//! prepares the next while the device works on the one before.

use super::resident::{Resident, Window};
use crate::data::{Dataset, Interface};
use crate::error::{Error, Result};
use crate::plan::Executor;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Windows as a thread prepares them, in their order.
pub struct Windows(Receiver<Result<Window>>);

impl Windows {
    /// Starts the thread. It prepares the windows with these numbers, each in the order of
    /// an epoch, and ends with the last, or when nobody waits for one any more.
    ///
    /// Fails where the system starts no thread.
    pub fn start<'s>(
        scope: &'s Scope<'s, '_>,
        set: &Resident,
        data: &'s Dataset,
        interface: &Interface,
        numbers: impl Iterator<Item = (usize, Option<(u32, u32)>)> + Send + 's,
    ) -> Result<Windows> {
        // One window waits while the next is made.
        let (sender, windows) = sync_channel(1);
        let (set, interface) = (set.clone(), interface.clone());
        let prepare = move || {
            for (number, order) in numbers {
                if sender.send(set.fill(data, &interface, number, order)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("windows".into()).spawn_scoped(scope, prepare).map_err(|e| {
            Error::io(
                "the data is read while it is trained on, by a thread that the system does not start; raise its limit of \
                 processes (ulimit -u) or of memory (ulimit -v), or take the data whole (data.memory, data.device_mb)",
                e,
            )
        })?;
        Ok(Windows(windows))
    }

    /// Waits for the next window.
    fn next(&self) -> Result<Window> {
        self.0.recv().map_err(|_| Error::data("the thread that reads the data has ended"))?
    }

    /// Waits for the next window and brings it to the device, to the buffers of a pass,
    /// after the steps that were run so far.
    ///
    /// Fails when the samples cannot be read.
    pub fn supply(&self, executor: &mut dyn Executor, pass: &str) -> Result<()> {
        let window = self.next()?;
        executor.write(&format!("{pass}.samples"), &window.samples)?;
        executor.write(&format!("{pass}.targets"), &window.targets)
    }
}

/// Windows of a training set, in order, epoch after epoch; none, of a set that lies on the
/// device whole.
#[derive(Default)]
pub struct Stream {
    source: Option<Source>,
}

struct Source {
    windows: Windows,
    batches: usize,
    per_epoch: usize,
    /// The window on the device: epoch and number.
    present: Option<(usize, usize)>,
    /// The one that comes next.
    next: (usize, usize),
}

impl Source {
    /// Counts the window that was taken.
    fn pass(&mut self) {
        let (epoch, number) = self.next;
        self.next = if number + 1 < self.per_epoch { (epoch, number + 1) } else { (epoch + 1, 0) };
    }
}

impl Stream {
    /// Starts the thread from a position, epoch and batch, up to an epoch; no thread and
    /// nothing to do for a set that lies on the device whole.
    ///
    /// Fails where the system starts no thread.
    pub fn start<'s>(
        scope: &'s Scope<'s, '_>,
        set: &Resident,
        data: &'s Dataset,
        interface: &Interface,
        shuffle: Option<u32>,
        (epoch, batch): (usize, usize),
        epochs: usize,
    ) -> Result<Stream> {
        let Some(batches) = set.window else { return Ok(Stream { source: None }) };
        let per_epoch = set.batches().div_ceil(batches);
        let from = batch / batches;
        let numbers = (epoch..epochs).flat_map(move |e| {
            let order = shuffle.map(|seed| (seed, e as u32));
            (if e == epoch { from } else { 0 }..per_epoch).map(move |number| (number, order))
        });
        let windows = Windows::start(scope, set, data, interface, numbers)?;
        Ok(Stream { source: Some(Source { windows, batches, per_epoch, present: None, next: (epoch, from) }) })
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
        // One of several ranks may need none of the batches of a window.
        while source.next != wanted {
            source.windows.next()?;
            source.pass();
        }
        source.windows.supply(executor, "train")?;
        source.pass();
        source.present = Some(wanted);
        Ok(())
    }
}
