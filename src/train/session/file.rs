//! A session's weights as a file.

use super::Session;
use crate::error::Result;
use crate::files;
use crate::train::checkpoint;

impl Session {
    /// What a file of the weights says about itself.
    pub fn about(&self) -> checkpoint::About {
        checkpoint::About {
            model: toml::to_string(&self.model.description.to_table()).expect("a table of plain values prints"),
            input: self.model.input.to_vec(),
            interface: self.interface.clone(),
            config: String::new(),
            progress: None,
            moment: None,
        }
    }

    /// Saves the weights alone.
    pub fn save(&mut self, path: &std::path::Path) -> Result<()> {
        let (weights, about) = (self.weights()?, self.about());
        files::write(path, &checkpoint::encode_model(&weights, &about)?)
    }
}
