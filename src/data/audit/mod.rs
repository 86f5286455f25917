//! What is in a set of images, and what is wrong with it: counts, balance,
//! unreadable files, duplicates, leaks between the splits, odd images.

mod duplicates;
mod odd;
mod pool;
mod show;

pub use odd::Outlier;
pub use pool::ImageRef;
pub use show::{audit_and_show, samples};

use super::{Opened, SizeCount, SourceKind, Unreadable};
use duplicates::{alike, equal};
use pool::Pool;
use serde::Serialize;
use std::collections::BTreeMap;

/// Examples that an audit names of each kind.
const EXAMPLES: usize = 20;
/// Images that an example of equal ones names.
const NAMED: usize = 6;
/// A class this many times as large as another makes a set imbalanced.
const IMBALANCED: usize = 3;
/// Images of a class below which it is called small.
const SMALL: usize = 10;

/// What is in a set of images. The same set gives the same audit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageAudit {
    /// The set as the user named it.
    pub source: String,
    /// What the source is.
    pub kind: SourceKind,
    /// What to act on, the gravest first.
    pub warnings: Vec<String>,
    /// What to know.
    pub notes: Vec<String>,
    /// Channels of an image.
    pub channels: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// How many images were looked at, where they were drawn from more than memory may
    /// hold; the counts of splits and classes are of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<usize>,
    /// The number of images of each split that is there: `train`, `validation`,
    /// `test`.
    pub splits: Vec<SplitCount>,
    /// The number of images of each class, in the order of classes.
    pub classes: Vec<ClassCount>,
    /// Mean and deviation of the training images, channel by channel.
    pub stats: Vec<ChannelStats>,
    /// The sizes of the pictures in a folder, before they became one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Sizes>,
    /// Files in a folder that are no pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<UnreadableFiles>,
    /// Images all of whose pixels are equal.
    pub constant: Found<ImageRef>,
    /// Images whose brightness or contrast is far from that of their class.
    pub outliers: Found<Outlier>,
    /// Images that occur more than once, pixel by pixel.
    pub equal: Equal,
    /// Images that look alike without being equal.
    pub alike: AlikeImages,
    /// Images of one split that are, or look like, images of another.
    pub leaks: Vec<Leak>,
}

/// The number of images of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SplitCount {
    /// `train`, `validation` or `test`.
    pub name: &'static str,
    /// Its images.
    pub images: usize,
}

/// The number of images of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class.
    pub name: String,
    /// Its images, in the order of `splits`.
    pub images: Vec<usize>,
}

/// The values of a channel, scaled to 0..1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelStats {
    /// `grey`, or `red`, `green`, `blue`, or a number.
    pub channel: String,
    /// The mean.
    pub mean: f32,
    /// The standard deviation; 1 where all values are equal.
    pub std: f32,
}

/// The sizes of a folder's pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// How many different sizes there are.
    pub different: usize,
    /// Pictures whose size was changed.
    pub resized: usize,
    /// The most frequent sizes.
    pub most: Vec<SizeCount>,
}

/// The unreadable files of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadableFiles {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub examples: Vec<Unreadable>,
}

/// How many there are of something, and some of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found<T> {
    /// All of them.
    pub count: usize,
    /// Some of them, the most telling first.
    pub examples: Vec<T>,
}

/// Equal images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Equal {
    /// Groups of equal images.
    pub groups: usize,
    /// Images in all groups beyond the first of each.
    pub copies: usize,
    /// Groups whose images have different classes.
    pub conflicts: usize,
    /// Groups, those with different classes first; of each its first images.
    pub examples: Vec<Vec<ImageRef>>,
}

/// Images that look alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlikeImages {
    /// Different images that were compared; fewer than there are only where
    /// too many look alike to compare all in reasonable time.
    pub searched: usize,
    /// Different images in all.
    pub of: usize,
    /// Pairs that look alike.
    pub pairs: usize,
    /// Images in such pairs.
    pub images: usize,
    /// Pairs whose images have different classes.
    pub conflicts: usize,
    /// Pairs: those with different classes first, then the most alike.
    pub examples: Vec<AlikePair>,
}

