//! An audit in words, tables and pictures.

use super::{IMBALANCED, ImageAudit, ImageRef, Places, Pool, SMALL, duplicates::ALIKE, look, odd::FAR, pool};
use crate::data::findings::{Block, Findings, Section};
use crate::data::html::Bar;
use crate::data::sheet::{Tile, png, sheet};
use crate::data::{Opened, SourceKind};
use image::RgbImage;

/// Classes on a sheet of samples, and images of each.
const ROWS: usize = 20;
const COLUMNS: usize = 10;
/// Columns of a sheet of findings; even, so that pairs stay together.
const FOUND_COLUMNS: usize = 8;

/// Looks through a data set as [`audit`](super::audit) does, and also tells it
/// in words and pictures.
pub fn audit_and_show(
    source: &str,
    kind: SourceKind,
    opened: &Opened,
    val_split: f64,
    seed: u32,
) -> (ImageAudit, Findings) {
    let pool = pool(opened, val_split, seed);
    let (audit, places) = look(source, kind, &pool);
    let mut findings = findings(&audit, &pool.0, &places);
    let caption = "Training images, a row per class".to_string();
    let picture = Block::Picture { png: png(&samples(opened)), caption };
    findings.sections.insert(1, Section::new("Samples", vec![picture]));
    (audit, findings)
}

/// Samples of a set, a row per class: the first twenty classes, ten images of
/// each, evenly spaced over the class.
pub fn samples(opened: &Opened) -> RgbImage {
    let images = &opened.set.train;
    let mut members = vec![vec![]; images.classes.len()];
    images.labels.iter().enumerate().for_each(|(i, &label)| members[label as usize].push(i));
    let rows: Vec<(usize, &Vec<usize>)> =
        members.iter().enumerate().filter(|(_, m)| !m.is_empty()).take(ROWS).collect();
    let columns = rows.iter().map(|(_, m)| m.len().min(COLUMNS)).max().unwrap_or(1);
    let mut tiles = vec![];
    for (class, members) in rows {
        let n = members.len().min(columns);
        for k in 0..columns {
            // A class with fewer images leaves the rest of its row white.
            let pixels = match k < n {
                true => images.image(members[k * members.len() / n]).to_vec(),
                false => vec![255; images.channels * images.height * images.width],
            };
            tiles.push(Tile { pixels, caption: if k < n { images.classes[class].clone() } else { String::new() } });
        }
    }
    sheet(&tiles, [images.channels, images.height, images.width], columns, "")
}

/// `1 image`, `2 images`.
fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// What to act on, the gravest first.
pub(super) fn warnings(a: &ImageAudit, trouble: Option<&str>) -> Vec<String> {
    let mut out = vec![];
    if a.sampled.is_some() {
        out.extend(a.notes.first().cloned());
    }
    for leak in a.leaks.iter().filter(|l| l.equal > 0) {
        out.push(format!(
            "{} of the {} split {} also in the {} split: scores on it are too good; remove the copies",
            count(leak.equal, "image"),
            leak.into,
            if leak.equal == 1 { "is" } else { "are" },
            leak.from
        ));
    }
    if a.equal.conflicts > 0 {
        out.push(format!(
            "{} of equal images with different classes: at least one label of each is wrong",
            count(a.equal.conflicts, "group")
        ));
    }
    if a.alike.conflicts > 0 {
        out.push(format!(
            "{} of images that look alike have different classes: check their labels",
            count(a.alike.conflicts, "pair")
        ));
    }
    if let Some(files) = a.unreadable.as_ref().filter(|f| f.count > 0) {
        let are = if files.count == 1 { "is" } else { "are" };
        out.push(format!("{} cannot be read and {are} left out", count(files.count, "file")));
    }
    let names: Vec<String> = a.classes.iter().map(|c| c.name.clone()).collect();
    let counts: Vec<usize> = a.classes.iter().map(|c| c.images.iter().sum()).collect();
    out.extend(crate::data::alike::remark(&names, &counts));
    out.extend(trouble.map(|t| format!("there is no validation split: {t}")));
    balance_warnings(a, &mut out);
    if a.constant.count > 0 {
        out.push(format!("{} of one colour only", count(a.constant.count, "image")));
    }
    if a.equal.copies > 0 {
        out.push(format!(
            "{} that are copies of another, pixel by pixel ({})",
            count(a.equal.copies, "image"),
            count(a.equal.groups, "group")
        ));
    }
    for leak in a.leaks.iter().filter(|l| l.alike > 0) {
        out.push(format!(
            "{} of the {} split {} like one of the {} split: are they copies?",
            count(leak.alike, "image"),
            leak.into,
            if leak.alike == 1 { "looks" } else { "look" },
            leak.from
        ));
    }
    out
}

