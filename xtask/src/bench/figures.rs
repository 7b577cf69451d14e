//! What is measured, in which unit, and what it must reach. This list is the only one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::target::Kind;

/// What a figure must reach.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
    /// No less than the other's, times this.
    TimesOther(f64),
    /// No more than the other's.
    AtMostOther,
    /// No more than one sync of the disk, plus so many milliseconds.
    SyncPlus(f64),
    /// Four fifths of what 64 waiting clients can get at all: each waits for a sync of the disk, and the
    /// processors have 100 µs for each alert.
    Singles,
    /// Nothing: it is here to be known.
    Known,
}

/// How one figure is made of those of several runs.
#[derive(Clone, Copy, Debug)]
pub enum Pick {
    /// The middle one: for speeds.
    Median,
    /// The highest, which is the worst: for promises, where one broken is too many.
    Highest,
    /// The lowest, which is the worst.
    Lowest,
}

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    /// By which scenarios name it.
    pub id: &'static str,
    /// In words.
    pub title: &'static str,
    /// Of its figures.
    pub unit: &'static str,
    /// For Nightbell.
    pub goal: Goal,
    /// From several runs.
    pub pick: Pick,
}

const fn row(id: &'static str, title: &'static str, unit: &'static str, goal: Goal, pick: Pick) -> Row {
    Row { id, title, unit, goal, pick }
}

use Goal::{AtLeast, AtMost, AtMostOther, Known, Singles, SyncPlus, TimesOther};
use Pick::{Highest, Lowest, Median};

