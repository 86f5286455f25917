//! Tensors kept in half precision: the text of a shader that was written for
//! f32, with some of its storage variables in two bytes an element.
//!
//! What is loaded is widened and what is stored is rounded; everything between
//! is computed in f32 as it stands in the file. A variable `x: array<vec4<f32>>`
//! becomes `array<vec4<f16>>`, a load `x[i]` becomes `vec4<f32>(x[i])` and a store
//! `x[i] = v` becomes `x[i] = vec4<f16>(v)`. So no kernel has a second version
//! for halves, and none has to be written with them in mind: WGSL converts
//! nothing by itself, so an access that this overlooked would not compile.
//!
//! Where shaders have no type f16, a word holds two halves: vec4s lie in
//! `array<vec2<u32>>`, and single elements can be loaded but not stored, since two
//! invocations would write one word.

use crate::error::{Error, Result};

/// How a shader holds two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// As `f16`.
    #[default]
    Typed,
    /// Two to a word, without the type.
    Packed,
}

/// What a variable holds, element for element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    One,
    Two,
    Four,
}

/// A storage variable that is narrowed.
struct Variable<'a> {
    name: &'a str,
    element: Element,
}

/// The functions that loads and stores of packed halves go through.
const PACKED: &str = "
fn halves_of4(word: vec2<u32>) -> vec4<f32> { return vec4(unpack2x16float(word.x), unpack2x16float(word.y)); }
fn word_of4(v: vec4<f32>) -> vec2<u32> { return vec2(pack2x16float(v.xy), pack2x16float(v.zw)); }
fn half_of(word: u32, i: u32) -> f32 { return unpack2x16float(word)[i & 1u]; }
";

/// The shader with the storage variables `names` in half precision.
pub(super) fn narrow(text: &str, names: &[&str], form: Form) -> Result<String> {
    let variables = names.iter().map(|name| variable(text, name)).collect::<Result<Vec<_>>>()?;
    let variables = variables.into_iter().flatten().collect();
    let mut out = Narrowing { variables, form }.rewritten(text)?;
    match form {
        Form::Typed if text.contains("enable f16;") => {}
        Form::Typed => out.insert_str(0, "enable f16; "),
        Form::Packed => out.push_str(PACKED),
    }
    Ok(out)
}

/// Whether an assembled shader takes floats by their bits out of a variable that
/// holds words: they have to stay four bytes each.
pub fn takes_bits(text: &str, name: &str) -> bool {
    text.contains(&format!("bitcast<f32>({name}["))
}

/// Whether a storage variable of an assembled shader is declared to hold words.
pub fn holds_words(text: &str, name: &str) -> bool {
    let declared = |line: &&str| line.contains("var<storage") && line.contains(&format!("> {name}: array<"));
    text.lines().find(declared).is_some_and(|line| line.contains("array<u32>") || line.contains("array<vec4<u32>>"))
}

/// Finds the declaration of a variable; nothing if it holds words, which are
/// there for a tensor that an entry point binds and does not look at.
fn variable<'a>(text: &str, name: &'a str) -> Result<Option<Variable<'a>>> {
    let declared = |line: &&str| line.contains("var<storage") && line.contains(&format!("> {name}: array<"));
    let Some(line) = text.lines().find(declared) else {
        return Err(Error::model(format!("no storage array is named \"{name}\"")));
    };
    let of = line.split_once("array<").map_or("", |(_, rest)| rest);
    let of = of.split_once(">;").map_or("", |(element, _)| element);
    // An alias that the kernel or the file gives.
    let alias = text.lines().find_map(|l| l.trim().strip_prefix("alias ")?.strip_prefix(of)?.trim().strip_prefix("= "));
    let element = match alias.and_then(|a| a.split(';').next()).unwrap_or(of) {
        "u32" => return Ok(None),
        "f32" => Element::One,
        "vec2<f32>" => Element::Two,
        "vec4<f32>" => Element::Four,
        other => return Err(Error::model(format!("\"{name}\" holds {other}; only floats can be kept in halves"))),
    };
    Ok(Some(Variable { name, element }))
}

