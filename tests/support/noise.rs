//! Numbers for made-up tables.

/// Numbers from -1 to 1 that have nothing to do with one another.
pub fn noise(i: usize) -> f64 {
    let mut x = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(12_345);
    for _ in 0..2 {
        x ^= x >> 16;
        x = x.wrapping_mul(0x045d_9f3b);
    }
    f64::from(x ^ (x >> 16)) / f64::from(1u32 << 31) - 1.0
}