/// All lines of the table, in its order.
pub const ROWS: &[Row] = &[
    row("accept_batch_rate", "accept, 8 clients × 64: rate", "alerts/s", TimesOther(1.0), Median),
    row("accept_batch_cpu", "accept, 8 clients × 64: processor", "µs/alert", AtMostOther, Median),
    row("accept_batch_ack", "accept, 8 clients × 64: answer p99", "ms", Known, Median),
    row("accept_single_rate", "accept, 64 clients × 1: rate", "alerts/s", Singles, Median),
    row("accept_single_cpu", "accept, 64 clients × 1: processor", "µs/alert", AtMost(100.0), Median),
    row("accept_single_ack", "accept, 64 clients × 1: answer p99", "ms", Known, Median),
    row("deliver_batch_rate", "accept and deliver, 8 × 64: rate", "alerts/s", TimesOther(1.5), Median),
    row("deliver_batch_cpu", "accept and deliver, 8 × 64: processor", "µs/alert", AtMost(150.0), Median),
    row("deliver_single_rate", "accept and deliver, 8 × 1: rate", "alerts/s", TimesOther(1.5), Median),
    row("deliver_single_cpu", "accept and deliver, 8 × 1: processor", "µs/alert", AtMost(150.0), Median),
    row("latency_50_p50", "POST to webhook at 50/s: p50", "ms", SyncPlus(2.0), Median),
    row("latency_50_p90", "POST to webhook at 50/s: p90", "ms", Known, Median),
    row("latency_50_p99", "POST to webhook at 50/s: p99", "ms", Known, Median),
    row("latency_50_max", "POST to webhook at 50/s: longest", "ms", Known, Median),
    row("latency_1000_p50", "POST to webhook at 1,000/s: p50", "ms", Known, Median),
    row("latency_1000_p90", "POST to webhook at 1,000/s: p90", "ms", Known, Median),
    row("latency_1000_p99", "POST to webhook at 1,000/s: p99", "ms", AtMost(30.0), Median),
    row("latency_1000_max", "POST to webhook at 1,000/s: longest", "ms", Known, Median),
    row(
        "memory_peak",
        "memory, 100,000 active alerts, each its own group: peak",
        "MiB",
        AtMost(250.0),
        Median,
    ),
    row("memory_after", "memory, 100,000 active alerts: afterwards", "MiB", Known, Median),
    row("kill_wait_lost", "kill -9 in group wait: never delivered", "of 1,000", AtMost(0.0), Highest),
    row("kill_wait_twice", "kill -9 in group wait: duplicates", "of 1,000", AtMost(0.0), Highest),
    row("kill_sick_lost", "kill -9, receiver answers 500: never delivered", "of 1,000", AtMost(0.0), Highest),
    row("kill_sick_twice", "kill -9, receiver answers 500: duplicates", "of 1,000", AtMost(0.0), Highest),
    row("kill_slow_lost", "kill -9, receiver takes 2 s: never delivered", "of 1,000", AtMost(0.0), Highest),
    row("kill_slow_twice", "kill -9, receiver takes 2 s: duplicates", "of 1,000", Known, Highest),
    row("kill_slow_keys", "… of these under another idempotency key", "of 1,000", AtMost(0.0), Highest),
    row("kill_well_lost", "kill -9, receiver is well: never delivered", "of 1,000", AtMost(0.0), Highest),
    row("kill_well_twice", "kill -9, receiver is well: duplicates", "of 1,000", Known, Highest),
    row("kill_well_keys", "… of these under another idempotency key", "of 1,000", AtMost(0.0), Highest),
    row("resend_twice", "kill -9 after delivery, sent again: duplicates", "of 1,000", AtMost(0.0), Highest),
    row("silences_left", "100 silences, kill -9 after 5 s: left", "of 100", AtLeast(100.0), Lowest),
    row(
        "sick_requests",
        "receiver answers 500 for 60 s: requests meanwhile",
        "requests",
        AtMost(200.0),
        Median,
    ),
    row("sick_lost", "receiver answers 500 for 60 s: never delivered", "of 1,000", AtMost(0.0), Highest),
    row("sick_after_p50", "… delivered after its recovery: p50", "s", Known, Median),
    row("sick_after_max", "… delivered after its recovery: last", "s", AtMost(2.0), Median),
    row("busy_lost", "receiver answers 429 for 10 s: never delivered", "of 1,000", AtMost(0.0), Highest),
    row("busy_early", "… sent again before its Retry-After of 10 s", "of 1,000", AtMost(0.0), Highest),
    row("busy_after_max", "… delivered after its recovery: last", "s", Known, Median),
    row("routes", "an alert through 10,000 routes", "ms", AtMost(1.0), Median),
    row(
        "silences",
        "taking in and telling with 50,000 silences, by that without",
        "times",
        AtMost(1.2),
        Median,
    ),
    row("loading", "loading an alertmanager.yml of 20,000 lines", "ms", AtMost(500.0), Median),
    row("slack", "writing a Slack message about 100 alerts", "ms", AtMost(1.0), Median),
    row("full_rate", "accept and deliver, 8 × 64, with a full file: rate", "alerts/s", Known, Median),
    row(
        "full_cpu",
        "accept and deliver, 8 × 64, with a full file: processor",
        "µs/alert",
        AtMost(150.0),
        Median,
    ),
    row("full_50_p50", "POST to webhook at 50/s, with a full file: p50", "ms", SyncPlus(2.0), Median),
    row("full_50_p90", "POST to webhook at 50/s, with a full file: p90", "ms", Known, Median),
    row("full_50_p99", "POST to webhook at 50/s, with a full file: p99", "ms", Known, Median),
    row("full_50_max", "POST to webhook at 50/s, with a full file: longest", "ms", Known, Median),
    row(
        "plugin_rate",
        "accept and deliver to a Python plugin, batches: rate",
        "alerts/s",
        AtLeast(8000.0),
        Median,
    ),
    row("plugin_cpu", "… processor of the hub", "µs/alert", AtMost(200.0), Median),
    row("plugin_threads", "… one by one in threads: rate", "alerts/s", AtLeast(1500.0), Median),
    row("plugin_p50", "hub to Python plugin and back, one after the other: p50", "µs", Known, Median),
    row("plugin_p50_more", "… more than to a webhook and back", "µs", AtMost(300.0), Median),
    row("plugin_p99", "hub to Python plugin and back, one after the other: p99", "µs", Known, Median),
    row("plugin_p99_more", "… more than to a webhook and back", "µs", AtMost(1000.0), Median),
    row("plugin_seldom_p50", "the same at 50/s, all asleep in between: p50", "µs", Known, Median),
    row("plugin_seldom_p50_more", "… more than to a webhook and back", "µs", Known, Median),
    row("plugin_seldom_p99", "the same at 50/s, all asleep in between: p99", "µs", Known, Median),
    row("plugin_seldom_p99_more", "… more than to a webhook and back", "µs", AtMost(1000.0), Median),
    row("plugin_start", "Python plugin: from its start until it is ready", "ms", AtMost(150.0), Median),
    row("plugin_memory", "Python plugin: memory", "MiB", AtMost(25.0), Median),
    row(
        "plugin_killed",
        "plugin killed: its 64 deliveries are in the queue again",
        "ms",
        AtMost(50.0),
        Median,
    ),
    row("crowd_memory", "100 idle plugins: memory of the hub for each", "MiB", AtMost(0.5), Median),
    row("crowd_idle", "100 idle plugins: processor of the hub for all", "ms/s", AtMost(10.0), Median),
    row("crowd_alone_p99", "POST to webhook at 50/s without plugins: p99", "ms", Known, Median),
    row("crowd_well_p99", "… with 100, of which 10 are told, too: p99", "ms", Known, Median),
    row("crowd_failing_p99", "… and these 10 fail, each in its way: p99", "ms", Known, Median),
    row("crowd_times", "… p99 by that with 10 that are well", "times", AtMost(1.2), Median),
    row(
        "stress_times",
        "POST to webhook beside one that fails in all ways, by one that is well",
        "times",
        AtMost(1.2),
        Median,
    ),
    row("start_rust", "plugin in Rust: from its start until it is ready", "ms", AtMost(10.0), Median),
    row("start_go", "plugin in Go: until it is ready", "ms", AtMost(10.0), Median),
    row("start_sentry", "plugin for Sentry: until it is ready", "ms", AtMost(200.0), Median),
    row("start_luna", "plugin for LUNA with aiohttp: until it is ready", "ms", AtMost(500.0), Median),
    row("start_cabot", "plugin for Cabot with Django: until it is ready", "ms", AtMost(1200.0), Median),
    row(
        "component_first",
        "component by hand, a delivery that asks the host: p50",
        "µs",
        AtMost(60.0),
        Median,
    ),
    row("component_hook-js", "… in JavaScript (QuickJS): p50", "µs", AtMost(300.0), Median),
    row("component_hook-py", "… in Python: p50", "µs", AtMost(200.0), Median),
    row(
        "component_cut",
        "component in an endless loop, limit 100 ms: gone after",
        "ms",
        AtMost(120.0),
        Median,
    ),
    row(
        "argus_rate",
        "POST through Argus' door, 8 clients × 1: rate",
        "incidents/s",
        AtLeast(1500.0),
        Median,
    ),
    row("argus_cpu", "POST through Argus' door, 8 clients × 1: processor", "µs/incident", Known, Median),
    row("argus_ack", "POST through Argus' door, 8 clients × 1: answer p99", "ms", Known, Median),
    row("argus_told", "… until all of them are mailed, by one profile: rate", "incidents/s", Known, Median),
    row("argus_mail_p50", "POST through Argus' door to mail at 1/s: p50", "ms", AtMost(15.0), Median),
    row("argus_mail_p99", "POST through Argus' door to mail at 200/s: p99", "ms", AtMost(150.0), Median),
    row("argus_mail_lost", "… mails that never came", "of 4,000", AtMost(0.0), Highest),
    row("argus_memory", "… memory of the server", "MiB", AtMost(80.0), Highest),
    row("profiles", "an event by 10,000 profiles", "ms", AtMost(2.0), Median),
    row("schedules", "who is on call by 1,000 schedules of 3 layers", "ms", AtMost(20.0), Median),
    row("errors_rate", "errors, 8 clients, 19 kB in 3 kB: rate", "errors/s", AtLeast(1500.0), Median),
    row("errors_cpu", "errors: processor", "µs/error", AtMost(800.0), Median),
    row("errors_ack_p50", "errors: answer p50", "ms", AtMost(10.0), Median),
    row("errors_ack_p99", "errors: answer p99", "ms", AtMost(30.0), Median),
    row("errors_memory", "errors: memory at its peak", "MiB", AtMost(80.0), Median),
    row("errors_bytes", "errors: on disk", "bytes/error", AtMost(1500.0), Median),
    row("errors_told_p50", "exception to webhook at 20/s: p50", "ms", AtMost(25.0), Median),
    row("errors_told_p99", "exception to webhook at 20/s: p99", "ms", Known, Median),
    row(
        "past_errors_bytes",
        "10 million errors of 10,000 issues: on disk",
        "bytes/error",
        AtMost(1500.0),
        Median,
    ),
    row("past_errors_list", "… list of 50 issues: p99", "ms", AtMost(100.0), Median),
    row("past_errors_issue", "… an issue: p99", "ms", AtMost(100.0), Median),
    row("past_errors_search", "… searches: p99", "ms", AtMost(100.0), Median),
    row("past_errors_memory", "… memory of the server", "MiB", Known, Median),
    row(
        "shed_taken",
        "1,000 projects, 10,000/s offered, 0.2/s each allowed: taken",
        "errors/s",
        Known,
        Median,
    ),
    row("shed_otherwise", "… answers that are neither 200 nor 429", "of 600,000", AtMost(0.0), Highest),
    row("shed_lost", "… errors of a neighbour that were not taken", "of 4,500", AtMost(0.0), Highest),
    row("shed_alone", "… a neighbour at 50/s before that: answer p99", "ms", Known, Median),
    row("shed_neighbour", "… the same beside them", "times", AtMost(2.0), Median),
    row("shed_memory", "… memory at its peak", "MiB", AtMost(150.0), Highest),
    row("list_p99", "list of 50 incidents: p99", "ms", AtMost(50.0), Median),
    row("explain_p99", "explanation of an incident: p99", "ms", AtMost(50.0), Median),
];

