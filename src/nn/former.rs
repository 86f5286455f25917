//! Names that parameters had in earlier versions. Attention and transformer blocks
//! are called as PyTorch calls them since.

use super::Description;

/// Parts of a transformer block: before, and now.
const BLOCK: [(&str, &str); 6] = [
    ("ln_1.", "norm1."),
    ("ln_2.", "norm2."),
    ("attn.", "self_attn."),
    ("mlp.fc.", "linear1."),
    ("mlp.proj.", "linear2."),
    ("mlp.gate.", "gate."),
];

/// The projections of an attention: before, and now.
const PROJECTION: [(&str, &str); 2] = [("in_proj.weight", "in_proj_weight"), ("in_proj.bias", "in_proj_bias")];

/// The name of a parameter that an earlier version of this model called `name`;
/// `None` where that is its name still.
pub fn present_name(description: &Description, name: &str) -> Option<String> {
    // Names of layers may hold dots, and one may begin with another.
    description.layers.iter().find_map(|layer| {
        let part = name.strip_prefix(&layer.name)?.strip_prefix('.')?;
        let now = match layer.layer.kind() {
            "MultiHeadAttention" => projection(part)?,
            "TransformerBlock" => {
                let (before, now) = BLOCK.iter().find(|(before, _)| part.starts_with(before))?;
                let part = format!("{now}{}", &part[before.len()..]);
                projection(&part).unwrap_or(part)
            }
            _ => return None,
        };
        Some(format!("{}.{now}", layer.name))
    })
}

fn projection(part: &str) -> Option<String> {
    let (before, now) = PROJECTION.iter().find(|(before, _)| part.ends_with(before))?;
    Some(format!("{}{now}", part.strip_suffix(before)?))
}

/// What an earlier version would have called a parameter, by its name alone: what
/// patterns of names that were written for it fit.
pub fn former_name(name: &str) -> Option<String> {
    let mut former = name.to_string();
    for (before, now) in BLOCK {
        former = former.replacen(&format!(".{now}"), &format!(".{before}"), 1);
    }
    for (before, now) in PROJECTION {
        if let Some(stem) = former.strip_suffix(now) {
            former = format!("{stem}{before}");
        }
    }
    (former != name).then_some(former)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_names_become_present_ones_in_the_layers_that_had_them() {
        let text = r#"
            input = [4, 8]
            [[layer]]
            type = "TransformerBlock"
            name = "deep.er"
            heads = 2
            feed_forward = "gated"
            [[layer]]
            type = "MultiHeadAttention"
            heads = 2
            [[layer]]
            type = "Dense"
            name = "mlp.fc"
            units = 3
        "#;
        let description = Description::parse(text).unwrap();
        for (before, now) in [
            ("deep.er.ln_1.weight", "deep.er.norm1.weight"),
            ("deep.er.ln_2.bias", "deep.er.norm2.bias"),
            ("deep.er.attn.in_proj.weight", "deep.er.self_attn.in_proj_weight"),
            ("deep.er.attn.in_proj.bias", "deep.er.self_attn.in_proj_bias"),
            ("deep.er.attn.out_proj.weight", "deep.er.self_attn.out_proj.weight"),
            ("deep.er.mlp.fc.bias", "deep.er.linear1.bias"),
            ("deep.er.mlp.proj.weight", "deep.er.linear2.weight"),
            ("deep.er.mlp.gate.weight", "deep.er.gate.weight"),
            ("attn1.in_proj.weight", "attn1.in_proj_weight"),
        ] {
            assert_eq!(present_name(&description, before).as_deref(), Some(now));
            assert_eq!(present_name(&description, now), None, "{now}");
            assert_eq!(former_name(now).as_deref(), Some(before));
        }
        for same in ["mlp.fc.weight", "attn1.out_proj.weight", "deep.attn.in_proj.weight"] {
            assert_eq!(present_name(&description, same), None, "{same}");
        }
        assert_eq!(former_name("conv1.weight"), None);
    }
}
