//! Families of AMD GPUs for which Mesa's RADV compiles without one: a "null device", which compiles as the driver does
//! on that hardware and runs nothing. Its environment must name the family before the driver is loaded.

use super::{Adapter, adapters};
use crate::error::{Error, Result, unknown};

/// The environment variable that makes RADV open a null device.
pub const FORCE: &str = "RADV_FORCE_FAMILY";

/// RADV before this version of Mesa crashes while it compiles for a null device.
const OLDEST: u32 = 25;

/// A family of GPUs, with the figures of its largest card that bound the time of a step.
///
/// Source: the cards' pages at amd.com, "Specifications": compute units, boost frequency, memory bandwidth. Units and
/// lanes: "RDNA 3 Instruction Set Architecture", AMD, 2023, chapter 2; "Vega Instruction Set Architecture", AMD, 2020.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Family {
    /// RADV's name.
    pub name: &'static str,
    /// The card.
    pub card: &'static str,
    /// What a workgroup runs on: compute units, on RDNA pairs of them.
    pub units: u32,
    /// Instructions of one lane that a unit begins per cycle.
    pub lanes: u32,
    /// Billions of cycles per second at boost.
    pub clock: f64,
    /// Billions of bytes per second from memory.
    pub gbs: f64,
}

const fn family_of(name: &'static str, card: &'static str, units: u32, lanes: u32, clock: f64, gbs: f64) -> Family {
    Family { name, card, units, lanes, clock, gbs }
}

/// Those known.
const FAMILIES: &[Family] = &[
    family_of("polaris10", "Radeon RX 480", 36, 64, 1.266, 256.0),
    family_of("vega10", "Radeon RX Vega 64", 64, 64, 1.546, 483.8),
    family_of("navi10", "Radeon RX 5700 XT", 20, 128, 1.905, 448.0),
    family_of("navi21", "Radeon RX 6900 XT", 40, 128, 2.25, 512.0),
    family_of("navi31", "Radeon RX 7900 XTX", 48, 128, 2.5, 960.0),
    family_of("navi33", "Radeon RX 7600", 16, 128, 2.655, 288.0),
    family_of("gfx1201", "Radeon RX 9070 XT", 32, 128, 2.97, 640.0),
];

/// The family of a name.
///
/// Fails with those known.
pub fn family(name: &str) -> Result<&'static Family> {
    let found = FAMILIES.iter().find(|f| f.name.eq_ignore_ascii_case(name.trim()));
    found.ok_or_else(|| unknown("GPU family", name, FAMILIES.iter().map(|f| f.name)))
}

impl Family {
    /// Whether the process runs in the environment that RADV needs.
    pub fn is_forced(&self) -> bool {
        std::env::var(FORCE).is_ok_and(|v| v == self.name)
    }

    /// Its null device.
    ///
    /// Fails where RADV is not installed, or too old.
    pub fn null_device(&self) -> Result<Adapter> {
        let found = adapters().into_iter().find(|a| a.name.starts_with("Null hardware"));
        let Some(adapter) = found else {
            return Err(self.unavailable("no Vulkan driver here opens a device without hardware"));
        };
        match mesa_version(&adapter.driver) {
            Some(version) if version < OLDEST => {
                Err(self.unavailable(&format!("{} crashes while it compiles without hardware", adapter.driver)))
            }
            _ => Ok(adapter),
        }
    }

    /// The error that nothing compiles for it here, and what to do.
    pub fn unavailable(&self, why: &str) -> Error {
        Error::device(format!(
            "nothing compiles for {} ({}) here: {why}; that takes RADV of Mesa {OLDEST} or later (Debian and Ubuntu: \
             mesa-vulkan-drivers, Arch: vulkan-radeon); `scripts/amd --environment` brings it into a folder of its own",
            self.name, self.card
        ))
    }
}

/// `radv Mesa 25.0.7-2` is 25.
fn mesa_version(driver: &str) -> Option<u32> {
    let rest = driver.split("Mesa ").nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_found_by_name_and_reach_what_their_maker_says() {
        assert_eq!(family("Navi31").unwrap().card, "Radeon RX 7900 XTX");
        let unknown = family("navi99").unwrap_err().to_string();
        assert!(unknown.contains("navi31") && unknown.contains("gfx1201"), "{unknown}");
        // TFLOP/s in f32, a multiply-add counted as two: AMD's own figures, of which RDNA 3 and 4 count two
        // instructions at once.
        for (name, tflops, at_once) in
            [("vega10", 12.66, 1.0), ("navi21", 23.04, 1.0), ("navi31", 61.4, 2.0), ("gfx1201", 48.7, 2.0)]
        {
            let family = family(name).unwrap();
            let reached = f64::from(family.units * family.lanes) * family.clock * 2.0 * at_once / 1e3;
            assert!((reached / tflops - 1.0).abs() < 0.005, "{name}: {reached}");
        }
    }

    #[test]
    fn the_version_of_mesa_is_read() {
        assert_eq!(mesa_version("radv Mesa 25.0.7-2~bpo12+1"), Some(25));
        assert_eq!(mesa_version("NVIDIA 570.1"), None);
    }
}