/// The figures of one run of one scenario.
pub type Readings = Vec<(&'static str, f64)>;

/// What a reading belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Whether millions of past incidents were in the database.
    pub filled: bool,
    /// The line of the table.
    pub id: &'static str,
    /// Of whom.
    pub kind: Kind,
}

/// The readings of all runs.
#[derive(Debug, Default)]
pub struct Figures {
    readings: BTreeMap<Place, Vec<f64>>,
    /// What went wrong or was left out, in words.
    pub notes: Vec<String>,
    /// A sync of the disk, in milliseconds, for goals that depend on it.
    pub sync_milliseconds: f64,
    /// Processors, likewise.
    pub cores: usize,
}

impl Figures {
    /// Enters the readings of a run.
    pub fn enter(&mut self, filled: bool, kind: Kind, readings: Readings) {
        for (id, value) in readings {
            self.readings.entry(Place { filled, id, kind }).or_default().push(value);
        }
    }

    /// Says what went wrong or was left out, now and in the report.
    pub fn note(&mut self, note: String) {
        eprintln!("  {note}");
        self.notes.push(note);
    }

    /// The figure of a line, picked from its runs.
    pub fn figure(&self, filled: bool, row: &Row, kind: Kind) -> Option<f64> {
        let mut values = self.readings.get(&Place { filled, id: row.id, kind })?.clone();
        values.sort_by(f64::total_cmp);
        match row.pick {
            Pick::Median => values.get(values.len() / 2).copied(),
            Pick::Highest => values.last().copied(),
            Pick::Lowest => values.first().copied(),
        }
    }

