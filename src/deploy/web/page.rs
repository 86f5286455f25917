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

/// The page of a package, which computes by itself and asks nobody.
pub fn page(name: &str, package: &[u8]) -> String {
    filled(name, "'none'", &BASE64_STANDARD.encode(package), &script(&[&PLAYER[..], &SHOWN[..], &[MAIN]].concat()))
}

/// The same page without a player: `main` is a module that calls `start(computer)` with
/// whoever computes, such as the server that the page comes from.
pub fn page_of(name: &str, main: &str) -> String {
    filled(name, "'self'", "", &script(&[&PLAYER[..4], &SHOWN[..], &[main]].concat()))
}

fn filled(name: &str, connect: &str, model: &str, script: &str) -> String {
    HTML.replace("{{title}}", &escape(name))
        .replace("{{connect}}", connect)
        .replace("{{style}}", STYLE)
        .replace("{{model}}", model)
        .replace("{{script}}", script)
}

/// One module of all scripts: what they import of each other stands in it.
fn script(scripts: &[&str]) -> String {
    let own = |line: &&str| !(line.starts_with("import ") && line.contains(" from \"./"));
    let lines = scripts.iter().flat_map(|text| text.lines().filter(own));
    lines.map(|line| line.strip_prefix("export ").unwrap_or(line).to_string() + "\n").collect()
}
