//! How `rows`, the kernel for software adapters, cuts a product up.
//!
//! A team of lanes owns a tile of y: each lane 4 columns per panel and all the
//! rows. What costs there is loading, one lane after another, so a load takes
//! four elements, and the lanes of a team share a's. A narrow y needs few
//! lanes per team; the other teams of the subgroup take further rows, slices
//! of K or products.

use super::Sizes;
use crate::kernel::Kernel;
use crate::ops::tiles::{get_quad, put_quad};

/// Rows of a tile: more need fewer loads per multiplication, but the loop then
/// leaves the instruction cache.
const ROWS: usize = 32;

/// Products this deep are worth the second dispatch that adds slices of K.
const DEEP: usize = 512;

/// Subgroups that keep a small CPU busy.
const SUBGROUPS: usize = 4;

/// The longest slice of K; lavapipe silently ends a loop after 65,535 turns.
pub(super) const LONGEST_SLICE: usize = 240_000;

/// A product in tiles of registers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    sizes: Sizes,
    /// Whether a and b are read transposed.
    pub transpose: [bool; 2],
    /// Lanes that own a tile together.
    team: usize,
    /// Lanes of a subgroup, of which teams are parts; 1 where teams are single.
    lanes: usize,
    rows: usize,
    panels: usize,
    /// Tiles of a workgroup side by side, one below the other, and in
    /// neighbouring slices and products.
    across: usize,
    down: usize,
    stacked: usize,
    /// Slices of K and their length.
    pub split: usize,
    pub slice: usize,
}

impl Rows {
    pub fn new(s: Sizes, transpose: [bool; 2], lanes: usize) -> Rows {
        // A single row or column lies the same either way; these are cheaper.
        let transpose = [transpose[0] && s.m > 1, transpose[1] || s.n == 1];
        let team = s.n.div_ceil(4).next_power_of_two().min(lanes);
        let teams = lanes / team;
        let widths = s.n.div_ceil(4 * team);
        // Two panels share loads of a, unless the second would often be empty.
        let panels = if widths % 2 == 1 && widths < 6 { 1 } else { 2 };
        let blocks = widths.div_ceil(panels);
        // Tiles of about equal height; quads of a transposed a lie along rows.
        let even = |most: usize| match s.m.div_ceil(s.m.div_ceil(most)) {
            rows @ 1..=3 if !transpose[0] => rows,
            rows => rows.next_multiple_of(4),
        };
        let tiles = |rows: usize| s.batch * blocks * s.m.div_ceil(rows);
        let mut rows = even(ROWS);
        let mut split = 1;
        if s.k >= DEEP {
            let least = if teams > 1 { 64 } else { 256 };
            split = (SUBGROUPS * teams / tiles(rows)).clamp(1, s.k / least);
        } else {
            let wanted = |rows: usize| if rows > 8 { SUBGROUPS * teams } else { teams };
            let lowest = if transpose[0] { 4 } else { 1 };
            while rows > lowest && tiles(rows) < wanted(rows) {
                rows = even(rows.div_ceil(2));
            }
        }
        let split = split.max(s.k.div_ceil(LONGEST_SLICE));
        let slice = s.k.div_ceil(split).next_multiple_of(4);
        let split = s.k.div_ceil(slice);
        // Up to 32 invocations per workgroup, fewer where workgroups are few,
        // and whole subgroups in any case.
        let least = (lanes.max(8) / team).max(1);
        let mut most = (32 / team).max(least);
        while most > least && (tiles(rows) * split).div_ceil(most) < 16 {
            most /= 2;
        }
        let share = |n: usize, most: usize| n.next_power_of_two().min(most);
        let across = share(blocks, most);
        let down = share(s.m.div_ceil(rows), most / across);
        let stacked = share(s.batch * split, most / across / down).max(least / across / down);
        let lanes = if team == 1 { 1 } else { lanes };
        Rows { sizes: s, transpose, team, lanes, rows, panels, across, down, stacked, split, slice }
    }

    /// Workgroups per dimension.
    pub fn groups(&self) -> [usize; 3] {
        let Rows { sizes: s, .. } = self;
        [
            s.n.div_ceil(4 * self.team * self.panels).div_ceil(self.across),
            s.m.div_ceil(self.rows).div_ceil(self.down),
            (s.batch * self.split).div_ceil(self.stacked),
        ]
    }

    /// Invocations per workgroup.
    pub fn wg(&self) -> usize {
        self.team * self.across * self.down * self.stacked
    }

    /// Whether four neighbours in a row of a, b and y always lie at a multiple
    /// of four elements.
    pub fn quads(&self) -> [bool; 3] {
        let Sizes { m, n, k, .. } = self.sizes;
        let [ta, tb] = self.transpose;
        [if ta { m } else { k }, if tb { k } else { n }, n].map(|along| along % 4 == 0)
    }

    /// Adds the constants and functions that the kernel leaves open.
    pub fn describe(&self, kernel: Kernel) -> Kernel {
        let k = kernel.constant("ROWS", self.rows).constant("PANELS", self.panels).constant("TEAM", self.team);
        let k = k.set("ACROSS", self.across).set("DOWN", self.down).lanes(self.lanes);
        let [a, b, y] = self.quads();
        k.line("quad_a", get_quad("a", a)).line("quad_b", get_quad("b", b)).line("put_quad", put_quad(y))
    }

    /// The cut of a single element, for the file's other kernels: every name
    /// in a file must be declared.
    pub fn unused(s: Sizes) -> Rows {
        Rows::new(Sizes { batch: 1, m: 1, n: 1, k: 1, ..s }, [false; 2], 1)
    }
}
