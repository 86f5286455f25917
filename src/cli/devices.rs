//! `wgrad devices`

use super::{flags, out};
use crate::device;
use crate::error::Result;

pub fn run(f: &flags::Devices) -> Result<()> {
    let all = device::list();
    if f.json {
        return out::json(&serde_json::json!({ "status": "ok", "devices": all }));
    }
    for (i, d) in all.iter().enumerate() {
        let number = if d.kind == "cpu" { "cpu".into() } else { i.to_string() };
        out::line(format!("{number:>4}  {}  ({}, {}; {})", d.name, d.backend, d.kind, d.driver))?;
    }
    if all.len() == 1 {
        out::line("No Vulkan, Metal or DX12 driver was found; training runs on the CPU.")?;
    }
    Ok(())
}
