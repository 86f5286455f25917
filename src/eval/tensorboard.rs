//! TensorBoard's event files: records framed as TFRecords, each a protocol
//! buffer `Event` written by hand, for few fields are needed.
//!
//! Source: TensorFlow's `event.proto`, `summary.proto` and
//! `lib/io/record_writer.h`.

use super::history::EpochRecord;
use super::point::Point;
use crate::error::{Error, Result};
use crate::files::host;
use crate::files::name::plain_name;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes one event file.
pub struct EventWriter {
    file: BufWriter<File>,
    path: PathBuf,
}

impl EventWriter {
    /// Starts a new event file in a run's folder. A run that resumes adds
    /// another file, and says from which step on: TensorBoard then forgets what
    /// an earlier file has at and after that step.
    pub fn create(folder: &Path, resumed_at: Option<u64>) -> Result<EventWriter> {
        let mut time = now() as u64;
        let host = plain_name(&host(), "localhost");
        // Names sort by time; two files of one second must not be one.
        let (file, path) = loop {
            let path = folder.join(format!("events.out.tfevents.{time}.{host}.wgrad"));
            match File::create_new(&path) {
                Ok(file) => break (file, path),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => time += 1,
                Err(e) => return Err(Error::io(format!("making {}", path.display()), e)),
            }
        };
        let mut writer = EventWriter { file: BufWriter::new(file), path };
        writer.event(0, |e| e.bytes(3, b"brain.Event:2"))?;
        if let Some(step) = resumed_at {
            // SessionLog { status: START }
            writer.event(step, |e| e.message(7, |log| log.number(1, 1)))?;
        }
        writer.flush()?;
        Ok(writer)
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number at a step.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.summary(tag, step, |v| v.float(2, value as f32))
    }

    /// A text, in Markdown.
    pub fn text(&mut self, tag: &str, step: u64, text: &str) -> Result<()> {
        const DT_STRING: u64 = 7;
        self.summary(tag, step, |v| {
            v.message(8, |tensor| {
                tensor.number(1, DT_STRING);
                tensor.message(2, |shape| shape.message(2, |dim| dim.number(1, 1)));
                tensor.bytes(8, text.as_bytes());
            });
            v.message(9, |metadata| metadata.message(1, |plugin| plugin.bytes(1, b"text")));
        })
    }

    /// A picture: the bytes of a PNG file, which says its size and its colours.
    ///
    /// Fails when they are no PNG, or the file cannot be written.
    pub fn image(&mut self, tag: &str, step: u64, png: &[u8]) -> Result<()> {
        let Some((width, height, channels)) = png_header(png) else {
            return Err(Error::data(format!("the picture \"{tag}\" for TensorBoard is no PNG; expected one")));
        };
        self.summary(tag, step, |v| {
            v.message(4, |image| {
                image.number(1, height.into());
                image.number(2, width.into());
                image.number(3, channels);
                image.bytes(4, png);
            });
        })
    }

