//! Paths: where in a configuration a value stands, in words such as `route.routes[0].receiver`.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a table, by key.
    Key(String),
    /// Into a list, by place, from zero.
    Index(usize),
}

/// Where a value stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    /// A path of keys.
    pub(crate) fn of(keys: &[&str]) -> Self {
        Path(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    /// One step further, into a table.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// One step further, into a list.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Path(steps)
    }

    /// Both, one after the other.
    pub(crate) fn join(&self, further: &Path) -> Self {
        Path(self.0.iter().chain(&further.0).cloned().collect())
    }

    /// Reads what `serde_path_to_error` found.
    pub(crate) fn from_serde(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment;
        let steps = path.iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { variant } => Some(Step::Key(variant.clone())),
            Segment::Unknown => None,
        });
        Path(steps.collect())
    }

    /// Reads a path that the registry names, such as `headers.X-Key` or `to[1]`. `settings` is its word
    /// for the whole.
    pub(crate) fn from_words(text: &str) -> Self {
        if text == "settings" {
            return Path::default();
        }
        let mut steps = Vec::new();
        for part in text.split('.') {
            let mut pieces = part.split('[');
            if let Some(key) = pieces.next().filter(|key| !key.is_empty()) {
                steps.push(Step::Key(key.to_owned()));
            }
            let indices = pieces.filter_map(|piece| piece.strip_suffix(']')?.parse().ok());
            steps.extend(indices.map(Step::Index));
        }
        Path(steps)
    }
}

/// Whether a key needs no quotes in TOML.
pub(crate) fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            let dot = if n == 0 { "" } else { "." };
            match step {
                Step::Key(key) if is_bare(key) => write!(f, "{dot}{key}")?,
                Step::Key(key) => write!(f, "{dot}{key:?}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_people_write_them() {
        let path = Path::of(&["receivers", "on call", "webhook"]).index(0).key("url");
        assert_eq!(path.to_string(), r#"receivers."on call".webhook[0].url"#);
        assert_eq!(Path::from_words("to[1].name"), Path::of(&["to"]).index(1).key("name"));
        assert_eq!(Path::from_words("settings"), Path::default());
    }
}