struct Narrowing<'a> {
    variables: Vec<Variable<'a>>,
    form: Form,
}

impl Narrowing<'_> {
    fn rewritten(&self, text: &str) -> Result<String> {
        let bytes = text.as_bytes();
        let mut out = String::with_capacity(text.len() + 256);
        let mut at = 0;
        while at < bytes.len() {
            if text[at..].starts_with("//") {
                let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
                out.push_str(&text[at..end]);
                at = end;
            } else if is_start(bytes[at]) {
                let end = at + text[at..].bytes().take_while(|b| is_part(*b)).count();
                let word = &text[at..end];
                let member = out.ends_with('.');
                at = match self.variables.iter().find(|v| v.name == word).filter(|_| !member) {
                    Some(v) => self.access(v, text, end, &mut out)?,
                    None => {
                        out.push_str(word);
                        end
                    }
                };
            } else {
                // A number's suffix is no identifier.
                let number = bytes[at].is_ascii_digit();
                let more = |b: &u8| if number { is_part(*b) || *b == b'.' } else { false };
                let end = at + 1 + bytes[at + 1..].iter().take_while(|b| more(b)).count();
                let end = (end..=text.len()).find(|&e| text.is_char_boundary(e)).unwrap_or(text.len());
                out.push_str(&text[at..end]);
                at = end;
            }
        }
        Ok(out)
    }

    /// Rewrites what follows the name of a variable; returns where the rest goes
    /// on.
    fn access(&self, v: &Variable, text: &str, after: usize, out: &mut String) -> Result<usize> {
        let rest = &text[after..];
        if rest.starts_with(": array<") && out.ends_with("> ") {
            let end = rest.find(">;").map_or(rest.len(), |n| n + 2);
            out.push_str(&format!("{}: array<{}>;", v.name, self.kept(v.element)));
            return Ok(after + end);
        }
        if !rest.starts_with('[') {
            out.push_str(v.name);
            return Ok(after);
        }
        let close = after + matching(rest).ok_or_else(|| self.refused(v, "an index that does not end"))?;
        let index = self.rewritten(&text[after + 1..close])?;
        let place = format!("{}[{index}]", v.name);
        let behind = text[close + 1..].trim_start();
        let operator = ["+=", "-=", "*=", "/="].into_iter().find(|o| behind.starts_with(o));
        let stores = operator.is_some() || (behind.starts_with('=') && !behind.starts_with("=="));
        if out.ends_with('&') && !out.ends_with("&&") {
            return Err(self.refused(v, "its address"));
        }
        if !stores {
            out.push_str(&self.load(v, &index, &place));
            return Ok(close + 1);
        }
        let value = text.len() - behind.len() + operator.map_or(1, str::len);
        let end = value + text[value..].find(';').ok_or_else(|| self.refused(v, "a store that does not end"))?;
        let stored = self.rewritten(text[value..end].trim())?;
        let stored = match operator {
            Some(o) => format!("{} {} ({stored})", self.load(v, &index, &place), &o[..1]),
            None => stored,
        };
        let narrowed = match (self.form, v.element) {
            (Form::Typed, element) => format!("{}({stored})", self.kept(element)),
            (Form::Packed, Element::Four) => format!("word_of4({stored})"),
            (Form::Packed, Element::Two) => format!("pack2x16float({stored})"),
            (Form::Packed, Element::One) => return Err(self.refused(v, "stores of single elements")),
        };
        out.push_str(&format!("{place} = {narrowed}"));
        Ok(end)
    }

    fn load(&self, v: &Variable, index: &str, place: &str) -> String {
        match (self.form, v.element) {
            (Form::Typed, Element::One) => format!("f32({place})"),
            (Form::Typed, Element::Two) => format!("vec2<f32>({place})"),
            (Form::Typed, Element::Four) => format!("vec4<f32>({place})"),
            (Form::Packed, Element::One) => format!("half_of({}[({index}) >> 1u], {index})", v.name),
            (Form::Packed, Element::Two) => format!("unpack2x16float({place})"),
            (Form::Packed, Element::Four) => format!("halves_of4({place})"),
        }
    }

    /// The type in memory.
    fn kept(&self, element: Element) -> &'static str {
        match (self.form, element) {
            (Form::Typed, Element::One) => "f16",
            (Form::Typed, Element::Two) => "vec2<f16>",
            (Form::Typed, Element::Four) => "vec4<f16>",
            (Form::Packed, Element::Four) => "vec2<u32>",
            (Form::Packed, _) => "u32",
        }
    }

    fn refused(&self, v: &Variable, what: &str) -> Error {
        Error::model(format!("\"{}\" cannot be kept in halves: the shader has {what}", v.name))
    }
}

