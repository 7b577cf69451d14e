//! Calendars that people name to take shifts from.

use calendar::{Entry, MAX_OCCURRENCES, MAX_SKIPPED};
use model::Time;
use model::period::Period;
use model::zone::Zone;

/// An iCalendar file.
pub fn ical(data: &[u8]) {
    // from the start of 2026, a year
    let within = Period::new(Time::from_seconds(1_767_225_600), Time::from_seconds(1_798_761_600));
    let zone = Zone::named("Europe/Berlin").expect("it is in the database");
    let mut import = match calendar::read(data, &zone, within) {
        Ok(import) => import,
        Err(bad) => return assert!(!bad.to_string().is_empty()),
    };
    let all = &import.occurrences;
    assert!(all.len() <= MAX_OCCURRENCES && import.skipped.len() <= MAX_SKIPPED);
    assert!(import.skipped.len() <= import.skipped_count);
    assert!(import.skipped.iter().all(|it| !it.reason.is_empty() && !it.uid.is_empty()));
    assert!(all.iter().all(|it| !it.period.is_empty() && !it.period.intersect(within).is_empty()));
    assert!(all.windows(2).all(|two| two[0].period <= two[1].period));

    // what is written is read again, whatever titles there are
    // one that lasts as long as it may by one clock may last longer by another
    let longest = std::time::Duration::from_secs(365 * 86_400);
    let short = || all.iter().filter(|it| it.period.until.since(it.period.from) < longest);
    let entries: Vec<Entry> = (0..)
        .zip(short())
        .map(|(n, it)| Entry {
            uid: format!("{n:05}"),
            title: it.title.clone(),
            description: it.uid.clone(),
            period: it.period,
        })
        .collect();
    let written = calendar::feed("", &entries, within.from);
    let again = calendar::read(written.as_bytes(), &Zone::UTC, within).expect("it is a calendar");
    assert_eq!(again.skipped, []);
    assert!(again.occurrences.iter().map(|it| it.period).eq(short().map(|it| it.period)));
    let shifts = import.shifts(&|name| name.contains('a').then_some(model::Id(1)));
    assert!(shifts.len() <= import.occurrences.len());
}
