//! The configurations that come with the program, as TOML in `assets/recipes`:
//! settings that are known to do well on a data set.

/// Names and configurations.
pub const RECIPES: &[(&str, &str)] = &[
    ("mnist", include_str!("../../assets/recipes/mnist.toml")),
    ("titanic", include_str!("../../assets/recipes/titanic.toml")),
    ("winequality", include_str!("../../assets/recipes/winequality.toml")),
];

/// Their names, separated by commas.
pub fn recipe_names() -> String {
    RECIPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The configuration of that name.
pub fn recipe(name: &str) -> Option<&'static str> {
    RECIPES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Settings;

    #[test]
    fn every_recipe_is_a_configuration_and_survives_toml() {
        for (name, text) in RECIPES {
            let read = |text: &str| Settings::read(text.parse().expect("TOML")).map(|s| s.to_table());
            let table = read(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            let again = read(&toml::to_string(&table).expect("plain values")).expect("what is written reads back");
            assert_eq!(again, table, "{name}");
        }
    }
}
