//! What requests bring as JSON, read straight into flat lists: a value per number would take
//! many times the memory of the text.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The elements of lists in lists, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// Numbers.
    Numbers(Vec<f64>),
    /// `true` and `false`.
    Truths(Vec<bool>),
    /// Texts.
    Texts(Vec<String>),
    /// Files, from `{"b64": ".."}`.
    Files(Vec<Vec<u8>>),
}

impl Elements {
    /// Adds elements behind these.
    ///
    /// Fails where they are of another kind.
    pub fn join(&mut self, more: Elements) -> Result<(), &'static str> {
        match (self, more) {
            (Elements::Numbers(all), Elements::Numbers(more)) => all.extend(more),
            (Elements::Truths(all), Elements::Truths(more)) => all.extend(more),
            (Elements::Texts(all), Elements::Texts(more)) => all.extend(more),
            (Elements::Files(all), Elements::Files(more)) => all.extend(more),
            _ => return Err("numbers, texts or truths beside each other; expected elements of one kind"),
        }
        Ok(())
    }
}

/// Lists in lists, all of one length at each depth.
#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    /// The lengths, the outermost first; empty of a single element.
    pub shape: Vec<usize>,
    /// The elements.
    pub elements: Elements,
}

/// Reads [`Nested`].
struct Collector {
    /// The length at each depth, once one list of it has ended.
    shape: Vec<Option<usize>>,
    elements: Option<Elements>,
    /// The depth of the elements.
    depth: Option<usize>,
}

struct At<'a> {
    all: &'a mut Collector,
    depth: usize,
}

impl Collector {
    fn push<E: Error>(&mut self, depth: usize, element: Elements) -> Result<(), E> {
        if *self.depth.get_or_insert(depth) != depth {
            return Err(E::custom("lists of different depths; expected all elements at one depth"));
        }
        match &mut self.elements {
            Some(all) => all.join(element).map_err(E::custom),
            none => {
                *none = Some(element);
                Ok(())
            }
        }
    }

    fn number<E: Error>(&mut self, depth: usize, x: f64) -> Result<(), E> {
        // The usual case, without a list of its own.
        if let (Some(Elements::Numbers(all)), Some(at)) = (&mut self.elements, self.depth)
            && at == depth
        {
            all.push(x);
            return Ok(());
        }
        self.push(depth, Elements::Numbers(vec![x]))
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("numbers or texts in lists")
    }

    fn visit_f64<E: Error>(self, x: f64) -> Result<(), E> {
        self.all.number(self.depth, x)
    }

    fn visit_u64<E: Error>(self, x: u64) -> Result<(), E> {
        self.visit_f64(whole(x as f64, x.into())?)
    }

    fn visit_i64<E: Error>(self, x: i64) -> Result<(), E> {
        self.visit_f64(whole(x as f64, x.into())?)
    }

    fn visit_bool<E: Error>(self, x: bool) -> Result<(), E> {
        self.all.push(self.depth, Elements::Truths(vec![x]))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.all.push(self.depth, Elements::Texts(vec![text.into()]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((key, text)) = map.next_entry::<String, String>()? else {
            return Err(A::Error::custom("an empty object; expected a number, a text, or {\"b64\": \"..\"}"));
        };
        if key != "b64" || map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom(format!("an object with {key:?}; expected {{\"b64\": \"..\"}} alone")));
        }
        let bytes = from_base64(&text).map_err(A::Error::custom)?;
        self.all.push(self.depth, Elements::Files(vec![bytes]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let (all, depth) = (self.all, self.depth);
        if all.shape.len() == depth {
            all.shape.push(None);
        }
        let mut n = 0;
        while seq.next_element_seed(At { all: &mut *all, depth: depth + 1 })?.is_some() {
            n += 1;
        }
        match all.shape[depth].replace(n) {
            Some(before) if before != n => Err(A::Error::custom(format!(
                "lists of {before} and of {n} elements beside each other; expected lists of one length"
            ))),
            _ => Ok(()),
        }
    }
}

/// A whole number as a float, if that is exact.
fn whole<E: Error>(x: f64, exact: i128) -> Result<f64, E> {
    match x as i128 == exact {
        true => Ok(x),
        false => Err(E::custom(format!("the number {exact} is beyond 2^53, where floats are not exact"))),
    }
}

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Nested, D::Error> {
        let mut all = Collector { shape: vec![], elements: None, depth: None };
        At { all: &mut all, depth: 0 }.deserialize(d)?;
        let depth = all.depth.unwrap_or(all.shape.len());
        if all.shape.len() > depth {
            return Err(D::Error::custom("lists of different depths; expected all elements at one depth"));
        }
        let shape = all.shape.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Nested { shape, elements: all.elements.unwrap_or(Elements::Numbers(vec![])) })
    }
}

/// The largest number that is taken where single precision is meant.
pub const LARGEST: f64 = 3e38;

/// Numbers in single precision.
///
/// Fails where one is beyond that.
pub fn singles(numbers: Vec<f64>) -> Result<Vec<f32>, String> {
    match numbers.iter().find(|x| x.is_finite() && x.abs() > LARGEST) {
        Some(x) => Err(format!("{x:e} is beyond single precision")),
        None => Ok(numbers.into_iter().map(|x| x as f32).collect()),
    }
}

/// Bytes from base64, also of a data address as browsers write it.
pub fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    use base64::Engine;
    let text = match text.strip_prefix("data:") {
        Some(address) => address.split_once(";base64,").map_or("", |(_, data)| data),
        None => text,
    };
    base64::engine::general_purpose::STANDARD.decode(text.trim()).map_err(|e| format!("this is not base64: {e}"))
}

