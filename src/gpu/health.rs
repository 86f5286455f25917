//! What has gone wrong with an opened device. wgpu reports a loss by a callback alone, makes
//! invalid objects without a word on a device that is lost, and panics where a wait meets the
//! loss; here all of that is an error of ours, and no wait is without end.

use super::inject::{Injector, Point};
use crate::error::{Error, Fault, Result, caught};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a device may take to answer, unless somebody says otherwise. Systems with a
/// watchdog reset a device after seconds; others let it hang.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// What a device has reported since it was opened: the first of each.
#[derive(Default)]
struct Noted {
    /// What nothing on it survives.
    fault: Option<(Fault, String)>,
    /// A mistake of ours.
    failed: Option<String>,
}

/// The state of an opened device.
pub(crate) struct Health {
    device: wgpu::Device,
    /// The name of its adapter, for errors.
    adapter: String,
    noted: Arc<Mutex<Noted>>,
    /// Milliseconds that a wait may take.
    patience: AtomicU64,
    injector: Mutex<Option<Arc<Injector>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Health {
    /// Listens to what a device reports from now on.
    pub fn of(device: &wgpu::Device, adapter: &str, injector: Option<Arc<Injector>>) -> Health {
        let noted = Arc::new(Mutex::new(Noted::default()));
        let of_errors = noted.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let mut noted = lock(&of_errors);
            match e {
                wgpu::Error::OutOfMemory { .. } => drop(noted.fault.get_or_insert((Fault::OutOfMemory, e.to_string()))),
                wgpu::Error::Internal { .. } => drop(noted.fault.get_or_insert((Fault::Refused, e.to_string()))),
                wgpu::Error::Validation { .. } => drop(noted.failed.get_or_insert(e.to_string())),
            }
        }));
        let of_loss = noted.clone();
        device.set_device_lost_callback(move |reason, message| {
            let message = match reason {
                wgpu::DeviceLostReason::Destroyed => "it was destroyed".to_string(),
                wgpu::DeviceLostReason::Unknown => message,
            };
            lock(&of_loss).fault.get_or_insert((Fault::Lost, format!("the device was lost: {message}")));
        });
        Health {
            device: device.clone(),
            adapter: adapter.into(),
            noted,
            patience: AtomicU64::new(PATIENCE.as_millis() as u64),
            injector: Mutex::new(injector),
        }
    }

    /// How long a wait may take.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }

    /// Sets how long a wait may take.
    pub fn set_patience(&self, patience: Duration) {
        self.patience.store(patience.as_millis() as u64, Ordering::Relaxed);
    }

    /// What is injected, if anything is.
    pub fn injector(&self) -> Option<Arc<Injector>> {
        lock(&self.injector).clone()
    }

    /// Injects faults from now on.
    pub fn inject(&self, injector: Arc<Injector>) {
        *lock(&self.injector) = Some(injector);
    }

    /// Whether a fault is to be injected at this passage of a point.
    pub fn is_due(&self, point: Point) -> bool {
        lock(&self.injector).as_ref().is_some_and(|i| i.is_due(point))
    }

    /// The error that was reported, if any was.
    pub fn check(&self) -> Result<()> {
        let clean = |noted: &Noted| noted.fault.is_none() && noted.failed.is_none();
        if clean(&lock(&self.noted)) {
            return Ok(());
        }
        self.probe()
    }

    /// [`Health::check`] of a device that may not have reported its loss yet: one that was
    /// destroyed does once what it was doing is done. Waits for that.
    pub fn probe(&self) -> Result<()> {
        if lock(&self.noted).fault.is_none() {
            let timeout = self.patience();
            let all = wgpu::PollType::Wait { submission_index: None, timeout: Some(timeout) };
            match caught(|| self.device.poll(all)) {
                Some(Err(wgpu::PollError::Timeout)) => self.is_silent(timeout),
                Some(_) => {}
                None => self.note(Fault::Lost, "the device was lost: its driver failed when it was asked".into()),
            }
        }
        let noted = lock(&self.noted);
        match (&noted.fault, &noted.failed) {
            (Some((fault, message)), _) => Err(Error::fault(*fault, format!("{}: {message}", self.adapter))),
            (None, Some(message)) => Err(Error::device(format!("{}: {message}", self.adapter))),
            (None, None) => Ok(()),
        }
    }

    /// Lets callbacks run that are due, and waits for nothing.
    fn look(&self) {
        match caught(|| self.device.poll(wgpu::PollType::Poll)) {
            Some(_) => {}
            None => self.note(Fault::Lost, "the device was lost: its driver failed when it was asked".into()),
        }
    }

    fn note(&self, fault: Fault, message: String) {
        lock(&self.noted).fault.get_or_insert((fault, message));
    }

    fn is_silent(&self, waited: Duration) {
        let seconds = waited.as_secs_f64();
        self.note(Fault::Unresponsive, format!("the device did not answer for {seconds} seconds"));
    }

    /// Lets what has arrived be seen.
    pub fn poll(&self) -> Result<()> {
        self.look();
        self.check()
    }

    /// Waits for a submit, or for all, as long as there is patience.
    pub fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.wait_for(submission_index, Some(self.patience()))
    }

    /// Waits for work of unknown length.
    pub fn wait_patiently(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.wait_for(submission_index, None)
    }

    fn wait_for(&self, submission_index: Option<wgpu::SubmissionIndex>, timeout: Option<Duration>) -> Result<()> {
        if self.is_due(Point::Wait) {
            self.is_silent(timeout.unwrap_or_default());
            return self.check();
        }
        match caught(|| self.device.poll(wgpu::PollType::Wait { submission_index, timeout })) {
            Some(Ok(_)) => self.check(),
            Some(Err(wgpu::PollError::Timeout)) => {
                self.is_silent(timeout.unwrap_or_default());
                self.check()
            }
            Some(Err(e)) => self.probe().and(Err(Error::device(format!("{}: {e}", self.adapter)))),
            None => {
                self.note(Fault::Lost, "the device was lost while it was waited for".into());
                self.check()
            }
        }
    }

    /// Runs `make` and turns what wgpu finds wrong with what is made into an error of ours.
    pub fn scoped<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        let errors = [validation, internal, memory].map(|scope| pollster::block_on(scope.pop()));
        let Some(error) = errors.into_iter().flatten().next() else { return Ok(made) };
        // What is made of things of a lost device is invalid as well.
        self.probe()?;
        Err(self.wrong(what, &error))
    }

    fn wrong(&self, what: &str, error: &wgpu::Error) -> Error {
        let message = format!("{what} on {}: {error}", self.adapter);
        match error {
            wgpu::Error::OutOfMemory { .. } => Error::fault(Fault::OutOfMemory, message),
            wgpu::Error::Internal { .. } => Error::fault(Fault::Refused, message),
            wgpu::Error::Validation { .. } => Error::device(message),
        }
    }

    /// What happens at points where faults are injected that something is made at.
    pub fn allowed(&self, point: Point, what: &str) -> Result<()> {
        match (self.is_due(point), point) {
            (false, _) => Ok(()),
            (true, Point::Pipeline) => {
                Err(Error::fault(Fault::Refused, format!("{what} on {}: refused (injected)", self.adapter)))
            }
            (true, _) => {
                Err(Error::fault(Fault::OutOfMemory, format!("{what} on {}: out of memory (injected)", self.adapter)))
            }
        }
    }
}
