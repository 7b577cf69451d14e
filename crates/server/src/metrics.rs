//! The page `/metrics`.

mod alertmanager;
mod counted;
mod page;
mod process;

pub use page::page;
