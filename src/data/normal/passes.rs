//! Normalisation learned on samples that are not in memory: passes over them, which give
//! the bits that learning on the same samples in memory does.

use super::{Normal, Range, histograms, of_histogram, of_pixels, usable};
use crate::data::table::Normalize as Method;
use crate::data::{Dataset, Elements, Samples};
use crate::error::{Context, Result};

/// Ranks of a group that are looked for: the quartiles.
const RANKS: usize = 3;

/// Learned on a set as [`Normal::learn`] does, in as many passes over its samples as the
/// method needs.
pub(super) fn learn(set: &Dataset, method: Method) -> Result<Normal> {
    let groups = set.shape.first().copied().unwrap_or(1);
    let each = set.width() / groups.max(1);
    match set.samples.kind() {
        Elements::Bytes => Ok(Normal::of_ranges(&of_bytes(set, method, groups, each)?, 1)),
        Elements::Floats => Ok(Normal::of_ranges(&of_floats(set, method, groups, each)?, each)),
        Elements::Tokens => Ok(Normal::of_ranges(&[], each)),
    }
}

fn of_bytes(set: &Dataset, method: Method, channels: usize, plane: usize) -> Result<Vec<Range>> {
    if let (Samples::Read(reader), true) = (&set.samples, method != Method::Robust)
        && let Some((moments, images)) = reader.moments()
    {
        return Ok(moments.total(&images).iter().map(|total| of_pixels(total, method)).collect());
    }
    let mut counts = vec![[0u64; 256]; channels];
    pass(set, &mut |piece| {
        let Samples::Bytes(pixels) = piece else { return };
        for (sum, own) in counts.iter_mut().zip(histograms(pixels, channels, plane)) {
            sum.iter_mut().zip(own).for_each(|(sum, n)| *sum += n);
        }
    })?;
    Ok(counts.iter().map(|count| of_histogram(count, method)).collect())
}

/// Calls `see` with all samples, piece by piece.
fn pass(set: &Dataset, see: &mut dyn FnMut(&Samples)) -> Result<()> {
    let all = set.samples.visit(&mut |piece| {
        see(piece);
        Ok(())
    });
    all.context(|| set.name.clone())
}

/// Calls `see` with every finite element and its group, in their order.
fn values(set: &Dataset, groups: usize, each: usize, see: &mut dyn FnMut(usize, f32)) -> Result<()> {
    let width = (groups * each).max(1);
    pass(set, &mut |piece| {
        let Samples::Floats(all) = piece else { return };
        for row in all.chunks_exact(width) {
            for (i, &v) in row.iter().enumerate().filter(|(_, v)| v.is_finite()) {
                see(i / each.max(1), v);
            }
        }
    })
}

fn of_floats(set: &Dataset, method: Method, groups: usize, each: usize) -> Result<Vec<Range>> {
    let ranges = match method {
        Method::None => vec![(0.0, 1.0); groups],
        Method::Standard => standard(set, groups, each)?,
        Method::MinMax => {
            let mut all = vec![(f64::INFINITY, f64::NEG_INFINITY); groups];
            values(set, groups, each, &mut |g, v| {
                let (low, high) = all[g];
                all[g] = (low.min(v.into()), high.max(v.into()));
            })?;
            all.into_iter().map(|(low, high)| (if low.is_finite() { low } else { 0.0 }, high - low)).collect()
        }
        Method::Robust => {
            let quartiles = quartiles(set, groups, each)?;
            let is_wide = |q: &Option<[f64; RANKS]>| matches!(q, Some([low, _, high]) if high > low);
            let others = match quartiles.iter().all(is_wide) {
                true => vec![(0.0, 1.0); groups],
                false => standard(set, groups, each)?,
            };
            let range = |(q, other): (&Option<[f64; RANKS]>, Range)| match q {
                Some([low, middle, high]) if high > low => (*middle, high - low),
                _ => other,
            };
            quartiles.iter().zip(others).map(range).collect()
        }
    };
    Ok(ranges.into_iter().map(usable).collect())
}

/// Mean and standard deviation of each group.
fn standard(set: &Dataset, groups: usize, each: usize) -> Result<Vec<Range>> {
    // What a sum of no numbers is, so that signs of zero come out alike.
    let nothing: f64 = std::iter::empty::<f64>().sum();
    let mut sums = vec![(0u64, nothing); groups];
    values(set, groups, each, &mut |g, v| {
        sums[g].0 += 1;
        sums[g].1 += f64::from(v);
    })?;
    let mut all: Vec<(f64, f64, f64)> = sums
        .into_iter()
        .map(|(n, sum)| {
            let n = n.max(1) as f64;
            (n, sum / n, nothing)
        })
        .collect();
    values(set, groups, each, &mut |g, v| {
        let (_, mean, squares) = &mut all[g];
        *squares += (f64::from(v) - *mean).powi(2);
    })?;
    Ok(all.into_iter().map(|(n, mean, squares)| (mean, (squares / n).sqrt())).collect())
}

