//! What the fuzz targets reach of the files of a search.

use super::record::Log;
use std::path::Path;
use toml::Table;

/// Opens the folder of a search that is asked for again.
pub fn log(folder: &Path, asked: Table) {
    if let Ok(log) = Log::open(folder, asked) {
        let _ = (log.latest().len(), log.find(0, 0), log.check_data(0, ""));
    }
}
