//! The page: a file of HTML with the player and the package in it.

use crate::data::html::escape;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

const HTML: &str = include_str!("../../../assets/web/page.html");
const STYLE: &str = include_str!("../../../assets/web/page.css");

/// The player.
const PLAYER: [&str; 6] = [
    include_str!("../../../assets/web/pictures.js"),
    include_str!("../../../assets/web/tables.js"),
    include_str!("../../../assets/web/prepare.js"),
    include_str!("../../../assets/web/tokens.js"),
    include_str!("../../../assets/web/unpack.js"),
    include_str!("../../../assets/web/player.js"),
];

/// What visitors see: each follows what it imports.
const SHOWN: [&str; 4] = [
    include_str!("../../../assets/web/charts.js"),
    include_str!("../../../assets/web/inputs.js"),
    include_str!("../../../assets/web/train.js"),
    include_str!("../../../assets/web/page.js"),
];

const MAIN: &str = include_str!("../../../assets/web/main.js");
const SERVED: &str = include_str!("../../../assets/web/served.js");

/// The page of a package, which computes by itself and asks nobody.
pub fn page(name: &str, package: &[u8]) -> String {
    filled(name, "'none'", &BASE64_STANDARD.encode(package), &script(&[&PLAYER[..], &SHOWN[..], &[MAIN]].concat()))
}

/// The page of a model that is served: the same page without what computes, which the server
/// does. `served` is what its script is told.
pub fn served_page(name: &str, served: &serde_json::Value) -> String {
    // Nothing in it ends the element, or is taken for a place to be filled.
    let told = served.to_string().replace('<', "\\u003c").replace("{{", "{\\u007b");
    filled(name, "'self'", &told, &script(&[&PLAYER[..3], &SHOWN[..], &[SERVED]].concat()))
}

fn filled(name: &str, connect: &str, model: &str, script: &str) -> String {
    // A name may be anything: it comes last.
    HTML.replace("{{connect}}", connect)
        .replace("{{style}}", STYLE)
        .replace("{{script}}", script)
        .replace("{{model}}", model)
        .replace("{{title}}", &escape(name))
}

/// One module of all scripts: what they import of each other stands in it.
fn script(scripts: &[&str]) -> String {
    let own = |line: &&str| !(line.starts_with("import ") && line.contains(" from \"./"));
    let lines = scripts.iter().flat_map(|text| text.lines().filter(own));
    lines.map(|line| line.strip_prefix("export ").unwrap_or(line).to_string() + "\n").collect()
}