    /// How values are distributed: 30 buckets of equal width. Values that are
    /// not finite are left out.
    pub fn histogram(&mut self, tag: &str, step: u64, values: &[f32]) -> Result<()> {
        const BUCKETS: usize = 30;
        let finite = || values.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v));
        let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return Ok(());
        }
        let width = ((high - low) / BUCKETS as f64).max(f64::MIN_POSITIVE);
        let mut counts = [0.0; BUCKETS];
        for v in finite() {
            counts[(((v - low) / width) as usize).min(BUCKETS - 1)] += 1.0;
        }
        let limits: Vec<f64> = (1..=BUCKETS).map(|i| low + width * i as f64).collect();
        self.summary(tag, step, |v| {
            v.message(5, |h| {
                h.double(1, low);
                h.double(2, high);
                h.double(3, counts.iter().sum());
                h.double(4, finite().sum());
                h.double(5, finite().map(|v| v * v).sum());
                h.doubles(6, &limits);
                h.doubles(7, &counts);
            });
        })
    }

    /// All numbers of an epoch, under `loss/train`, `loss/val`, .., `lr`,
    /// `grad_norm`, at its step (at its number where steps are not counted).
    pub fn epoch(&mut self, record: &EpochRecord) -> Result<()> {
        let step = if record.step > 0 { record.step } else { record.epoch as u64 };
        for (split, scores) in [("train", Some(&record.train)), ("val", record.val.as_ref())] {
            let Some(scores) = scores else { continue };
            for name in scores.names() {
                self.scalar(&format!("{name}/{split}"), step, scores.get(name).unwrap_or(f64::NAN))?;
            }
        }
        for (tag, value) in [("lr", record.lr), ("grad_norm", record.grad_norm)] {
            if let Some(value) = value {
                self.scalar(tag, step, value)?;
            }
        }
        self.scalar("epoch", step, record.epoch as f64)?;
        self.flush()
    }

    /// A point of the curves, under `loss/step`, .., `lr/step`, `grad_norm/step`:
    /// tags of their own, for the mean of an epoch and that of a few steps are not
    /// points of one curve.
    pub fn point(&mut self, point: &Point) -> Result<()> {
        for (name, value) in point.numbers() {
            self.scalar(&format!("{name}/step"), point.step, value)?;
        }
        self.flush()
    }

    /// Hands everything to the operating system, so that TensorBoard sees it.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|e| Error::io(format!("writing {}", self.path.display()), e))
    }

    fn summary(&mut self, tag: &str, step: u64, value: impl FnOnce(&mut Message)) -> Result<()> {
        self.event(step, |e| {
            e.message(5, |summary| {
                summary.message(1, |v| {
                    v.bytes(1, tag.as_bytes());
                    value(v);
                });
            });
        })
    }

    fn event(&mut self, step: u64, what: impl FnOnce(&mut Message)) -> Result<()> {
        let mut event = Message::default();
        event.double(1, now());
        event.number(2, step);
        what(&mut event);
        let frame = frame(&event.0);
        self.file.write_all(&frame).map_err(|e| Error::io(format!("writing {}", self.path.display()), e))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// A protocol buffer message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut v: u64) {
        while v > 0x7f {
            self.0.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
    }

    fn key(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn number(&mut self, field: u64, v: u64) {
        self.key(field, 0);
        self.varint(v);
    }

    fn double(&mut self, field: u64, v: f64) {
        self.key(field, 1);
        self.0.extend(v.to_le_bytes());
    }

    fn float(&mut self, field: u64, v: f32) {
        self.key(field, 5);
        self.0.extend(v.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, v: &[u8]) {
        self.key(field, 2);
        self.varint(v.len() as u64);
        self.0.extend(v);
    }

    fn doubles(&mut self, field: u64, v: &[f64]) {
        let packed: Vec<u8> = v.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.bytes(field, &packed);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }
}

/// Width, height and TensorBoard's `colorspace` of a PNG file, which is its
/// number of channels: grey, grey and opacity, RGB, RGBA.
fn png_header(png: &[u8]) -> Option<(u32, u32, u64)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..)?.strip_prefix(b"IHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let channels = match header.get(9)? {
        0 => 1,
        4 => 2,
        // A palette is one of RGB.
        2 | 3 => 3,
        6 => 4,
        _ => return None,
    };
    Some((number(0)?, number(4)?, channels))
}

/// A TFRecord: length, its checksum, data, its checksum.
fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut out = length.to_vec();
    out.extend(masked(crc32c(&length)).to_le_bytes());
    out.extend(data);
    out.extend(masked(crc32c(data)).to_le_bytes());
    out
}

/// TFRecord's mask: a checksum of data that holds checksums would be weak.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli).
fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !data.iter().fold(!0, |crc, &b| (crc >> 8) ^ TABLE[((crc ^ u32::from(b)) & 0xff) as usize])
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut crc, mut bit) = (i as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    #[test]
    fn messages_are_protocol_buffers() {
        let mut m = Message::default();
        m.number(1, 150);
        m.bytes(2, b"testing");
        m.message(3, |inner| inner.number(1, 1));
        assert_eq!(m.0, *b"\x08\x96\x01\x12\x07testing\x1a\x02\x08\x01");
    }

    #[test]
    fn a_picture_says_what_it_is() {
        use image::{ColorType, ImageFormat};
        let types = [(ColorType::L8, 1), (ColorType::La8, 2), (ColorType::Rgb8, 3), (ColorType::Rgba8, 4)];
        for (color, channels) in types {
            let mut png = std::io::Cursor::new(vec![]);
            let pixels = vec![9; 5 * 3 * usize::from(color.channel_count())];
            image::write_buffer_with_format(&mut png, &pixels, 5, 3, color, ImageFormat::Png).unwrap();
            assert_eq!(png_header(png.get_ref()), Some((5, 3, channels)), "{color:?}");
        }
        let scene = crate::eval::plot::epochs_chart("a plot", vec![]).scene();
        let [width, height] = scene.png_size();
        assert_eq!(png_header(&scene.png().unwrap()), Some((width, height, 3)));
        let dir = tempfile::tempdir().unwrap();
        let mut events = EventWriter::create(dir.path(), None).unwrap();
        events.image("plot", 3, &scene.png().unwrap()).unwrap();
        assert!(events.image("plot", 3, b"GIF89a").is_err());
    }

    #[test]
    fn files_of_one_second_are_two() {
        let dir = tempfile::tempdir().unwrap();
        let a = EventWriter::create(dir.path(), None).unwrap();
        let b = EventWriter::create(dir.path(), Some(10)).unwrap();
        assert_ne!(a.path(), b.path());
        let bytes = std::fs::read(a.path()).unwrap();
        // Length 24: wall time 9, step 2 .. and the version's 15 bytes.
        assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize, bytes.len() - 16);
        assert!(bytes.windows(13).any(|w| w == b"brain.Event:2"));
    }
}
