//! Stories that are not told for want of something, which must never go unnoticed.

use std::io::Write as _;

/// Says that a story is not told, past the harness, which keeps to itself what tests that pass have said. It fails
/// instead where what is missing was said to be there.
pub fn skip(why: &str, is_promised: bool) {
    assert!(!is_promised, "this must not be skipped: {why}");
    // whoever does not listen does not want to know
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {why} ***\n");
}

/// Whether `cargo xtask test`, or somebody else, has said by this variable that something is there.
pub fn is_promised(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

#[cfg(test)]
mod tests {
    #[test]
    #[should_panic(expected = "this must not be skipped: there is no document")]
    fn what_was_promised_is_not_skipped() {
        super::skip("there is no document", true);
    }
}
