//! How a process of a target begins.

use wgrad::error::is_caught;
use wgrad::files::memory;

/// What a file may unfold to: far below the memory that a target may take, so that whatever
/// ignores the budget is found.
const BUDGET: u64 = 256 << 20;

/// Sets the budget of files, and lets those panics pass that the program expects of other
/// libraries and catches: the fuzzer would end at them.
pub fn begin() {
    memory::set_budget(BUDGET);
    let ends = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !is_caught() {
            ends(info);
        }
    }));
    wgrad::onnx::register().expect("it is registered once");
}
