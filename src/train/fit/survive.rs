//! A training whose device fails: the device is opened anew, everything on it is made again,
//! and training goes on from the latest moment in host memory. A step is a pure function of
//! that state, so its bits are those of a training whose device has not failed.

use super::Run;
use super::moment::Moment;
use crate::device::Device;
use crate::error::{Context, Error, Fault, Result};
use crate::eval::LostDevice;
use crate::train::session::opened;
use crate::train::stream::Stream;

impl Run<'_, '_> {
    /// Leads on after an error, where that is possible: back to the latest epoch, if numbers
    /// were not finite and that was asked for; or on a new device.
    pub(super) fn recover(&mut self, why: Error) -> Result<()> {
        self.clock.warm = false;
        match self.go_back() {
            Ok(true) => Ok(()),
            Ok(false) => self.survive(why),
            Err(e) => self.survive(e),
        }
    }

    /// Goes on after the device has failed.
    fn survive(&mut self, mut why: Error) -> Result<()> {
        loop {
            let Some(fault) = self.session.fault(&why) else { return Err(why) };
            let Some(moment) = self.moments.latest.clone() else {
                return Err(why).context(|| "the device failed before the first step, so nothing was trained yet");
            };
            self.lost += 1;
            let (step, back) = (self.done(), self.counts.done(moment.at.step));
            self.stream = Stream::default();
            self.drop_requests();
            let dead = self.session.device().clone();
            self.session.close(&moment.state, fault);
            let may = self.lost <= self.s.recovery.losses;
            let next = match may.then(|| opened(&dead)).transpose() {
                Ok(Some(device)) => device,
                Ok(None) | Err(_) if self.s.recovery.cpu => Device::Cpu,
                Ok(None) => return Err(self.give_up(&why, step, &moment)),
                Err(e) => return Err(self.give_up(&closed(&why, &e), step, &moment)),
            };
            drop(dead);
            self.say(&why, &next, [step, back])?;
            let rebuilt = self.session.rebuild(next, self.train).and_then(|()| {
                self.asked.rewind();
                self.return_to(&moment)?;
                self.obey_again()
            });
            match rebuilt {
                Ok(()) => return Ok(()),
                Err(e) if self.session.fault(&e).is_some() => why = e,
                Err(e) => return Err(self.give_up(&closed(&why, &e), step, &moment)),
            }
        }
    }

    /// Says where training goes on.
    fn say(&mut self, why: &Error, next: &Device, [step, back]: [usize; 2]) -> Result<()> {
        let (on, most) = (next.info(), self.s.recovery.losses);
        let name = format!("{} ({})", on.name, on.backend);
        self.watch.lost(&LostDevice {
            device_lost: why.to_string(),
            step: step as u64,
            back_to: back as u64,
            on: Some(name.clone()),
        })?;
        let how = match next {
            Device::Cpu => format!(
                "as [recovery] cpu = true asks, training goes on from step {back} on the CPU path, which is slower and may \
                 differ in the last bits from here on"
            ),
            Device::Gpu(_) => format!(
                "{} is opened anew ({} of at most {most} times), and training goes on from step {back}, to the same bits",
                on.name, self.lost
            ),
        };
        self.watch.warn(&format!("the device failed by step {step}: {why}; {how}"));
        Ok(())
    }

    /// Ends the training with what is kept in host memory.
    fn give_up(&mut self, why: &Error, step: usize, moment: &Moment) -> Error {
        let back = self.counts.done(moment.at.step);
        let kept = match (self.keeps, self.kept == Some(back)) {
            (true, false) => self.write(&moment.state, None, &moment.at, false),
            _ => Ok(()),
        };
        let ended = LostDevice { device_lost: why.to_string(), step: step as u64, back_to: back as u64, on: None };
        let noted = self.watch.lost(&ended);
        let (lost, most) = (self.lost, self.s.recovery.losses);
        let rest = match (self.keeps, kept) {
            (true, Ok(())) => format!("the checkpoint of step {back} is kept, from which --resume goes on"),
            (true, Err(e)) => format!("the checkpoint of step {back} cannot be written: {e}"),
            (false, _) => "this training keeps no checkpoints, so it is to be begun again".into(),
        };
        let cpu = match self.s.recovery.cpu {
            true => "",
            false => "; [recovery] cpu = true (--recovery-cpu) goes on on the CPU path instead",
        };
        let noted = noted.err().map_or(String::new(), |e| format!("; the run's folder does not say so: {e}"));
        let message = format!(
            "the device failed by step {step}, {lost} times in this run, and [recovery] losses = {most} is how often it is \
             opened anew: {why}; {rest}{cpu}{noted}"
        );
        match why.fault_of_device() {
            Some(fault) => Error::fault(fault, message),
            None => Error::device(message),
        }
    }
}

/// The error of a device that has failed and cannot be used again.
fn closed(why: &Error, e: &Error) -> Error {
    Error::fault(why.fault_of_device().unwrap_or(Fault::Lost), format!("{why}; it cannot be used again: {e}"))
}
