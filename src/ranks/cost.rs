//! What the exchange of a step costs: the alpha-beta model of messages that take a latency and their
//! bytes over a bandwidth (Hockney, "The communication challenge for MPP", Parallel Computing 20,
//! 1994), for an all-to-all of gradients and an all-gather of weights.

/// Seconds of latency of a message over TCP.
pub const LATENCY: f64 = 50e-6;

/// A network that ranks are connected by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// Gigabits per second of a rank, in each direction.
    pub gbit: f64,
    /// Seconds until a message of no bytes has arrived.
    pub latency: f64,
}

impl Network {
    /// One of this bandwidth over TCP.
    pub fn of(gbit: f64) -> Network {
        Network { gbit, latency: LATENCY }
    }

    /// Seconds of the exchange of a step of so many parameters.
    pub fn seconds(self, parameters: usize, ranks: usize) -> f64 {
        let others = ranks.max(1) as f64 - 1.0;
        let bytes = 2.0 * others / ranks.max(1) as f64 * 4.0 * parameters as f64;
        2.0 * others * self.latency + bytes / (self.gbit * 1e9 / 8.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_these_numbers() {
        let manual = include_str!("../../docs/distributed.md");
        for (name, parameters) in [("25 M", 25_000_000), ("124 M", 124_000_000)] {
            for gbit in [1, 10, 100] {
                let cells: String = [2, 4, 8, 16, 32, 64]
                    .map(|ranks| format!(" {:.3} |", Network::of(gbit.into()).seconds(parameters, ranks)))
                    .concat();
                let line = format!("| {name} | {gbit} |{cells}");
                assert!(manual.contains(&line), "docs/distributed.md lacks: {line}");
            }
        }
        assert_eq!(Network::of(1.0).seconds(1000, 1), 0.0);
    }
}
