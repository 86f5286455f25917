//! How images are brought to one size and one number of channels.

use super::levels::Levels;
use crate::error::{Error, Result, unknown};
use crate::keys::{Keys, as_pair};
use image::imageops::FilterType;
use toml::{Table, Value};

/// The greatest height and width of a picture, in pixels.
pub(super) const MAX_SIDE: u32 = 16_384;

/// How pixels are computed when a picture changes its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filter {
    /// Bilinear when it grows, a weighted mean of all covered pixels when it
    /// shrinks.
    #[default]
    Triangle,
    /// The nearest pixel: for pictures whose values are numbers, not light.
    Nearest,
    /// Cubic, sharper than the triangle.
    CatmullRom,
    /// A windowed sinc, the sharpest.
    Lanczos3,
}

/// The filters by name.
const FILTERS: [(&str, Filter); 4] = [
    ("triangle", Filter::Triangle),
    ("nearest", Filter::Nearest),
    ("catmull-rom", Filter::CatmullRom),
    ("lanczos3", Filter::Lanczos3),
];

impl Filter {
    /// The filter of this name. Fails on an unknown one, with the nearest.
    pub fn parse(name: &str) -> Result<Filter> {
        let found = FILTERS.iter().find(|(n, _)| *n == name).map(|&(_, filter)| filter);
        found.ok_or_else(|| unknown("filter", name, FILTERS.iter().map(|&(n, _)| n)))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        FILTERS.iter().find(|&&(_, filter)| filter == self).expect("every filter has a name").0
    }

    pub(super) fn of_image(self) -> FilterType {
        match self {
            Filter::Triangle => FilterType::Triangle,
            Filter::Nearest => FilterType::Nearest,
            Filter::CatmullRom => FilterType::CatmullRom,
            Filter::Lanczos3 => FilterType::Lanczos3,
        }
    }
}

/// What the images of a source are made to be: keys `size`, `filter`,
/// `channels` and `levels` of a configuration's `[data]` table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenOptions {
    /// Height and width. Without one, sets of one size keep it, and a folder of
    /// pictures takes the size that most of them have, scaled down to 224 on
    /// the longer side.
    pub size: Option<[usize; 2]>,
    /// How pictures of another size are resized.
    pub filter: Filter,
    /// 1 for grey or 3 for colour. Without one, sets keep theirs, and a folder
    /// of pictures gives grey images if all pictures are grey.
    pub channels: Option<usize>,
    /// The values of pictures of 16 bits per channel that become 0 and 255.
    /// Without them, those are the smallest and the largest value of the training
    /// pictures, where all pictures are so deep, and else 0 and 65535.
    pub levels: Option<Levels>,
}

impl OpenOptions {
    /// Reads the keys out of a table; the others are left for the caller.
    ///
    /// Fails when a value is none of those that [`to_table`](Self::to_table)
    /// writes; `size` may also be one number, for a square.
    pub fn read(keys: &mut Keys) -> Result<OpenOptions> {
        let place = keys.place().to_string();
        let wrong = |key: &str, found: &Value, expected: &str| {
            Error::model(format!("{place}: {key} = {found}; expected {expected}"))
        };
        let most = MAX_SIDE as usize;
        let size = match keys.take("size") {
            None => None,
            Some(Value::String(s)) if s == "auto" => None,
            Some(v) => match as_pair(&v, 1).filter(|pair| pair.iter().all(|&n| n <= most)) {
                Some(pair) => Some(pair),
                None => {
                    let expected = format!("\"auto\", a side or [height, width], from 1 to {most} pixels");
                    return Err(wrong("size", &v, &expected));
                }
            },
        };
        let filter = match keys.text("filter")? {
            None => Filter::default(),
            Some(name) => Filter::parse(&name).map_err(|e| e.context(&place))?,
        };
        let channels = match keys.take("channels") {
            None => None,
            Some(Value::String(s)) if s == "auto" => None,
            Some(Value::Integer(n @ (1 | 3))) => Some(n as usize),
            Some(v) => return Err(wrong("channels", &v, "\"auto\", 1 (grey) or 3 (red, green, blue)")),
        };
        let levels = match keys.take("levels") {
            None => None,
            Some(Value::String(s)) if s == "auto" => None,
            Some(v) => {
                let pair = as_pair(&v, 0).filter(|_| v.is_array()).map(|pair| pair.map(u16::try_from));
                let Some([Ok(low), Ok(high)]) = pair.filter(|p| matches!(p, [Ok(low), Ok(high)] if low < high)) else {
                    let expected = "\"auto\" or the values of 16-bit pictures that become 0 and 255, such as [0, 4095]";
                    return Err(wrong("levels", &v, expected));
                };
                Some([low, high])
            }
        };
        Ok(OpenOptions { size, filter, channels, levels })
    }

    /// The keys with their values, all of them.
    pub fn to_table(&self) -> Table {
        let auto = || Value::from("auto");
        let pair = |[h, w]: [usize; 2]| Value::Array(vec![(h as i64).into(), (w as i64).into()]);
        let mut table = Table::new();
        table.insert("size".into(), self.size.map_or_else(auto, pair));
        table.insert("filter".into(), self.filter.name().into());
        table.insert("channels".into(), self.channels.map_or_else(auto, |n| (n as i64).into()));
        table.insert("levels".into(), self.levels.map_or_else(auto, |levels| pair(levels.map(usize::from))));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<OpenOptions> {
        let mut keys = Keys::new(text.parse().unwrap(), "[data]");
        let options = OpenOptions::read(&mut keys)?;
        keys.finish().map(|()| options)
    }

    #[test]
    fn what_is_written_reads_back() {
        for (_, filter) in FILTERS {
            for size in [None, Some([1, 16_384])] {
                for channels in [None, Some(1), Some(3)] {
                    for levels in [None, Some([96, 4095])] {
                        let options = OpenOptions { size, filter, channels, levels };
                        assert_eq!(read(&options.to_table().to_string()).unwrap(), options);
                    }
                }
            }
        }
        assert_eq!(read("").unwrap(), OpenOptions::default());
        assert_eq!(read("size = 32").unwrap().size, Some([32, 32]));
    }

    #[test]
    fn a_wrong_value_says_what_is_right() {
        let message = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(
            message("size = [0, 4]"),
            "[data]: size = [0, 4]; expected \"auto\", a side or [height, width], from 1 to 16384 pixels"
        );
        assert!(message("size = 16385").contains("size = 16385"));
        assert!(message("channels = 4").contains("channels = 4; expected \"auto\", 1 (grey) or 3"));
        assert!(message("filter = \"lanczos\"").contains("did you mean \"lanczos3\"?"));
        for wrong in ["4095", "[4095, 0]", "[0, 70000]", "[0, 1, 2]"] {
            let text = message(&format!("levels = {wrong}"));
            assert!(text.contains("expected \"auto\" or the values of 16-bit pictures"), "{text}");
        }
        assert!(message("sise = 3").contains("did you mean \"size\"?"));
    }
}
