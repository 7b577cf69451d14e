//! What `GET /api/v2/alerts` and `/api/v2/alerts/groups` are asked for.

use axum::http::Uri;
use model::matcher::{self, Matcher, Matchers, Op};

use super::alert::Status;
use super::error::Wrong;
use crate::query::Query;

/// Which alerts are wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    /// Their labels.
    pub matchers: Matchers,
    /// The names of those who are told; `None`: any.
    receiver: Option<Matcher>,
    active: bool,
    silenced: bool,
    inhibited: bool,
    /// Whether groups are wanted whose route is muted now.
    pub muted: bool,
}

impl Filter {
    /// Reads the parameters. As with Alertmanager, those that nobody knows are overlooked.
    pub(super) fn read(uri: &Uri) -> Result<Self, Wrong> {
        let query = Query::of(uri);
        let receiver = query.last("receiver").filter(|text| !text.is_empty());
        let receiver = receiver.map(|text| Matcher::new("receiver", Op::Regex, text)).transpose();
        let receiver =
            receiver.map_err(|bad| Wrong::bad(format!("failed to parse receiver param: {bad}")))?;
        Ok(Filter {
            matchers: matchers(&query)?,
            receiver,
            active: flag(&query, "active"),
            silenced: flag(&query, "silenced"),
            inhibited: flag(&query, "inhibited"),
            muted: flag(&query, "muted"),
        })
    }

    /// Whether alerts that this receiver is told of are wanted.
    pub(super) fn wants_receiver(&self, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|matcher| matcher.matches_value(name))
    }

    /// Whether alerts that stand like this are wanted.
    pub(super) fn wants(&self, status: &Status) -> bool {
        (self.active || status.is_suppressed())
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_empty())
    }
}

/// All `filter` parameters together.
pub(super) fn matchers(query: &Query) -> Result<Matchers, Wrong> {
    let mut all = Vec::new();
    for text in query.all("filter") {
        if text.trim().is_empty() {
            return Err(Wrong::bad("bad matcher format: it is empty"));
        }
        // each is one matcher, to old clients with anything in its value; several in one are taken all the same
        let one = matcher::parse(text).or_else(|_| matcher::parse_classic(text)).map(|one| vec![one]);
        let some = one.or_else(|_| matcher::parse_list(text));
        all.extend(some.map_err(|bad| Wrong::bad(format!("bad matcher format: {bad}")))?);
        if all.len() > model::limits::MAX_MATCHERS {
            return Err(Wrong::bad(format!("bad matcher format: {}", matcher::BadMatcher::TooMany)));
        }
    }
    Ok(Matchers(all))
}

/// Yes unless it says something else; the words are those of Alertmanager's framework.
fn flag(query: &Query, name: &str) -> bool {
    const YES: [&str; 10] = ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];
    match query.last(name) {
        None | Some("") => true,
        Some(word) => YES.iter().any(|yes| word.eq_ignore_ascii_case(yes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Filter, Wrong> {
        Filter::read(&format!("/api/v2/alerts?{query}").parse().unwrap())
    }

    #[test]
    fn flags_are_read_as_alertmanagers_framework_reads_them() {
        let filter = read("active=maybe&silenced=&inhibited=ON").unwrap();
        assert_eq!(
            (filter.active, filter.silenced, filter.inhibited, filter.muted),
            (false, true, true, true)
        );
    }

    #[test]
    fn a_receiver_is_matched_whole() {
        let filter = read("receiver=d.").unwrap();
        assert!(filter.wants_receiver("db") && !filter.wants_receiver("dba"));
        let Err(Wrong::Text(_, text)) = read("receiver=%28") else { panic!("taken") };
        assert!(text.starts_with("failed to parse receiver param: "), "{text}");
    }

    #[test]
    fn filters_add_up() {
        let filter = read("filter=a%3Db&filter=%7Bc%21%3Dd,e%3D~%22f%22%7D").unwrap();
        assert_eq!(filter.matchers.to_string(), r#"{a="b",c!="d",e=~"f"}"#);
        let Err(Wrong::Text(_, text)) = read("filter=x") else { panic!("taken") };
        assert!(text.starts_with("bad matcher format: "), "{text}");
        // a value without quotes is whatever stands there
        for (text, meaning) in [("a%3D%7Bb%3Dc%7D", r#"{a="{b=c}"}"#), ("a%3Db,c%3Dd", r#"{a="b,c=d"}"#)] {
            assert_eq!(read(&format!("filter={text}")).unwrap().matchers.to_string(), meaning);
        }
    }
}
