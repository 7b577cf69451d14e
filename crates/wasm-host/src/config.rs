//! How components are compiled and run: the same for both, or the code would not fit.

use wasmtime::Config;

/// With ticks that interrupt, and without what is for looking into code.
pub fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.generate_address_map(false);
    config
}
