//! Which release is older.
//!
//! A release is a text: `shop@1.2.3+45`, `2026.11.21-rc.1`, a commit. Two that have numbers are compared by
//! them, as semantic versions are: number by number, a release with `-rc.1` before the same without. Others
//! have no order of their own, and the time when each was first seen decides, which is the caller's to know.

use std::cmp::Ordering;

/// Numbers of a version that are compared.
const MAX_NUMBERS: usize = 6;

/// The order of two releases, if their names have one. Of different packages (`shop@1` and `till@2`) they have none.
///
/// ```
/// use std::cmp::Ordering;
/// use tracker::release::compare;
///
/// assert_eq!(compare("shop@1.9.0", "shop@1.10.0"), Some(Ordering::Less));
/// assert_eq!(compare("2.0.0-rc.1", "2.0.0"), Some(Ordering::Less));
/// assert_eq!(compare("9ec79c33", "1.0.0"), None);
/// ```
pub fn compare(one: &str, other: &str) -> Option<Ordering> {
    if one == other {
        return Some(Ordering::Equal);
    }
    let (one, other) = (Version::read(one)?, Version::read(other)?);
    if one.package != other.package {
        return None;
    }
    let numbers = one.numbers.cmp(&other.numbers);
    Some(numbers.then_with(|| pre_release(one.pre, other.pre)).then_with(|| build(one.build, other.build)))
}

struct Version<'a> {
    package: &'a str,
    numbers: [u64; MAX_NUMBERS],
    pre: Option<&'a str>,
    build: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (package, version) = text.trim().rsplit_once('@').unwrap_or(("", text.trim()));
        let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
        let (version, build) = match version.split_once('+') {
            Some((version, build)) => (version, Some(build)),
            None => (version, None),
        };
        let (core, pre) = match version.split_once('-') {
            Some((core, pre)) => (core, Some(pre)),
            None => (version, None),
        };
        let mut numbers = [0; MAX_NUMBERS];
        let mut count = 0;
        for part in core.split('.') {
            if count == MAX_NUMBERS || part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            numbers[count] = part.parse().ok()?;
            count += 1;
        }
        // seven digits and more may be the beginning of a commit
        let is_version = count > 1 || !package.is_empty() || core.len() < 7;
        is_version.then_some(Version { package, numbers, pre, build })
    }
}

/// None is later than any; else identifier by identifier, numbers before words.
fn pre_release(one: Option<&str>, other: Option<&str>) -> Ordering {
    match (one, other) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(one), Some(other)) => identifiers(one, other),
    }
}

fn build(one: Option<&str>, other: Option<&str>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => identifiers(one, other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

fn identifiers(one: &str, other: &str) -> Ordering {
    let mut others = other.split('.');
    for mine in one.split('.') {
        let Some(its) = others.next() else { return Ordering::Greater };
        let order = match (mine.parse::<u64>(), its.parse::<u64>()) {
            (Ok(mine), Ok(its)) => mine.cmp(&its),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => mine.cmp(its),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    if others.next().is_some() { Ordering::Less } else { Ordering::Equal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.0+1",
            "1.0.0+2",
            "1.0.1",
            "1.2",
            "1.10.0",
            "v2.0.0",
            "2026.11.21",
            "2026.11.21.1",
        ];
        for (index, one) in ordered.iter().enumerate() {
            for (at, other) in ordered.iter().enumerate() {
                assert_eq!(compare(one, other), Some(index.cmp(&at)), "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_no_version_has_none() {
        for (one, other) in [
            ("9ec79c33", "9ec79c34"),
            ("shop@1.0", "till@1.0"),
            ("", "1.0"),
            ("1..0", "1.0"),
            ("1234567", "1234568"),
            ("1.x", "1.0"),
        ] {
            assert_eq!(compare(one, other), None, "{one} {other}");
        }
        assert_eq!(compare("9ec79c33", "9ec79c33"), Some(Ordering::Equal));
        assert_eq!(compare("shop@1234567", "shop@1234568"), Some(Ordering::Less));
        assert_eq!(compare("7", "10"), Some(Ordering::Less), "numbers of builds");
        assert_eq!(compare("1.99999999999999999999", "1.0"), None, "too large for a number");
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_one(texts in proptest::collection::vec("(shop@)?[0-3](\\.[0-3]){1,2}(-(a|1)(\\.2)?)?", 3)) {
            let [a, b, c] = [&texts[0], &texts[1], &texts[2]];
            proptest::prop_assert_eq!(compare(a, b), compare(b, a).map(Ordering::reverse));
            if let (Some(Ordering::Less), Some(Ordering::Less)) = (compare(a, b), compare(b, c)) {
                proptest::prop_assert_eq!(compare(a, c), Some(Ordering::Less));
            }
        }
    }
}