/// A cell of a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// Text as it is, a number in decimal, nothing where it is missing.
    pub text: String,
    /// Whether it came as a number, and not as the text of one.
    pub is_number: bool,
}

impl Cell {
    /// A text.
    pub fn of(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), is_number: false }
    }

    /// A number, as short as it is exact; missing if it is not finite.
    pub fn number(x: impl Into<f64>) -> Cell {
        let x = x.into();
        let text = match x.is_finite() {
            true if x != 0.0 && !(1e-9..1e15).contains(&x.abs()) => format!("{x:e}"),
            true => x.to_string(),
            false => String::new(),
        };
        Cell { text, is_number: true }
    }

    /// Whether it is a number that single precision has none for.
    pub fn is_beyond_singles(&self) -> bool {
        self.is_number && self.text.parse::<f64>().is_ok_and(|x| x.abs() > LARGEST)
    }

    /// The text for a column of numbers. Tables are written with points or with commas, and
    /// `1.234` may be a thousand and more; with other than three digits behind the point it
    /// can mean one thing only.
    pub fn for_numbers(self) -> String {
        let Cell { mut text, is_number } = self;
        let end = text.find('e').unwrap_or(text.len());
        if is_number && text[..end].find('.').is_some_and(|point| end - point == 4) {
            text.insert(end, '0');
        }
        text
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Cell, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Cell;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a text, a number, true, false or null")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Cell, E> {
                Ok(Cell::of(text))
            }

            fn visit_f64<E: Error>(self, x: f64) -> Result<Cell, E> {
                Ok(Cell::number(x))
            }

            fn visit_u64<E: Error>(self, x: u64) -> Result<Cell, E> {
                Ok(Cell { text: x.to_string(), is_number: true })
            }

            fn visit_i64<E: Error>(self, x: i64) -> Result<Cell, E> {
                Ok(Cell { text: x.to_string(), is_number: true })
            }

            fn visit_bool<E: Error>(self, x: bool) -> Result<Cell, E> {
                Ok(Cell::of(x.to_string()))
            }

            fn visit_unit<E: Error>(self) -> Result<Cell, E> {
                Ok(Cell::default())
            }
        }
        d.deserialize_any(Any)
    }
}

/// A whole number, also as JSON's `3.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(pub u32);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Whole, D::Error> {
        let x = f64::deserialize(d)?;
        match x.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&x) {
            true => Ok(Whole(x as u32)),
            false => Err(D::Error::custom(format!("{x}: expected a whole number from 0 to {}", u32::MAX))),
        }
    }
}

/// A row: names and cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(pub Vec<(String, Cell)>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Row, D::Error> {
        struct Cells;
        impl<'de> Visitor<'de> for Cells {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a row: an object of columns and cells")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut cells = vec![];
                while let Some(cell) = map.next_entry::<String, Cell>()? {
                    cells.push(cell);
                }
                Ok(Row(cells))
            }
        }
        d.deserialize_any(Cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(text: &str) -> Result<Nested, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn lists_in_lists_become_one() {
        let of = |shape: &[usize], v: &[f64]| Nested { shape: shape.to_vec(), elements: Elements::Numbers(v.to_vec()) };
        assert_eq!(nested("[[1,2.5],[0,-4]]"), Ok(of(&[2, 2], &[1.0, 2.5, 0.0, -4.0])));
        assert_eq!(nested("[true]").unwrap().elements, Elements::Truths(vec![true]));
        assert_eq!(nested("3"), Ok(of(&[], &[3.0])));
        assert_eq!(nested("[]"), Ok(of(&[0], &[])));
        assert_eq!(nested("[[],[]]"), Ok(of(&[2, 0], &[])));
        let texts = nested(r#"["a","b"]"#).unwrap();
        assert_eq!((texts.shape, texts.elements), (vec![2], Elements::Texts(vec!["a".into(), "b".into()])));
        assert_eq!(nested(r#"[{"b64":"AQI="}]"#).unwrap().elements, Elements::Files(vec![vec![1, 2]]));
        for (bad, part) in [
            ("[[1],[2,3]]", "lists of 1 and of 2"),
            ("[1,[2]]", "different depths"),
            ("[[1],2]", "different depths"),
            ("[[],1]", "different depths"),
            ("[1,\"a\"]", "elements of one kind"),
            ("[1,true]", "elements of one kind"),
            ("[9007199254740993]", "beyond 2^53"),
            ("[null]", "null"),
            ("[{}]", "empty object"),
            ("[{\"x\":\"y\"}]", "\"x\""),
            ("[{\"b64\":\"?\"}]", "base64"),
            ("[1e999]", "out of range"),
        ] {
            assert!(nested(bad).is_err_and(|e| e.contains(part)), "{bad}: {:?}", nested(bad));
        }
        assert!(nested(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn cells_are_text() {
        let row: Row =
            serde_json::from_str(r#"{"a":1.5,"b":"x","c":null,"d":true,"e":-3,"f":1e300,"g":1.25}"#).unwrap();
        let cells: Vec<&str> = row.0.iter().map(|(_, cell)| cell.text.as_str()).collect();
        assert_eq!(cells, ["1.5", "x", "", "true", "-3", "1e300", "1.25"]);
        let written = |x: f64| Cell::number(x).for_numbers();
        assert_eq!([written(1.234), written(-1234.567), written(1.5)], ["1.2340", "-1234.5670", "1.5"]);
        assert_eq!([written(1.234e-20), written(1234.0), written(f64::NAN)], ["1.2340e-20", "1234", ""]);
        assert_eq!(Cell::of("1.234").for_numbers(), "1.234");
        assert!(serde_json::from_str::<Row>(r#"{"a":[1]}"#).is_err());
    }
}
