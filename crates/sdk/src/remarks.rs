//! Remarks: what is worth saying beside a result that is good enough to go on with, such as a template that failed
//! and for which other words stand in.
//!
//! Who notices says it ([`remark`]); who asked for the result hears it ([`heard`], [`heard_within`]). In between
//! nothing has to hand it on. Where nobody listens a remark is lost.

use std::cell::RefCell;
use std::pin::pin;

/// Remarks that are kept of one result.
const MAX_REMARKS: usize = 16;
/// Characters that are kept of a remark.
const MAX_REMARK_CHARS: usize = 400;

thread_local! {
    static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Puts back who listened before, even when what ran inside panicked.
struct Restore(Option<Vec<String>>);

impl Drop for Restore {
    fn drop(&mut self) {
        HEARD.with(|heard| heard.replace(self.0.take()));
    }
}

/// Says something to whoever listens. What was said already is not said twice.
pub fn remark(text: &str) {
    let text: String = text.chars().take(MAX_REMARK_CHARS).collect();
    HEARD.with(|heard| {
        let mut heard = heard.borrow_mut();
        if let Some(all) = heard.as_mut().filter(|all| all.len() < MAX_REMARKS && !all.contains(&text)) {
            all.push(text);
        }
    });
}

/// Runs this on this thread: what came of it, and what was remarked.
pub fn heard<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    let mut all = Vec::new();
    let value = listen(&mut all, run);
    (value, all)
}

/// The same for what waits in between.
pub async fn heard_within<F: Future>(future: F) -> (F::Output, Vec<String>) {
    let (mut future, mut all) = (pin!(future), Vec::new());
    let output = std::future::poll_fn(|context| listen(&mut all, || future.as_mut().poll(context))).await;
    (output, all)
}

fn listen<T>(all: &mut Vec<String>, run: impl FnOnce() -> T) -> T {
    let before = HEARD.with(|heard| heard.replace(Some(std::mem::take(all))));
    let _restore = Restore(before);
    let value = run();
    *all = HEARD.with(RefCell::take).unwrap_or_default();
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_heard_by_who_listens_only() {
        remark("lost");
        let ((), outer) = heard(|| {
            remark("a");
            assert_eq!(heard(|| remark("inner")).1, ["inner"]);
            remark("a");
            remark("b");
            let panicked = std::panic::catch_unwind(|| heard(|| panic!("on purpose")));
            assert!(panicked.is_err());
            (0..100).for_each(|n| remark(&n.to_string()));
        });
        assert_eq!((&outer[..3], outer.len()), (["a", "b", "0"].map(str::to_owned).as_slice(), MAX_REMARKS));
        assert_eq!(heard(|| remark(&"ä".repeat(999))).1[0].chars().count(), MAX_REMARK_CHARS);
    }

    #[tokio::test]
    async fn they_are_kept_while_something_waits() {
        let one = async {
            remark("before");
            tokio::task::yield_now().await;
            remark("after");
        };
        let other = heard_within(async {
            remark("other");
            tokio::task::yield_now().await;
        });
        let (((), one), ((), other)) = tokio::join!(heard_within(one), other);
        assert_eq!((one, other), (vec!["before".to_owned(), "after".to_owned()], vec!["other".to_owned()]));
    }
}