fn balance_warnings(a: &ImageAudit, out: &mut Vec<String>) {
    let train: Vec<(usize, &str)> = a.classes.iter().map(|c| (c.images[0], c.name.as_str())).collect();
    let present = || train.iter().filter(|(n, _)| *n > 0);
    if let (Some(least), Some(most)) = (present().min_by_key(|(n, _)| *n), present().max_by_key(|(n, _)| *n))
        && most.0 >= IMBALANCED * least.0
    {
        out.push(format!(
            "the classes are imbalanced: {} of \"{}\", but {} of \"{}\" to train on; look at more than the accuracy",
            count(most.0, "image"),
            most.1,
            least.0,
            least.1
        ));
    }
    for (i, split) in a.splits.iter().enumerate() {
        let lacking: Vec<&str> = a.classes.iter().filter(|c| c.images[i] == 0).map(|c| c.name.as_str()).collect();
        if !lacking.is_empty() {
            out.push(format!("no {} image is of class {}", split.name, listed(&lacking)));
        }
    }
    let small: Vec<&str> = present().filter(|(n, _)| *n < SMALL).map(|(_, name)| *name).collect();
    if !small.is_empty() {
        out.push(format!("fewer than {SMALL} images to train on are of class {}", listed(&small)));
    }
}

/// The first few names.
fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(5).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
    if names.len() > 5 { format!("{shown} and {} more", names.len() - 5) } else { shown }
}

fn findings(a: &ImageAudit, pool: &Pool, places: &Places) -> Findings {
    let all: usize = a.splits.iter().map(|s| s.images).sum();
    let drawn = a.sampled.map_or_else(String::new, |n| format!(", of which {n} were looked at"));
    let summary = format!(
        "{}{drawn} of {}x{}x{} (channels x height x width), {} classes",
        count(all, "image"),
        a.channels,
        a.height,
        a.width,
        a.classes.len()
    );
    let mut sections = vec![balance(a), pixels(a)];
    sections.extend(folder(a));
    sections.push(duplicates(a, pool, places));
    sections.extend(odd(a, pool, places));
    if !a.notes.is_empty() {
        sections.push(Section::new("Notes", a.notes.iter().map(Block::text).collect()));
    }
    Findings { title: a.source.clone(), summary, warnings: a.warnings.clone(), sections }
}

fn balance(a: &ImageAudit) -> Section {
    let rows = a.splits.iter().map(|s| vec![s.name.to_string(), s.images.to_string()]).collect();
    let bars = a.classes.iter().map(|c| {
        let counts: Vec<String> = c.images.iter().map(usize::to_string).collect();
        Bar { label: c.name.clone(), value: c.images.iter().sum::<usize>() as f64, text: counts.join(" / ") }
    });
    let names: Vec<&str> = a.splits.iter().map(|s| s.name).collect();
    Section::new(
        "Images",
        vec![
            Block::table(&["split", "images"], rows),
            Block::text(format!("By class, {}:", names.join(" / "))),
            Block::Bars(bars.collect()),
        ],
    )
}

fn pixels(a: &ImageAudit) -> Section {
    let row = |c: &super::ChannelStats| vec![c.channel.clone(), format!("{:.4}", c.mean), format!("{:.4}", c.std)];
    let head = ["channel", "mean", "deviation"];
    Section::new("Pixels, from 0 to 1", vec![Block::table(&head, a.stats.iter().map(row).collect())])
}

fn folder(a: &ImageAudit) -> Vec<Section> {
    let mut sections = vec![];
    if let Some(sizes) = &a.sizes {
        let bar = |s: &crate::data::SizeCount| Bar {
            label: format!("{} x {}", s.height, s.width),
            value: s.count as f64,
            text: s.count.to_string(),
        };
        let mut blocks = vec![Block::Bars(sizes.most.iter().map(bar).collect())];
        if sizes.different > sizes.most.len() {
            blocks.push(Block::text(format!("and {} rarer sizes", sizes.different - sizes.most.len())));
        }
        blocks.push(Block::text(match sizes.resized {
            0 => "All pictures keep their size.".to_string(),
            n => format!("{} resized to {} x {}.", count(n, "picture"), a.height, a.width),
        }));
        sections.push(Section::new("Sizes of the pictures, height x width", blocks));
    }
    if let Some(files) = a.unreadable.as_ref().filter(|f| f.count > 0) {
        let rows = files.examples.iter().map(|u| vec![u.file.clone(), u.reason.clone()]).collect();
        let title = format!("Files that cannot be read ({})", files.count);
        sections.push(Section::new(title, vec![Block::table(&["file", "reason"], rows)]));
    }
    sections
}

