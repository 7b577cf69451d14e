//! The figures as a table: for the terminal and for the documentation.

use std::fmt::Write as _;

use super::figures::{Bound, Figures, ROWS, Row};
use super::machine::Machine;
use super::target::Kind;

/// What was run, as far as a reader must know it.
pub struct Report {
    /// The figures.
    pub figures: Figures,
    /// On which machine.
    pub machine: Machine,
    /// Share of the processors that other programs used meanwhile.
    pub others: f64,
    /// Requests per second that the receiver takes from this generator, one webhook each.
    pub ceiling: f64,
    /// How often each scenario was run.
    pub runs: usize,
    /// The day, as in 2026-11-21.
    pub date: String,
    /// The version of the other.
    pub other: String,
}

/// A line of cells.
type Cells = [String; 7];

impl Report {
    /// For the terminal, in columns.
    pub fn text(&self) -> String {
        let table: Vec<Cells> =
            self.table().into_iter().map(|cells| cells.map(|cell| cell.replace("**", ""))).collect();
        let mut widths = [0; 7];
        for cells in &table {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = format!("{}\n\n", self.facts());
        for cells in &table {
            for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
                let blank = " ".repeat(width - cell.chars().count());
                // words to the left, numbers to the right
                text.push_str(&if at < 2 { format!("{cell}{blank}  ") } else { format!("{blank}{cell}  ") });
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        for note in &self.figures.notes {
            // writing to a string cannot fail
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    /// For the documentation, in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# Benchmarks\n\n\
             Written by `cargo xtask bench`; do not edit. Nightbell and its peer, one after the other in the same \
             run, on the same machine, from the same generator, to the same receiver, on loopback. The peer is \
             Alertmanager, or, where errors are taken in, Bugsink.\n\n{}\n\n",
            self.facts()
        );
        self.write_table(&mut text);
        text.push_str(METHOD);
        self.write_notes(&mut text);
        text
    }

    /// The same of a part that was run by itself, without what is said of all.
    pub fn section(&self) -> String {
        let mut text = format!("Run by itself. {}\n\n", self.facts());
        self.write_table(&mut text);
        text.push('\n');
        self.write_notes(&mut text);
        text.truncate(text.trim_end().len());
        text
    }

    fn write_table(&self, text: &mut String) {
        for (at, cells) in self.table().iter().enumerate() {
            // writing to a string cannot fail
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if at == 0 {
                text.push_str("|---|---|---:|---:|---:|---:|---|\n");
            }
        }
    }

    fn write_notes(&self, text: &mut String) {
        for note in &self.figures.notes {
            let _ = writeln!(text, "- {note}");
        }
    }

    fn facts(&self) -> String {
        let Machine { processor, cores, memory_gib, kernel, fdatasync_milliseconds } = &self.machine;
        format!(
            "{}; {processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}; fdatasync of 8 KiB \
             {fdatasync_milliseconds:.2} ms; other programs used {:.0} % of the processors meanwhile; \
             runs of each scenario: {}; compared with {}; generator and receiver alone: {} webhooks/s.",
            self.date,
            self.others * 100.0,
            self.runs,
            self.other,
            number(self.ceiling),
        )
    }

    fn table(&self) -> Vec<Cells> {
        let heads = ["what", "unit", "Nightbell", "peer", "ratio", "goal", "reached"];
        let mut table = vec![heads.map(str::to_owned)];
        for filled in [false, true] {
            table.extend(ROWS.iter().filter_map(|row| self.line(filled, row)));
        }
        table
    }

    /// A line, if there is any figure for it.
    fn line(&self, filled: bool, row: &Row) -> Option<Cells> {
        let ours = self.figures.figure(filled, row, Kind::Nightbell);
        // the past fills only our own database: compared with the other's figure without one
        let peers = [Kind::Alertmanager, Kind::Bugsink];
        let theirs = peers.into_iter().find_map(|kind| self.figures.figure(false, row, kind));
        if ours.is_none() && (filled || theirs.is_none()) {
            return None;
        }
        let shown = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), number);
        let ratio = ours.zip(theirs).filter(|(_, theirs)| *theirs > 0.0);
        let goal = match self.figures.goal(filled, row) {
            Some((goal, Bound::Least)) => format!("≥ {}", number(goal)),
            Some((goal, Bound::Most)) => format!("≤ {}", number(goal)),
            None => String::new(),
        };
        let reached = match self.figures.reached(filled, row) {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        Some([
            if filled { format!("2 million past incidents: {}", row.title) } else { row.title.to_owned() },
            row.unit.to_owned(),
            shown(ours),
            shown(theirs),
            ratio.map_or_else(String::new, |(ours, theirs)| format!("{:.2}", ours / theirs)),
            goal,
            reached.to_owned(),
        ])
    }
}

/// The document with this section at its end, in the place of an earlier one about the same.
pub fn with_section(document: &str, title: &str, section: &str) -> String {
    const HEAD: &str = "\n## ";
    let mut parts = document.trim_end().split(HEAD);
    let mut text = parts.next().unwrap_or_default().trim_end().to_owned();
    let others = parts.filter(|part| part.lines().next() != Some(title)).map(str::trim_end);
    for part in others.chain([format!("{title}\n\n{section}").as_str()]) {
        text.push('\n');
        text.push_str(HEAD);
        text.push_str(part);
    }
    text.push('\n');
    text
}

/// How the figures came about; part of the document.
const METHOD: &str = "\n\
- *rate*: from the first request to the last 2xx; where alerts are delivered, to the arrival of the last webhook.\n\
- *processor*: user and system time of the program from before the first request until it has nothing more to \
do, by the number of alerts. Work that goes on behind the answer is in it.\n\
- *accept*: all alerts wait in one group. *deliver*: each alert is a group and a notification of its own.\n\
- *8 × 1* is where durability costs most: eight clients that wait for their answer fill a commit with three or four \
alerts, and a commit writes a page of each table and index that it touches, about 26 and 3 more for each alert; \
half of the writer's time is these writes. Alertmanager writes nothing.\n\
- *POST to webhook*: from the moment a request is due to the arrival of its webhook, each alert by itself.\n\
- An alert has 7 labels, 3 annotations, about 520 bytes, and ends in one hour.\n\
- Before kill -9, all 1,000 alerts were answered 2xx. *In group wait*: 10 s, killed after 2 s. *Receiver answers \
500*: killed after 5 s. *Takes 2 s* and *is well*: killed at the last answer. The receiver is well after the \
restart, the data are the same, nothing is sent again, and there are 30 s to deliver.\n\
- Speeds are medians of the runs; what was lost, doubled or left is the worst of them.\n";

/// A number with as many digits as mean something.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        return text;
    }
    if value >= 10.0 { format!("{value:.1}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let texts = [0.0, 0.4567, 1.5, 52.34, 1000.0, 13_411.4, 1_234_567.0].map(number);
        assert_eq!(texts, ["0", "0.46", "1.50", "52.3", "1,000", "13,411", "1,234,567"]);
    }

    #[test]
    fn a_section_takes_the_place_of_an_earlier_one() {
        let one = with_section("# All\n\n- a note\n", "plugins", "fast");
        assert_eq!(one, "# All\n\n- a note\n\n## plugins\n\nfast\n");
        let two = with_section(&one, "argus", "| a |");
        let again = with_section(&two, "plugins", "faster");
        assert_eq!(again, "# All\n\n- a note\n\n## argus\n\n| a |\n\n## plugins\n\nfaster\n");
    }

    #[test]
    fn a_line_says_whether_the_goal_is_reached() {
        let mut figures = Figures::default();
        figures.enter(false, Kind::Nightbell, vec![("accept_batch_cpu", 40.0), ("silences_left", 99.0)]);
        figures.enter(false, Kind::Alertmanager, vec![("accept_batch_cpu", 50.0)]);
        figures.notes.push("nothing more".to_owned());
        let machine = Machine {
            processor: "a processor".to_owned(),
            cores: 2,
            memory_gib: 4,
            kernel: "6.1.0".to_owned(),
            fdatasync_milliseconds: 0.1,
        };
        let (others, ceiling, runs) = (0.02, 50_000.0, 3);
        let (date, other) = ("2026-11-21".to_owned(), "version 1".to_owned());
        let report = Report { figures, machine, others, ceiling, runs, date, other };
        let markdown = report.markdown();
        assert!(markdown.contains("| µs/alert | 40 | 50 | 0.80 | ≤ 50 | yes |"), "{markdown}");
        assert!(markdown.contains("| of 100 | 99 | – |  | ≥ 100 | **no** |"), "{markdown}");
        assert!(report.text().contains("note: nothing more"));
    }
}
