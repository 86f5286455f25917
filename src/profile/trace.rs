//! A profile as a trace in the format of Chrome and Perfetto: JSON events on a
//! track of the host and a track of the device.
//!
//! Source: "Trace Event Format", Google, 2016.

use super::{OpTime, Taken};
use crate::plan::Span;
use serde_json::{Value, json};

/// The tracks.
const HOST: u32 = 1;
const DEVICE: u32 = 2;

impl Taken {
    /// The trace as JSON text, to open in Perfetto or `chrome://tracing`.
    pub fn trace(&self) -> String {
        let subject = &self.profile.subject;
        let device = format!("{} ({})", subject.device.name, subject.device.backend);
        let mut events = vec![
            named("process_name", HOST, "wgrad"),
            named("thread_name", HOST, "host"),
            named("thread_name", DEVICE, &device),
        ];
        for (i, run) in self.timeline.runs.iter().enumerate() {
            let whole = Span { begin: run.encode.begin, end: run.wait.end };
            events.push(event(&format!("step {}", i + 1), HOST, whole, json!({})));
            for (name, span) in [("encode", run.encode), ("submit", run.submit), ("wait", run.wait)] {
                if span.duration() > 0.0 {
                    events.push(event(name, HOST, span, json!({})));
                }
            }
            for (op, pieces) in self.profile.kernels.iter().zip(&self.pieces) {
                if let [(first, _), .., (last, _)] = &pieces[..] {
                    let span = Span { begin: run.kernels[*first].begin, end: run.kernels[*last].end };
                    events.push(event(&op.name, DEVICE, span, arguments(op)));
                }
                for (kernel, name) in pieces {
                    let alone = pieces.len() == 1;
                    let args = if alone { arguments(op) } else { json!({ "op": op.name }) };
                    events.push(event(name, DEVICE, run.kernels[*kernel], args));
                }
            }
        }
        let about = json!({
            "model": subject.model, "batch_size": subject.batch_size, "device": device,
            "clock_uncertainty_us": self.timeline.uncertainty / 1e3,
        });
        json!({ "displayTimeUnit": "ms", "otherData": about, "traceEvents": events }).to_string()
    }
}

fn arguments(op: &OpTime) -> Value {
    json!({ "layer": op.scope, "shapes": op.shapes, "flops": op.flops, "bytes": op.bytes, "bound_by": op.bound })
}

fn named(what: &str, track: u32, name: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": 1, "tid": track, "args": { "name": name } })
}

/// An event with a begin and an end; times of a trace are microseconds.
fn event(name: &str, track: u32, span: Span, args: Value) -> Value {
    let (ts, dur) = (span.begin / 1e3, span.duration() / 1e3);
    json!({ "ph": "X", "name": name, "pid": 1, "tid": track, "ts": ts, "dur": dur, "args": args })
}
