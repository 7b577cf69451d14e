//! What a message says: which incidents it shows, and as what.

use model::extra::Telling;
use model::flap::OnFlapping;
use model::group::{Hold, Member, Told, is_news};
use model::incident::State;
use model::limits::{MAX_ALERTS_PER_NOTIFICATION, MAX_NOTIFICATION_TEXT_BYTES};
use model::notification::{Alert, FlapCount, Reason};
use model::receiver::{Manners, Place};
use model::{Id, Incident, Notification, Time, order};
use store::groups::{GroupRow, MemberRow};

use super::idempotency_key;
use crate::live::Live;

/// A member as a tick sees it, with what keeps it back apart from its flapping.
pub(super) fn member(row: &MemberRow, hold: Option<&Hold>, on_flapping: OnFlapping) -> Member {
    let flapping = || Hold::of_flapping(&row.incident, on_flapping, row.told);
    Member {
        incident: row.incident.id,
        state: row.incident.state,
        told: row.told,
        flapping: row.incident.is_flapping() && on_flapping != OnFlapping::Notify,
        once: row.incident.more().telling == Telling::Once,
        hold: hold.cloned().or_else(flapping),
    }
}

/// An incident that a message shows, and whether it is why there is one.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) incident: &'a Incident,
    pub(super) news: bool,
    flap: FlapNews,
}

/// What a message says about the flapping of an incident for which its route has a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FlapNews {
    Nothing,
    Flaps,
    Calm,
}

impl<'a> Shown<'a> {
    /// A member that a tick shows.
    pub(super) fn of(row: &'a MemberRow, member: &Member) -> Self {
        let flap = match (member.flapping, member.told) {
            (true, _) => FlapNews::Flaps,
            (false, Told::Flapping) => FlapNews::Calm,
            (false, _) => FlapNews::Nothing,
        };
        Shown { incident: &row.incident, news: is_news(member), flap }
    }

    /// What is told by itself, without a group.
    pub(super) fn alone(incident: &'a Incident) -> Self {
        Shown { incident, news: true, flap: FlapNews::Nothing }
    }

    /// Whether it counts as over. What flaps does not until it is calm, whatever it is at the moment.
    fn is_over(&self) -> bool {
        self.incident.state == State::Resolved && self.flap != FlapNews::Flaps
    }

    fn alert(&self) -> Alert {
        let mut alert = Alert::of(self.incident);
        match self.flap {
            FlapNews::Flaps if alert.state == State::Resolved => {
                (alert.state, alert.ends_at) = (State::Open, None);
            }
            FlapNews::Calm => {
                alert.flapping = Some(FlapCount { times: self.incident.flap.times, since: None });
            }
            FlapNews::Flaps | FlapNews::Nothing => {}
        }
        alert
    }
}

pub(super) fn wants(manners: &Manners, shown: &Shown<'_>) -> bool {
    manners.send_resolved || !shown.is_over()
}

/// Why a destination is not told of this; `None`: it is.
pub(super) fn refusal(manners: &Manners, reason: Reason, wanted: &[Shown<'_>]) -> Option<&'static str> {
    match reason {
        Reason::Acknowledged if !manners.send_acknowledged => Some("it does not want acknowledgements"),
        Reason::SomeResolved | Reason::AllResolved if !manners.send_resolved => {
            Some("it does not want to hear that things are over")
        }
        _ if wanted.is_empty() => Some("it does not want to hear that things are over"),
        _ => None,
    }
}

/// Alerts that a message to a place may carry.
pub(super) fn most_alerts(live: &Live, place: &Place) -> usize {
    fits(live.places.get(&place.id).map_or(MAX_ALERTS_PER_NOTIFICATION, |it| it.ready.most_alerts()), place)
}

/// Of so many alerts that its kind has room for, those that a place wants.
pub(super) fn fits(most: usize, place: &Place) -> usize {
    if place.manners.max_alerts == 0 { most } else { most.min(place.manners.max_alerts) }
}

/// Bytes of what a message says of an incident.
fn text_bytes(incident: &Incident) -> usize {
    let pairs = incident.labels.iter().chain(incident.annotations.iter());
    let pairs: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
    pairs + incident.title.len() + incident.link.len()
}

pub(super) fn notification(
    live: &Live,
    group: &GroupRow,
    id: Id,
    reason: Reason,
    mut wanted: Vec<Shown<'_>>,
    most: usize,
    now: Time,
) -> Notification {
    let total = wanted.len();
    // what there is no room for is what they know already
    wanted.sort_by_key(|it| !it.news);
    wanted.truncate(most);
    let mut free = MAX_NOTIFICATION_TEXT_BYTES;
    let mut fits = |it: &Shown<'_>| {
        let bytes = text_bytes(it.incident);
        let fits = bytes <= free;
        free = free.saturating_sub(bytes);
        fits
    };
    let room = wanted.iter().take_while(|it| fits(it)).count();
    // one that is larger than all that there is room for is told all the same
    wanted.truncate(room.max(1));
    wanted.sort_by(|a, b| order::by_job_and_instance(&a.incident.labels, &b.incident.labels));
    let alerts: Vec<Alert> = wanted.iter().map(Shown::alert).collect();
    let (common_labels, common_annotations) = Notification::common(&alerts);
    Notification {
        idempotency_key: idempotency_key(id),
        reason,
        receiver: group.receiver.clone(),
        route: group.route.clone(),
        group_key: group.group_key.clone(),
        group_labels: group.labels.clone(),
        common_labels,
        common_annotations,
        external_url: live.rules.external_url.clone(),
        truncated: (total - alerts.len()) as u64,
        alerts,
        storm: None,
        at: now,
    }
}
