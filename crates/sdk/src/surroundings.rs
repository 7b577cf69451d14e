//! What settings may refer to beside themselves: the named templates that a configuration loaded.
//!
//! Settings are read by serde, which hands nothing down to the fields. So whoever reads settings puts the
//! [`Surroundings`] around it ([`Surroundings::around`]), and a field that needs them asks [`Surroundings::current`].
//! Beside [remarks](crate::remarks) nothing else uses the thread's own memory.

use std::cell::RefCell;
use std::sync::Arc;

use gotemplate::Set;

/// What settings may refer to beside themselves. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The named Go templates: the built-in ones, and over them what the configuration's files define.
    pub templates: Arc<Set>,
}

thread_local! {
    static CURRENT: RefCell<Surroundings> = RefCell::default();
}

/// Puts back what was there, even when what ran inside panicked.
struct Restore(Option<Surroundings>);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            CURRENT.with(|current| current.replace(before));
        }
    }
}

impl Surroundings {
    /// Runs this with these around it, on this thread.
    pub fn around<T>(&self, run: impl FnOnce() -> T) -> T {
        let before = CURRENT.with(|current| current.replace(self.clone()));
        let _restore = Restore(Some(before));
        run()
    }

    /// Those around what runs; empty where nobody put any.
    pub fn current() -> Self {
        CURRENT.with(|current| current.borrow().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gotemplate::Functions;

    fn with(name: &str) -> Surroundings {
        let mut set = Set::new(Functions::new());
        set.parse("a.tmpl", &format!("{{{{ define {name:?} }}}}x{{{{ end }}}}")).unwrap();
        Surroundings { templates: Arc::new(set) }
    }

    fn names() -> Vec<String> {
        Surroundings::current().templates.names().into_iter().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn they_end_with_what_they_are_around() {
        assert!(names().is_empty());
        with("outer").around(|| {
            assert_eq!(names(), ["outer"]);
            with("inner").around(|| assert_eq!(names(), ["inner"]));
            assert_eq!(names(), ["outer"]);
            let panicked = std::panic::catch_unwind(|| with("lost").around(|| panic!("on purpose")));
            assert!(panicked.is_err());
            assert_eq!(names(), ["outer"]);
        });
        assert!(names().is_empty());
    }
}