fn is_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

fn is_part(b: u8) -> bool {
    is_start(b) || b.is_ascii_digit()
}

/// Where the bracket that `text` begins with is closed.
fn matching(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.bytes().position(|b| {
        depth += i32::from(b == b'[') - i32::from(b == b']');
        depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHADER: &str = "
// x[i] in a comment stays.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w4: array<Wide>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<f32>>;
alias Wide = vec4<f32>;
@compute @workgroup_size(1)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    let a = x[x_at(i)] * x[2u * u32(x[0])];
    y4[i] = w4[i].yxzw * a;
    y4[i] += w4[i + 1u];
}
fn x_at(i: u32) -> u32 { return i; }
";

    fn parses(text: &str) -> bool {
        let options = naga::front::wgsl::Options {
            parse_doc_comments: false,
            capabilities: naga::valid::Capabilities::SHADER_FLOAT16,
        };
        naga::front::wgsl::Frontend::new_with_options(options).parse(text).is_ok()
    }

    #[test]
    fn loads_widen_and_stores_round() {
        let text = narrow(SHADER, &["x", "w4", "y4"], Form::Typed).unwrap();
        for line in [
            "// x[i] in a comment stays.",
            "var<storage, read> x: array<f16>;",
            "var<storage, read> w4: array<vec4<f16>>;",
            "let a = f32(x[x_at(i)]) * f32(x[2u * u32(f32(x[0]))]);",
            "y4[i] = vec4<f16>(vec4<f32>(w4[i]).yxzw * a);",
            "y4[i] = vec4<f16>(vec4<f32>(y4[i]) + (vec4<f32>(w4[i + 1u])));",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(parses(&text));
        assert_eq!(text.lines().count(), SHADER.lines().count(), "line numbers stay those of the file");
    }

    #[test]
    fn words_hold_two_halves() {
        let text = narrow(SHADER, &["x", "y4"], Form::Packed).unwrap();
        for line in [
            "var<storage, read> x: array<u32>;",
            "var<storage, read_write> y4: array<vec2<u32>>;",
            "let a = half_of(x[(x_at(i)) >> 1u], x_at(i))",
            "y4[i] = word_of4(halves_of4(y4[i]) + (w4[i + 1u]));",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(parses(&text));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let scalar = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\nfn f() { y[0] = 1.0; }";
        let why = narrow(scalar, &["y"], Form::Packed).unwrap_err().to_string();
        assert!(why.contains("single elements"), "{why}");
        let address = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\nfn f() { let p = &y[0]; }";
        assert!(narrow(address, &["y"], Form::Typed).unwrap_err().to_string().contains("address"));
        let integers = "@group(0) @binding(0) var<storage, read> n: array<vec3<u32>>;";
        assert!(narrow(integers, &["n"], Form::Typed).unwrap_err().to_string().contains("vec3<u32>"));
        assert!(narrow(integers, &["m"], Form::Typed).unwrap_err().to_string().contains("\"m\""));
    }
}