/// The quartiles of each group; none of a group without numbers. Four passes after one
/// that counts, each of which finds eight bits of them.
fn quartiles(set: &Dataset, groups: usize, each: usize) -> Result<Vec<Option<[f64; RANKS]>>> {
    let mut counts = vec![0u64; groups];
    values(set, groups, each, &mut |g, _| counts[g] += 1)?;
    let rank = |n: u64, q: f64| (q * (n.max(1) - 1) as f64).round() as u64;
    // The bits found so far, and how many of those with the same bits lie below.
    let mut found: Vec<[(u32, u64); RANKS]> =
        counts.iter().map(|&n| [0.25, 0.5, 0.75].map(|q| (0, rank(n, q)))).collect();
    for bits in [24, 16, 8, 0] {
        let mut seen = vec![[[0u64; 256]; RANKS]; groups];
        values(set, groups, each, &mut |g, v| {
            let key = key(v);
            for (count, (prefix, _)) in seen[g].iter_mut().zip(&found[g]) {
                if bits == 24 || key >> (bits + 8) == *prefix {
                    count[(key >> bits & 255) as usize] += 1;
                }
            }
        })?;
        for (found, seen) in found.iter_mut().flatten().zip(seen.iter().flatten()) {
            let (prefix, left) = *found;
            let mut below = 0;
            let digit = seen.iter().position(|&n| {
                below += n;
                below > left
            });
            let digit = digit.unwrap_or(0);
            *found = (prefix << 8 | digit as u32, left - seen[..digit].iter().sum::<u64>());
        }
    }
    let number = |&(key, _): &(u32, u64)| f64::from(number(key));
    Ok(found.iter().zip(counts).map(|(all, n)| (n > 0).then(|| [0, 1, 2].map(|i| number(&all[i])))).collect())
}

/// A number that is ordered as `f32::total_cmp` orders floats.
fn key(v: f32) -> u32 {
    let bits = v.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The float with this key.
fn number(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::moments::{Moments, OfImage};
    use crate::data::{ReadSamples, Targets};
    use crate::files::memory::DataBound;
    use crate::tensor::random::{Random, stream};

    struct Stored(Dataset);

    impl ReadSamples for Stored {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn elements(&self) -> Elements {
            self.0.samples.kind()
        }

        fn read(&self, rows: &[usize]) -> Result<Samples> {
            Ok(self.0.select(rows).samples)
        }

        fn repeats(&self) -> bool {
            true
        }
    }

    fn set(shape: &[usize], samples: Samples, n: usize) -> Dataset {
        let targets = Targets::Classes { labels: vec![0; n], names: vec!["a".into()] };
        Dataset::new("set", shape.to_vec(), samples, targets).unwrap()
    }

    const METHODS: [Method; 4] = [Method::None, Method::Standard, Method::MinMax, Method::Robust];

    fn bits(n: &Normal) -> Vec<u32> {
        n.scale.iter().chain(&n.shift).map(|x| x.to_bits()).collect()
    }

    #[test]
    fn passes_give_the_bits_of_memory() {
        let mut r = Random::new(5, stream::CASES);
        let mut numbers: Vec<f32> = (0..97 * 6).map(|_| r.normal() * 3.0 + 1.0).collect();
        // A group of zeros of one sign, and what is not finite.
        numbers.chunks_exact_mut(6).for_each(|row| row[4] = -0.0);
        (numbers[7], numbers[20]) = (f32::NAN, f32::INFINITY);
        let bytes: Vec<u8> = (0..97 * 12).map(|_| r.bits() as u8).collect();
        for held in
            [set(&[6], numbers.clone().into(), 97), set(&[2, 3], numbers.into(), 97), set(&[3, 2, 2], bytes.into(), 97)]
        {
            // So little at a time that there are many pieces.
            let read = Samples::read_by(Stored(held.clone()), &held.shape).within(DataBound::of(Some(800)));
            let read = Dataset { samples: read, ..held.clone() };
            for method in METHODS {
                let (a, b) = (Normal::learn(&held, method), learn(&read, method).unwrap());
                assert_eq!(bits(&a), bits(&b), "{method:?} of {:?}", held.shape);
                let some = [96, 3, 50, 3];
                let (a, b) = (Normal::learn(&held.select(&some), method), learn(&read.select(&some), method).unwrap());
                assert_eq!(bits(&a), bits(&b), "{method:?} of some of {:?}", held.shape);
            }
        }
    }

    #[test]
    fn what_was_noted_of_images_is_not_read_again() {
        struct Torn;
        impl ReadSamples for Torn {
            fn count(&self) -> usize {
                4
            }

            fn elements(&self) -> Elements {
                Elements::Bytes
            }

            fn read(&self, _: &[usize]) -> Result<Samples> {
                panic!("nobody asked for that")
            }
        }
        // The second channel is constant.
        let bytes: Vec<u8> = vec![0, 9, 7, 7, 200, 3, 7, 7, 1, 1, 7, 7, 90, 80, 7, 7];
        let held = set(&[2, 1, 2], bytes.clone().into(), 4);
        let moments = Moments::new(bytes.chunks(4).map(|image| OfImage::new(image, 2)), 2, 2);
        let Samples::Read(reader) = Samples::read_by(Torn, &[2, 1, 2]) else { unreachable!() };
        let read = Dataset { samples: Samples::Read(reader.knowing(moments)), ..held.clone() };
        for method in [Method::None, Method::Standard, Method::MinMax] {
            for rows in [vec![0, 1, 2, 3], vec![3, 1]] {
                let (a, b) = (Normal::learn(&held.select(&rows), method), learn(&read.select(&rows), method).unwrap());
                assert_eq!(bits(&a), bits(&b), "{method:?}");
            }
        }
    }
}