    /// What a line asks of Nightbell, as a number and whether that is the least or the most; nothing while
    /// there is no figure to compare with.
    pub fn goal(&self, filled: bool, row: &Row) -> Option<(f64, Bound)> {
        let other = self.figure(false, row, Kind::Alertmanager);
        let goal = match row.goal {
            Goal::AtLeast(goal) => (goal, Bound::Least),
            Goal::AtMost(goal) => (goal, Bound::Most),
            Goal::TimesOther(times) => (other? * times, Bound::Least),
            Goal::AtMostOther => (other?, Bound::Most),
            Goal::SyncPlus(more) => (self.sync_milliseconds + more, Bound::Most),
            Goal::Singles => {
                let by_disk = 64.0 / (self.sync_milliseconds / 1e3);
                (0.8 * by_disk.min(self.cores as f64 * 1e6 / 100.0), Bound::Least)
            }
            Goal::Known => return None,
        };
        // a past of millions may cost a fifth of what there is without it
        let empty = self.figure(false, row, Kind::Nightbell).filter(|_| filled);
        Some(match (empty, goal.1) {
            (None, _) => goal,
            (Some(empty), Bound::Least) => (empty * 0.8, Bound::Least),
            (Some(empty), Bound::Most) => (empty * 1.2, Bound::Most),
        })
    }

    /// Whether Nightbell reaches what a line asks, once there is a figure to judge.
    pub fn reached(&self, filled: bool, row: &Row) -> Option<bool> {
        let own = self.figure(filled, row, Kind::Nightbell)?;
        self.goal(filled, row).map(|(goal, bound)| match bound {
            Bound::Least => own >= goal,
            Bound::Most => own <= goal,
        })
    }
}

/// On which side of a goal a figure must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It must not be less.
    Least,
    /// It must not be more.
    Most,
}

/// The time below which this share of the times lies; zero when there are none.
pub fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort();
    let at = (times.len() as f64 * share).ceil() as usize;
    times.get(at.saturating_sub(1)).copied().unwrap_or_default()
}

/// A time in milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_own_name() {
        let mut ids: Vec<_> = ROWS.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ROWS.len());
    }

    #[test]
    fn speeds_are_medians_and_promises_are_the_worst() {
        let mut figures = Figures::default();
        figures.enter(false, Kind::Alertmanager, vec![("accept_batch_cpu", 2.5)]);
        for value in [3.0, 1.0, 2.0] {
            let readings =
                vec![("accept_batch_cpu", value), ("kill_wait_lost", value), ("silences_left", value)];
            figures.enter(false, Kind::Nightbell, readings);
        }
        let figure = |id| {
            let row = ROWS.iter().find(|row| row.id == id).unwrap();
            (figures.figure(false, row, Kind::Nightbell).unwrap(), figures.reached(false, row).unwrap())
        };
        assert_eq!(figure("accept_batch_cpu"), (2.0, true));
        assert_eq!(figure("kill_wait_lost"), (3.0, false));
        assert_eq!(figure("silences_left"), (1.0, false));
    }

    #[test]
    fn quantiles_are_times_that_occurred() {
        let mut times: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile(&mut times, 0.5), Duration::from_millis(50));
        assert_eq!(quantile(&mut times, 0.99), Duration::from_millis(99));
        assert_eq!(quantile(&mut times, 1.0), Duration::from_millis(100));
        assert_eq!(quantile(&mut [], 0.5), Duration::ZERO);
    }
}