fn duplicates(a: &ImageAudit, pool: &Pool, places: &Places) -> Section {
    let mut rows = vec![
        vec!["equal images: copies".to_string(), a.equal.copies.to_string()],
        vec!["equal images with different classes: groups".into(), a.equal.conflicts.to_string()],
        vec!["images that look alike: pairs".into(), a.alike.pairs.to_string()],
        vec!["pairs that look alike with different classes".into(), a.alike.conflicts.to_string()],
    ];
    for leak in &a.leaks {
        rows.push(vec![format!("{} images equal to a {} image", leak.into, leak.from), leak.equal.to_string()]);
        rows.push(vec![format!("{} images that look like a {} image", leak.into, leak.from), leak.alike.to_string()]);
    }
    let mut blocks = vec![Block::Table { head: vec![], rows }];
    if a.alike.searched < a.alike.of {
        blocks.push(Block::text(format!(
            "So many images look alike that only {} of {} were compared.",
            a.alike.searched, a.alike.of
        )));
    }
    let conflicts: Vec<usize> = places.conflicts.iter().flatten().copied().collect();
    blocks.extend(tiles(pool, &conflicts, "Equal images with different classes"));
    if !a.equal.examples.is_empty() {
        let row = |g: &Vec<ImageRef>| vec![g.iter().map(described).collect::<Vec<_>>().join(" = ")];
        let rows: Vec<Vec<String>> = a.equal.examples.iter().take(10).map(row).collect();
        blocks.push(Block::table(&["equal images"], rows));
    }
    let pairs: Vec<usize> = places.alike.iter().flatten().copied().collect();
    blocks.extend(tiles(pool, &pairs, &format!("Images that look alike, in pairs (correlation {ALIKE} or more)")));
    if !a.alike.examples.is_empty() {
        let row = |p: &super::AlikePair| vec![described(&p.a), described(&p.b), format!("{:.4}", p.similarity)];
        let rows: Vec<Vec<String>> = a.alike.examples.iter().take(10).map(row).collect();
        blocks.push(Block::table(&["look alike", "", "correlation"], rows));
    }
    Section::new("Duplicates", blocks)
}

/// An image with its class.
fn described(image: &ImageRef) -> String {
    match &image.file {
        Some(file) => format!("{file} ({})", image.class),
        None => image.to_string(),
    }
}

fn odd(a: &ImageAudit, pool: &Pool, places: &Places) -> Vec<Section> {
    let mut blocks = vec![];
    if a.constant.count > 0 {
        let rows = a.constant.examples.iter().map(|i| vec![described(i)]).collect();
        blocks.push(Block::table(&["of one colour only"], rows));
    }
    if a.outliers.count > 0 {
        let row = |o: &super::Outlier| {
            let numbers = [o.value, o.class_mean, o.deviations].map(|x| format!("{x:.1}"));
            [vec![described(&o.image), o.measure.to_string()], numbers.to_vec()].concat()
        };
        let rows: Vec<Vec<String>> = a.outliers.examples.iter().take(10).map(row).collect();
        blocks.push(Block::text(format!(
            "{} {FAR} or more standard deviations from the mean brightness or contrast of their class.",
            count(a.outliers.count, "image")
        )));
        blocks.extend(tiles(pool, &places.outliers, "Images far from their class in brightness or contrast"));
        blocks.push(Block::table(&["image", "measure", "value", "class mean", "deviations"], rows));
    }
    if blocks.is_empty() { vec![] } else { vec![Section::new("Outliers", blocks)] }
}

/// A sheet of images with their classes, if there are any.
fn tiles(pool: &Pool, images: &[usize], caption: &str) -> Option<Block> {
    let tile = |&i: &usize| {
        let name = pool.name(i);
        Tile { pixels: pool.image(i).to_vec(), caption: format!("{}\n{} {}", name.class, name.split, name.index) }
    };
    let tiles: Vec<Tile> = images.iter().map(tile).collect();
    let png = png(&sheet(&tiles, pool.shape, FOUND_COLUMNS, ""));
    (!tiles.is_empty()).then(|| Block::Picture { png, caption: caption.into() })
}