/// Two images that look alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlikePair {
    /// The one.
    pub a: ImageRef,
    /// The other.
    pub b: ImageRef,
    /// The correlation of their grey values, at most 1.
    pub similarity: f64,
}

/// Images of one split that are known from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// The split they are known from.
    pub from: &'static str,
    /// The split they are in.
    pub into: &'static str,
    /// Images of `into` that are equal to one of `from`.
    pub equal: usize,
    /// Further images of `into` that look like one of `from`.
    pub alike: usize,
}

/// The images behind the examples, for sheets.
pub(super) struct Places {
    conflicts: Vec<Vec<usize>>,
    alike: Vec<[usize; 2]>,
    outliers: Vec<usize>,
}

/// Looks through a data set. `val_split` and `seed` are those of training: the
/// share of the training images held out for validation where the source has no
/// validation images, or 0.
pub fn audit(source: &str, kind: SourceKind, opened: &Opened, val_split: f64, seed: u32) -> ImageAudit {
    look(source, kind, &pool(opened, val_split, seed)).0
}

fn look(
    source: &str,
    kind: SourceKind,
    (pool, opened, trouble): &(Pool, &Opened, Option<String>),
) -> (ImageAudit, Places) {
    let groups = equal(pool);
    let mut group_of: Vec<usize> = (0..pool.len()).collect();
    for group in &groups {
        group.iter().for_each(|&i| group_of[i] = group[0]);
    }
    let firsts: Vec<usize> = (0..pool.len()).filter(|&i| group_of[i] == i).collect();
    let near = alike(pool, &firsts);
    let leaks = leaks(pool, &group_of, &near.pairs);
    let (constant, outliers) = (odd::constant(pool), odd::outliers(pool));
    let (equal, conflicts) = equal_images(pool, &groups);
    let (alike, pairs) = alike_images(pool, near, firsts.len());
    let folder = opened.folder.as_ref();
    let [channels, height, width] = pool.shape;
    let examples = |all: &[usize]| all.iter().take(EXAMPLES).map(|&i| pool.name(i)).collect();
    let mut audit = ImageAudit {
        source: source.into(),
        kind,
        warnings: vec![],
        notes: opened.sampled.iter().map(|s| &s.note).chain(opened.notes()).cloned().collect(),
        channels,
        height,
        width,
        sampled: opened.sampled.as_ref().map(|_| pool.len()),
        splits: (0..pool.parts.len())
            .map(|p| SplitCount { name: pool.parts[p].name, images: pool.labels(p).len() })
            .collect(),
        classes: class_counts(pool),
        stats: stats(pool),
        sizes: folder.map(|f| Sizes {
            different: f.sizes.len(),
            resized: f.resized,
            most: f.sizes.iter().take(EXAMPLES).copied().collect(),
        }),
        unreadable: folder.map(|f| UnreadableFiles {
            count: f.unreadable_count,
            examples: f.unreadable.iter().take(EXAMPLES).cloned().collect(),
        }),
        constant: Found { count: constant.len(), examples: examples(&constant) },
        outliers: Found {
            count: outliers.len(),
            examples: outliers.iter().take(EXAMPLES).map(|o| o.named(pool)).collect(),
        },
        equal,
        alike,
        leaks,
    };
    audit.warnings = show::warnings(&audit, trouble.as_deref());
    let outliers = outliers.iter().take(EXAMPLES).map(|o| o.image).collect();
    (audit, Places { conflicts, alike: pairs, outliers })
}

fn pool(opened: &Opened, val_split: f64, seed: u32) -> (Pool<'_>, &Opened, Option<String>) {
    let (pool, trouble) = Pool::new(opened, val_split, seed);
    (pool, opened, trouble)
}

fn class_counts(pool: &Pool) -> Vec<ClassCount> {
    let count = |name: &String| ClassCount { name: name.clone(), images: vec![0; pool.parts.len()] };
    let mut counts: Vec<ClassCount> = pool.classes.iter().map(count).collect();
    for part in 0..pool.parts.len() {
        pool.labels(part).into_iter().for_each(|label| counts[label as usize].images[part] += 1);
    }
    counts
}

