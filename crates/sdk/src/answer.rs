//! What a destination answered, and what that means.

use std::time::Duration;

use model::Time;
use model::delivery::{Fault, Outcome, answer_head};

use crate::http::{HttpError, Response};
use crate::secret::{Secret, hide};

/// The outcome of one try, with what there was to see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it means.
    pub outcome: Outcome,
    /// The status, where the channel has such numbers.
    pub status: Option<i64>,
    /// The first kilobyte of what was said, below what was remarked on the way.
    pub text: String,
}

impl Answer {
    /// An outcome of which there is nothing to see.
    pub fn bare(outcome: Outcome) -> Self {
        Answer { outcome, status: None, text: String::new() }
    }

    /// The same, with none of these in its words: a server may repeat what it was sent.
    pub fn hiding(mut self, secrets: &[Secret]) -> Self {
        self.text = hide(self.text, secrets);
        let words = match &mut self.outcome {
            Outcome::Delivered { receipt } | Outcome::Accepted { receipt, .. } => receipt,
            Outcome::Retry { reason, .. } | Outcome::Rejected { reason } => reason,
        };
        *words = hide(std::mem::take(words), secrets);
        self
    }

    /// The same, with what was remarked on the way before what was said.
    #[must_use]
    pub fn with_remarks(mut self, remarks: &[String]) -> Self {
        if !remarks.is_empty() {
            self.text = answer_head(format!("{}\n{}", remarks.join("\n"), self.text).trim_end().as_bytes());
        }
        self
    }

    /// What an HTTP exchange means, the way most receivers mean it: 2xx taken; 429, and 503 with
    /// `Retry-After`, wants less; 408, 425 and 5xx down; everything else refused for good.
    pub fn from_http(result: Result<Response, HttpError>, now: Time) -> Self {
        match result {
            Ok(response) => {
                let outcome = outcome_of(&response, now);
                Answer {
                    outcome,
                    status: Some(i64::from(response.status)),
                    text: answer_head(&response.body),
                }
            }
            // an address that may not be asked will not be one that may by asking again
            Err(error @ (HttpError::Forbidden { .. } | HttpError::BadUrl { .. })) => {
                Answer::bare(Outcome::rejected(error.to_string()))
            }
            Err(error) => Answer::bare(Outcome::down(error.to_string())),
        }
    }
}

fn outcome_of(response: &Response, now: Time) -> Outcome {
    let status = response.status;
    let after = retry_after_of(response, now);
    match status {
        200..=299 => Outcome::delivered(),
        429 => Outcome::Retry { after, reason: "429: too many requests".to_owned(), fault: Fault::Pace },
        503 if after.is_some() => {
            Outcome::Retry { after, reason: "503: asked to come back later".to_owned(), fault: Fault::Pace }
        }
        408 | 425 | 500..=599 => Outcome::down(format!("answered {status}")),
        300..=399 => Outcome::rejected(format!(
            "answered {status}: of redirects only 307 and 308 are followed, unless turned off"
        )),
        _ => Outcome::rejected(format!("answered {status}")),
    }
}

/// How long an answer asks to be left alone.
pub fn retry_after_of(response: &Response, now: Time) -> Option<Duration> {
    response.header("retry-after").and_then(|text| retry_after(text, now))
}

/// `Retry-After` as seconds or as an HTTP date (RFC 9110, section 10.2.3). A date in the past is no wait.
pub fn retry_after(text: &str, now: Time) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Time::from(date).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn meaning(status: u16, retry_after: Option<&str>) -> Outcome {
        let headers = retry_after.map(|text| ("retry-after".to_owned(), text.to_owned()));
        let response = Response { status, headers: headers.into_iter().collect(), body: Bytes::new() };
        Answer::from_http(Ok(response), Time::from_seconds(1_445_412_470)).outcome
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let wait = |outcome| match outcome {
            Outcome::Retry { after, .. } => after.map(|span| span.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(meaning(429, Some("10"))), Some(10));
        assert_eq!(wait(meaning(503, Some("Wed, 21 Oct 2015 07:28:00 GMT"))), Some(10));
        assert_eq!(wait(meaning(429, Some("soon"))), None);
    }

    #[test]
    fn statuses_mean_what_receivers_mean_by_them() {
        assert_eq!(meaning(204, None), Outcome::delivered());
        assert!(matches!(meaning(500, None), Outcome::Retry { fault: Fault::Destination, .. }));
        assert!(matches!(meaning(503, None), Outcome::Retry { fault: Fault::Destination, .. }));
        assert!(matches!(meaning(429, None), Outcome::Retry { fault: Fault::Pace, .. }));
        assert!(matches!(meaning(404, None), Outcome::Rejected { .. }));
        assert!(matches!(meaning(302, None), Outcome::Rejected { .. }));
    }
}
