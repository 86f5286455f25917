//! What a language model made up, and where it looked.

use crate::eval::html::{escape, figure};
use crate::eval::metrics::{Language, Sampled};
use crate::eval::plot::attention::attention;
use crate::terminal::shortened;

/// Characters of a text that are shown.
const SHOWN: usize = 2001;

/// What stands below the figures.
pub(super) fn tables(l: &Language) -> String {
    let texts: String = l.sampled.iter().map(sampled).collect();
    let texts = match texts.is_empty() {
        true => texts,
        false => format!("<h3>What it writes</h3>\n{texts}"),
    };
    let mut layers: Vec<&str> = vec![];
    for map in &l.attention {
        if !layers.contains(&map.layer.as_str()) {
            layers.push(&map.layer);
        }
    }
    let maps: String = layers
        .iter()
        .map(|layer| {
            let heads: Vec<_> = l.attention.iter().filter(|m| m.layer == *layer).collect();
            format!("<div class=\"scroll\">{}</div>\n", figure(&attention(layer, &heads).svg()))
        })
        .collect();
    match maps.is_empty() {
        true => texts,
        false => format!(
            "{texts}<h3>Where it looks</h3>\n<p class=\"note\">A row is a position, a column the position that it \
             attends to: the stronger, the more. Each square is a head.</p>\n{maps}"
        ),
    }
}

fn sampled(s: &Sampled) -> String {
    let shown = |t: &str| escape(&shortened(t, SHOWN));
    let how = match s.temperature {
        0.0 => "the likeliest token each time".to_string(),
        t => format!("temperature {t}"),
    };
    format!("<p class=\"note\">{how}</p>\n<pre class=\"text\"><b>{}</b>{}</pre>\n", shown(&s.prompt), shown(&s.text))
}
