//! What another configuration would have told otherwise, as the API shows it.

use flow::replay::{Change, Difference, Item};
use model::{Labels, Time};
use serde::Serialize;
use utoipa::ToSchema;

/// What another configuration would have told otherwise.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplayDifference)]
pub struct DifferenceView {
    /// The beginning of the window that was replayed.
    #[schema(value_type = String, format = DateTime)]
    from: Time,
    /// Its end.
    #[schema(value_type = String, format = DateTime)]
    until: Time,
    /// Events that arrived in it.
    events: usize,
    /// Silences that were known.
    silences: usize,
    /// Messages by the configuration in force.
    told_before: usize,
    /// Messages by the other one.
    told_after: usize,
    /// Messages that only the other one tells.
    new: usize,
    /// Messages that only the one in force tells.
    gone: usize,
    /// Messages that both tell, at different times.
    moved: usize,
    /// Each of them; the first thousand.
    items: Vec<ItemView>,
    /// Where the window was cut, in words.
    notes: Vec<String>,
}

/// A message that differs.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplayItem)]
struct ItemView {
    /// `new` (only the other configuration tells it), `gone` (only the one in force does) or `moved` (both do,
    /// at different times).
    change: &'static str,
    /// Who is told.
    receiver: String,
    /// Where.
    destination: String,
    /// The labels of the group that it is about.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    group: Labels,
    /// Why it is told: `first`, `new_alerts`, `repeat`, …
    reason: &'static str,
    /// When the configuration in force told it.
    #[schema(value_type = Option<String>, format = DateTime)]
    before: Option<Time>,
    /// When the other one would have.
    #[schema(value_type = Option<String>, format = DateTime)]
    after: Option<Time>,
    /// How many alerts it shows.
    alerts: usize,
    /// What they are called; the first of them.
    titles: Vec<String>,
}

impl From<Difference> for DifferenceView {
    fn from(it: Difference) -> Self {
        DifferenceView {
            from: it.from,
            until: it.until,
            events: it.events,
            silences: it.silences,
            told_before: it.told_before,
            told_after: it.told_after,
            new: it.new,
            gone: it.gone,
            moved: it.moved,
            items: it.items.into_iter().map(ItemView::from).collect(),
            notes: it.notes,
        }
    }
}

impl From<Item> for ItemView {
    fn from(it: Item) -> Self {
        ItemView {
            change: match it.change {
                Change::New => "new",
                Change::Gone => "gone",
                Change::Moved => "moved",
            },
            receiver: it.receiver,
            destination: it.destination,
            group: it.group,
            reason: it.reason.name(),
            before: it.before,
            after: it.after,
            alerts: it.alerts,
            titles: it.titles,
        }
    }
}
