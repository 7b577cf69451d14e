//! Nearest names: what somebody meant who wrote something else.

/// The known name nearest to what was written, if any is near enough to have been meant.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let far = |name: &str| strsim::damerau_levenshtein(&lower, &name.to_lowercase());
    let (distance, name) = known.into_iter().map(|name| (far(name), name)).min()?;
    // a third of the letters may be wrong
    let most = written.chars().count().max(name.chars().count()).div_ceil(3);
    (distance <= most).then_some(name)
}

/// `; did you mean …?` or what there is to choose from; nothing when there is nothing.
pub fn hint(written: &str, known: &[&str]) -> String {
    const LISTED: usize = 20;
    if let Some(name) = nearest(written, known.iter().copied()) {
        return format!("; did you mean `{name}`?");
    }
    match known.len() {
        0 => String::new(),
        1..=LISTED => format!("; known are {}", known.join(", ")),
        _ => format!("; known are {} and {} more", known[..LISTED].join(", "), known.len() - LISTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("listn", ["listen", "log"]), Some("listen"));
        assert_eq!(nearest("GroupBy", ["group_by", "group_wait"]), Some("group_by"));
        assert_eq!(nearest("colour", ["listen", "log"]), None);
        assert_eq!(hint("colour", &["listen", "log"]), "; known are listen, log");
    }
}