fn stats(pool: &Pool) -> Vec<ChannelStats> {
    let train = &pool.parts[0].images;
    let name = |c: usize| match train.channels {
        1 => "grey".into(),
        3 => ["red", "green", "blue"][c].into(),
        _ => c.to_string(),
    };
    let stats = train.channel_stats().into_iter().enumerate();
    stats.map(|(c, (mean, std))| ChannelStats { channel: name(c), mean, std }).collect()
}

/// Groups of equal images, and the first of those whose classes differ.
fn equal_images(pool: &Pool, groups: &[Vec<usize>]) -> (Equal, Vec<Vec<usize>>) {
    let differs = |g: &&Vec<usize>| g.iter().any(|&i| pool.label(i) != pool.label(g[0]));
    let (conflicts, others): (Vec<&Vec<usize>>, Vec<&Vec<usize>>) = groups.iter().partition(differs);
    // Of a group with different classes, images of each class are named.
    let named = |g: &Vec<usize>| -> Vec<usize> {
        let mut firsts: BTreeMap<u32, usize> = BTreeMap::new();
        for &i in g {
            firsts.entry(pool.label(i)).or_insert(i);
        }
        let rest = g.iter().copied().filter(|i| !firsts.values().any(|first| first == i));
        let mut named: Vec<usize> = firsts.values().copied().chain(rest).take(NAMED).collect();
        named.sort_unstable();
        named
    };
    let shown: Vec<Vec<usize>> = conflicts.iter().chain(&others).take(EXAMPLES).map(|g| named(g)).collect();
    let equal = Equal {
        groups: groups.len(),
        copies: groups.iter().map(|g| g.len() - 1).sum(),
        conflicts: conflicts.len(),
        examples: shown.iter().map(|g| g.iter().map(|&i| pool.name(i)).collect()).collect(),
    };
    let conflicts = shown.into_iter().take(conflicts.len()).collect();
    (equal, conflicts)
}

fn alike_images(pool: &Pool, found: duplicates::Alike, of: usize) -> (AlikeImages, Vec<[usize; 2]>) {
    let mut pairs = found.pairs;
    let mut images: Vec<usize> = pairs.iter().flat_map(|p| [p.a, p.b]).collect();
    images.sort_unstable();
    images.dedup();
    let differs = |p: &duplicates::Pair| pool.label(p.a) != pool.label(p.b);
    let conflicts = pairs.iter().filter(|p| differs(p)).count();
    pairs.sort_by(|p, q| differs(q).cmp(&differs(p)).then(q.similarity.total_cmp(&p.similarity)));
    let examples = pairs.iter().take(EXAMPLES);
    let name = |p: &duplicates::Pair| AlikePair { a: pool.name(p.a), b: pool.name(p.b), similarity: p.similarity };
    let alike = AlikeImages {
        searched: found.searched,
        of,
        pairs: pairs.len(),
        images: images.len(),
        conflicts,
        examples: examples.clone().map(name).collect(),
    };
    (alike, examples.map(|p| [p.a, p.b]).collect())
}

/// Counts images of a later split that are known from an earlier one.
fn leaks(pool: &Pool, group_of: &[usize], pairs: &[duplicates::Pair]) -> Vec<Leak> {
    // Bit p of a group's first image: part p has one of the group, or one that
    // looks like it.
    let (mut equal, mut alike) = (vec![0u8; pool.len()], vec![0u8; pool.len()]);
    (0..pool.len()).for_each(|i| equal[group_of[i]] |= 1 << pool.part(i));
    for p in pairs {
        alike[p.a] |= equal[p.b];
        alike[p.b] |= equal[p.a];
    }
    let mut leaks = vec![];
    for into in 1..pool.parts.len() {
        for from in 0..into {
            let own = (0..pool.len()).filter(|&i| pool.part(i) == into).map(|i| group_of[i]);
            let has = |mask: u8| mask >> from & 1 == 1;
            leaks.push(Leak {
                from: pool.parts[from].name,
                into: pool.parts[into].name,
                equal: own.clone().filter(|&g| has(equal[g])).count(),
                alike: own.filter(|&g| !has(equal[g]) && has(alike[g])).count(),
            });
        }
    }
    leaks
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
