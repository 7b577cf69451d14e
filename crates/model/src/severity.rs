//! How bad it is: five steps, which every foreign scale is mapped onto in this one place.

use serde::{Deserialize, Serialize};

/// How bad it is. Ordered: `Critical` is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it some day.
    Notice,
    /// Look at it today.
    #[default]
    Warning,
    /// Broken, look at it now.
    Error,
    /// Wake somebody.
    Critical,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Severity; 5] =
        [Severity::Critical, Severity::Error, Severity::Warning, Severity::Notice, Severity::Info];

    /// Argus' level: 1 is the worst, 5 the mildest.
    pub fn level(self) -> i64 {
        5 - self as i64
    }

    /// From a level of 1 (worst) to 5; anything else is refused.
    pub fn from_level(level: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.level() == level)
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
            Severity::Info => "info",
        }
    }

    /// Understands the words in use in the field (Prometheus' habits, syslog, PagerDuty, Opsgenie's P1 to
    /// P5, Sentry's levels); `None` for anything else.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "critical" | "crit" | "fatal" | "emergency" | "emerg" | "alert" | "page" | "p1" | "disaster" => {
                Severity::Critical
            }
            "error" | "err" | "high" | "major" | "p2" => Severity::Error,
            "warning" | "warn" | "medium" | "average" | "p3" => Severity::Warning,
            "notice" | "low" | "minor" | "p4" | "ticket" => Severity::Notice,
            "info" | "information" | "informational" | "debug" | "none" | "ok" | "p5" => Severity::Info,
            _ => return None,
        })
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// For `#[serde(with = "model::severity::level")]`: a severity that is written as Argus' level, 1 to 5.
pub mod level {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Severity;

    /// Writes nothing or the level.
    pub fn serialize<S: Serializer>(severity: &Option<Severity>, serializer: S) -> Result<S::Ok, S::Error> {
        severity.map(Severity::level).serialize(serializer)
    }

    /// Reads nothing or a level.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Severity>, D::Error> {
        let read = |level| {
            Severity::from_level(level).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "{level} is no level; write 1 (critical) to 5 (information)"
                ))
            })
        };
        Option::<i64>::deserialize(deserializer)?.map(read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_words_round_trip() {
        for severity in Severity::ALL {
            assert_eq!(Severity::from_level(severity.level()), Some(severity));
            assert_eq!(Severity::from_word(severity.name()), Some(severity));
        }
        assert_eq!(Severity::from_level(0), None);
        assert!(Severity::Critical > Severity::Info);
    }
}
