//! The orders in which Prometheus' world shows label sets; clients see them in lists and messages.

use std::cmp::Ordering;

use crate::labels::Labels;

/// The order of label sets that Prometheus' libraries have (`model.LabelSet.Before` of prometheus/common):
/// fewer labels first; then by the first name that only one of them has (that one is the later) or whose
/// values differ.
pub fn by_labels(a: &Labels, b: &Labels) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| {
        for ((name_a, value_a), (name_b, value_b)) in a.iter().zip(b.iter()) {
            // the smaller name is the one that the other set does not have
            let order = name_b.cmp(name_a).then_with(|| value_a.cmp(value_b));
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    })
}

/// The order of alerts in a group (Alertmanager's `AlertSlice`): by job, then by instance (those without come
/// last), then by all labels.
pub fn by_job_and_instance(a: &Labels, b: &Labels) -> Ordering {
    for name in ["job", "instance"] {
        let order = match (a.get(name), b.get(name)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    by_labels(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn label_sets_are_in_prometheus_order() {
        let order = [
            labels(&[]),
            labels(&[("b", "1")]),
            labels(&[("a", "1")]),
            labels(&[("a", "2")]),
            labels(&[("a", "1"), ("c", "1")]),
            labels(&[("a", "1"), ("b", "1")]),
        ];
        for (n, a) in order.iter().enumerate() {
            for (m, b) in order.iter().enumerate() {
                assert_eq!(by_labels(a, b), n.cmp(&m), "{a} {b}");
            }
        }
    }

    #[test]
    fn alerts_without_job_come_last() {
        let (with, without) = (labels(&[("job", "z")]), labels(&[("a", "1"), ("instance", "a")]));
        assert_eq!(by_job_and_instance(&with, &without), Ordering::Less);
    }
}
