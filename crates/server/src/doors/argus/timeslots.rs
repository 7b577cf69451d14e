//! Timeslots: hours of the week, by the clock of whose they are. Unlike Argus', they may cross midnight.

use model::Id;
use model::profile::Timeslot;
use model::weekly::{TimeOfDay, Weekdays, Weekly, Window};
use serde_json::{Value, json};
use store::definitions::Definition;

use super::call::{Answer, Call, Reply};
use super::fields::{Fields, kind_of};
use super::refused::Refused;

/// What Argus writes for the end of a day.
const LAST_MOMENT: &str = "23:59:59.999999";
/// The field that says when a recurrence ends.
const END: &str = "end";
/// Bytes of a name.
const MAX_NAME: usize = 200;

/// A timeslot as Argus shows it.
pub(super) fn shown(it: &Definition<Timeslot>) -> Value {
    let clock = |time: TimeOfDay| match time {
        TimeOfDay::END => LAST_MOMENT.to_owned(),
        time => {
            let seconds = time.seconds();
            format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
        }
    };
    let recurrence = |window: &Window| {
        let days: Vec<i64> = window.weekdays.iso().collect();
        let (start, end) = (clock(window.start), clock(window.end));
        json!({ "days": days, "start": start, "end": end, "all_day": window.is_all_day() })
    };
    let recurrences: Vec<Value> = it.body.windows.0.iter().map(recurrence).collect();
    json!({ "pk": it.id.0, "name": it.name, "time_recurrences": recurrences })
}

/// `GET notificationprofiles/timeslots/`.
pub(super) async fn list(call: Call) -> Answer {
    let ground = call.app.ground();
    let mut all = call.looked_up(|desk| desk.own_all()).await?;
    if all.is_empty() {
        all = call.at_desk(move |desk| desk.own_timeslots(&ground)).await?;
    }
    Reply::ok(&all.iter().map(shown).collect::<Vec<_>>())
}

/// `GET notificationprofiles/timeslots/N/`.
pub(super) async fn get(call: Call) -> Answer {
    let id = Id(call.number(0)?);
    let found = call.looked_up(move |desk| desk.own(id)).await?;
    Reply::ok(&shown(&found))
}

/// `POST notificationprofiles/timeslots/`.
pub(super) async fn create(call: Call) -> Answer {
    let (name, windows) = read(&call, true)?;
    let it = Timeslot { name: name.unwrap_or_default(), windows: windows.unwrap_or(Weekly(Vec::new())) };
    let ground = call.app.ground();
    let kept = call.at_desk(move |desk| {
        let owner = desk.owner()?;
        desk.make(&ground, owner, it.name.clone(), |_| Ok(it))
    });
    let kept = kept.await?;
    call.app.hub.ring();
    Reply::created(&shown(&kept))
}

/// `PUT notificationprofiles/timeslots/N/`.
pub(super) async fn replace(call: Call) -> Answer {
    keep(call, true).await
}

/// `PATCH notificationprofiles/timeslots/N/`: recurrences are replaced as a whole.
pub(super) async fn change(call: Call) -> Answer {
    keep(call, false).await
}

async fn keep(call: Call, all: bool) -> Answer {
    let (id, (name, windows)) = (Id(call.number(0)?), read(&call, all)?);
    let ground = call.app.ground();
    let kept = call.at_desk(move |desk| {
        let before = desk.own::<Timeslot>(id)?;
        let name = name.unwrap_or_else(|| before.name.clone());
        let windows = windows.unwrap_or_else(|| before.body.windows.clone());
        desk.remake(&ground, before, name.clone(), |_| Ok(Timeslot { name, windows }))
    });
    let kept = kept.await?;
    call.app.hub.ring();
    Reply::ok(&shown(&kept))
}

/// `DELETE notificationprofiles/timeslots/N/`.
pub(super) async fn remove(call: Call) -> Answer {
    call.discards::<Timeslot>().await
}

fn read(call: &Call, all: bool) -> Result<(Option<String>, Option<Weekly>), Refused> {
    let mut fields = Fields::new(call.object()?);
    fields.must(&["name", "time_recurrences"], all);
    let name = if fields.value("name").is_null() { None } else { fields.text("name", MAX_NAME) };
    let value = fields.value("time_recurrences").clone();
    let windows = match &value {
        Value::Null => None,
        Value::Array(all) => match all.iter().map(window).collect::<Result<Vec<_>, _>>() {
            Ok(windows) => Some(Weekly(windows)),
            Err(what) => {
                fields.wrong("time_recurrences", what);
                None
            }
        },
        other => {
            fields.wrong("time_recurrences", format!("must be a list, and is {}", kind_of(other)));
            None
        }
    };
    fields.done()?;
    Ok((name, windows))
}

fn window(it: &Value) -> Result<Window, String> {
    let days =
        it["days"].as_array().ok_or("days: must be a list of numbers from 1 (Monday) to 7 (Sunday)")?;
    let days: Option<Vec<i64>> = days.iter().map(Value::as_i64).collect();
    let weekdays = days.and_then(Weekdays::from_iso).filter(|days| !days.is_empty());
    let weekdays = weekdays.ok_or("days: must be numbers from 1 (Monday) to 7 (Sunday), one at least")?;
    if it["all_day"] == true {
        return Ok(Window::all_day(weekdays));
    }
    let (start, end) = (time(&it["start"], "start")?, time(&it["end"], END)?);
    Ok(Window { weekdays, start, end })
}

fn time(value: &Value, name: &str) -> Result<TimeOfDay, String> {
    let text = value.as_str().ok_or_else(|| format!("{name}: must be a time like 08:00:00"))?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !(1..=6).contains(&fraction.len()) || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{name}: {text:?} is no time like 08:00:00"));
    }
    if name == END && whole == "23:59:59" && fraction.starts_with('9') {
        return Ok(TimeOfDay::END);
    }
    whole.parse().map_err(|bad| format!("{name}: {bad}"))
}
