//! The page `/metrics`.

mod page;
mod process;

pub use page::page;
