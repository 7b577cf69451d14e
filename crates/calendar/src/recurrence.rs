//! The days on which something recurs.

use std::collections::HashSet;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{Span, ToSpan};

use crate::rule::{BadRule, Frequency, Rule};

impl Rule {
    /// What the clock shows at the occurrences from `first` to `last`, in order. `start` is the start of the event, and
    /// `goes_on` says whether an occurrence is not too late for the rule. Each day and time that is looked at is
    /// taken from `budget`.
    ///
    /// As in most calendars an event does not occur at its own start when its rule does not say so.
    pub(crate) fn occurrences(
        &self,
        start: DateTime,
        (first, last): (DateTime, DateTime),
        goes_on: &dyn Fn(DateTime) -> bool,
        budget: &mut u32,
    ) -> Result<Vec<DateTime>, BadRule> {
        let (mut found, mut count) = (Vec::new(), 0);
        // one that is counted is counted from its start
        let mut number = if self.count.is_some() { 0 } else { self.periods_before(start, first) };
        while let Some((begins, ends)) = self.period(start, number) {
            if begins.to_datetime(Time::midnight()) > last {
                break;
            }
            let days = u32::try_from(begins.duration_until(ends).as_hours() / 24).unwrap_or(1);
            *budget = budget.checked_sub(days).ok_or(BadRule::TooFar)?;
            for at in self.within(start, begins, ends, budget)? {
                let is_done = self.count.is_some_and(|most| count >= most);
                if is_done || at > last || !goes_on(at) {
                    return Ok(found);
                }
                count += 1;
                if at >= first {
                    found.push(at);
                }
            }
            number += 1;
        }
        Ok(found)
    }

    /// How many periods are surely over before this.
    fn periods_before(&self, start: DateTime, first: DateTime) -> u32 {
        let days = i64::from((first.date() - start.date()).get_days());
        let months = i64::from(first.year() - start.year()) * 12 + i64::from(first.month() - start.month());
        let units = match self.frequency {
            Frequency::Daily => days,
            Frequency::Weekly => days / 7,
            Frequency::Monthly => months,
            Frequency::Yearly => months / 12,
        };
        u32::try_from((units / i64::from(self.interval) - 1).max(0)).unwrap_or(u32::MAX)
    }

    /// The first day of a period of the rule, counted from that of the start, and the first day after it.
    fn period(&self, start: DateTime, number: u32) -> Option<(Date, Date)> {
        let units = i64::from(number) * i64::from(self.interval);
        let date = start.date();
        match self.frequency {
            Frequency::Daily => {
                let begins = date.checked_add(Span::new().try_days(units).ok()?).ok()?;
                Some((begins, begins.tomorrow().ok()?))
            }
            Frequency::Weekly => {
                let into_week = date.weekday().since(self.week_start);
                let monday = date.checked_sub(into_week.days()).ok()?;
                let begins = monday.checked_add(Span::new().try_weeks(units).ok()?).ok()?;
                Some((begins, begins.checked_add(7.days()).ok()?))
            }
            Frequency::Monthly => {
                let begins = date.first_of_month().checked_add(Span::new().try_months(units).ok()?).ok()?;
                Some((begins, begins.checked_add(1.month()).ok()?))
            }
            Frequency::Yearly => {
                let begins = date.first_of_year().checked_add(Span::new().try_years(units).ok()?).ok()?;
                Some((begins, begins.checked_add(1.year()).ok()?))
            }
        }
    }

    /// The occurrences of one period, in order.
    fn within(
        &self,
        start: DateTime,
        begins: Date,
        ends: Date,
        budget: &mut u32,
    ) -> Result<Vec<DateTime>, BadRule> {
        let days =
            begins.series(1.day()).take_while(|date| *date < ends).filter(|date| self.is_day(start, *date));
        let or = |list: &[i8], own: i8| {
            let mut list = if list.is_empty() { vec![own] } else { list.to_vec() };
            list.sort_unstable();
            list.dedup();
            list
        };
        let hours = or(&self.hours, start.hour());
        let (minutes, seconds) = (or(&self.minutes, start.minute()), or(&self.seconds, start.second()));
        let mut all = Vec::new();
        for date in days {
            for &hour in &hours {
                for &minute in &minutes {
                    all.extend(seconds.iter().map(|second| date.at(hour, minute, *second, 0)));
                }
            }
        }
        // also those that are not chosen in the end: they were looked at
        *budget = budget.checked_sub(all.len() as u32).ok_or(BadRule::TooFar)?;
        if !self.positions.is_empty() {
            let length = all.len() as i64;
            let from_zero = |it: i16| if it > 0 { i64::from(it) - 1 } else { length + i64::from(it) };
            let chosen: HashSet<i64> = self.positions.iter().map(|it| from_zero(*it)).collect();
            all = (0..).zip(all).filter(|(at, _)| chosen.contains(at)).map(|(_, it)| it).collect();
        }
        all.retain(|it| *it >= start);
        Ok(all)
    }

    /// Whether it occurs on this day of a period.
    fn is_day(&self, start: DateTime, date: Date) -> bool {
        let fits = |list: &[i16], day: i16, days: i16| {
            list.is_empty() || list.iter().any(|it| *it == day || *it + days + 1 == day)
        };
        let names_days =
            !self.month_days.is_empty() || !self.year_days.is_empty() || !self.weekdays.is_empty();
        let same_day = names_days || start.day() == date.day();
        // what the rule leaves open is as at the start
        let as_started = match self.frequency {
            Frequency::Daily => true,
            Frequency::Weekly => !self.weekdays.is_empty() || start.weekday() == date.weekday(),
            Frequency::Monthly => same_day,
            Frequency::Yearly => {
                let same_month = names_days || !self.months.is_empty() || start.month() == date.month();
                same_day && same_month
            }
        };
        as_started
            && (self.months.is_empty() || self.months.contains(&date.month()))
            && fits(&self.month_days, i16::from(date.day()), i16::from(date.days_in_month()))
            && fits(&self.year_days, date.day_of_year(), date.days_in_year())
            && (self.weekdays.is_empty() || self.weekdays.iter().any(|it| self.is_weekday(*it, date)))
    }

    /// Whether this day is such a day of the week: each, or the nth of the month, or of the year where the rule is
    /// for years and names no months.
    fn is_weekday(&self, (nth, weekday): (i16, Weekday), date: Date) -> bool {
        if date.weekday() != weekday {
            return false;
        }
        let of_year = self.frequency == Frequency::Yearly && self.months.is_empty();
        let (day, days) = match of_year {
            true => (date.day_of_year(), date.days_in_year()),
            false => (i16::from(date.day()), i16::from(date.days_in_month())),
        };
        nth == 0 || nth == (day - 1) / 7 + 1 || nth == -((days - day) / 7 + 1)
    }
}
