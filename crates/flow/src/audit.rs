//! What people do, signed: the verbs, each with its line in the audit log, in one transaction.

use std::sync::Arc;

use model::account::Actor;
use model::incident::Input;
use model::{Id, Incident, Silence, Time};
use serde_json::{Value, json};
use store::audit::Entry;
use store::{Result, Tx};

use crate::core::Core;
use crate::ingest::Done;
use crate::notices;
use crate::verbs::{self, NewSilence, NotSilenced};

/// Who does something, and when: what its line in the audit log begins with.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The line's id.
    pub id: Id,
    /// When.
    pub at: Time,
    /// Who.
    pub actor: Arc<Actor>,
    /// How long the [`chain`](model::NewEvent::chain) is at whose end it is done.
    pub chain: u32,
}

impl Signature {
    /// Writes the line: what was done to what, and what that was before and is now.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub fn write(
        &self,
        tx: &mut Tx<'_>,
        action: &str,
        object: (&str, &str),
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<()> {
        let entry = Entry {
            id: self.id,
            at: self.at,
            actor: (*self.actor).clone(),
            action: action.to_owned(),
            object_kind: object.0.to_owned(),
            object_id: object.1.to_owned(),
            before,
            after,
        };
        store::audit::write(tx, &entry)
    }
}

/// Does something to one incident; `None`: there is none with this id.
///
/// # Errors
/// When the database is gone or full.
pub fn act(
    core: &Core,
    tx: &mut Tx<'_>,
    sign: &Signature,
    id: Id,
    input: &Input<'_>,
) -> Result<Option<(Incident, Done)>> {
    tx.lock_flow()?;
    let Some(before) = store::incidents::get(tx, id)? else { return Ok(None) };
    let done = verbs::act(core, tx, id, (input, sign.chain), sign.at)?;
    if let (Some((after, _)), Some((action, note))) = (&done, named(input)) {
        let shown = if matches!(input, Input::Edit { .. }) { known } else { standing };
        let (was, mut becomes) = (shown(&before), shown(after));
        if was != becomes || matches!(input, Input::Note { .. }) {
            becomes["note"] = note.into();
            sign.write(tx, action, ("incident", &id.to_string()), Some(was), Some(becomes))?;
        }
    }
    Ok(done)
}

/// What the audit log calls something that a person does, and what is said with it.
fn named<'a>(input: &Input<'a>) -> Option<(&'static str, &'a str)> {
    match input {
        Input::Acknowledge { note, .. } => Some(("incident.acknowledge", note)),
        Input::Unacknowledge { .. } => Some(("incident.unacknowledge", "")),
        Input::Resolve { note, .. } => Some(("incident.resolve", note)),
        Input::Reopen { note, .. } => Some(("incident.reopen", note)),
        Input::Edit { edit, .. } => Some(("incident.edit", &edit.remark)),
        Input::Snooze { note, .. } => Some(("incident.snooze", note)),
        Input::Note { text, .. } => Some(("incident.note", text)),
        Input::Event(_) | Input::Deadline => None,
    }
}

/// What is known of an incident, as far as people edit it.
fn known(it: &Incident) -> Value {
    json!({
        "title": it.title,
        "severity": it.severity,
        "link": it.link,
        "ticket_url": it.more().ticket_url,
        "tags": it.more().tags.iter().map(|it| it.tag.as_str()).collect::<Vec<_>>(),
        "acknowledgements": it.more().acknowledgements,
    })
}

/// Where an incident stands, as far as people change it.
fn standing(it: &Incident) -> Value {
    json!({
        "state": it.state.name(),
        "acknowledged_by": it.acknowledged_by,
        "acknowledged_until": it.acknowledged_until,
        "snoozed_until": it.snoozed_until,
    })
}

/// Makes or changes a silence, and returns its id; see [`verbs::silence`].
///
/// # Errors
/// When it cannot be, there is none to change, or the database is gone.
pub fn silence(
    tx: &mut Tx<'_>,
    sign: &Signature,
    new: NewSilence,
    fresh_id: String,
) -> std::result::Result<String, NotSilenced> {
    let old = if new.id.is_empty() { None } else { store::silences::get(tx, &new.id)? };
    let id = verbs::silence(tx, new, fresh_id, sign.at)?;
    let made = store::silences::get(tx, &id)?;
    let action = if old.is_some() { "silence.update" } else { "silence.create" };
    sign.write(tx, action, ("silence", &id), shown(old.as_ref()), shown(made.as_ref()))?;
    Ok(id)
}

/// Ends a silence; `None`: there is none; `false`: it had ended.
///
/// # Errors
/// When the database is gone or full.
pub fn expire_silence(tx: &mut Tx<'_>, sign: &Signature, id: &str) -> Result<Option<bool>> {
    let old = store::silences::get(tx, id)?;
    let done = verbs::expire_silence(tx, id, sign.at)?;
    if done == Some(true) {
        let ended = store::silences::get(tx, id)?;
        sign.write(tx, "silence.expire", ("silence", id), shown(old.as_ref()), shown(ended.as_ref()))?;
    }
    Ok(done)
}

fn shown(silence: Option<&Silence>) -> Option<Value> {
    silence.and_then(|it| serde_json::to_value(it).ok())
}

/// Sends a test message to every destination of a receiver; `None`: there is none of this name.
///
/// # Errors
/// When the database is gone or full.
pub fn test_receiver(
    core: &Core,
    tx: &mut Tx<'_>,
    sign: &Signature,
    receiver: &str,
) -> Result<Option<(Vec<Id>, Done)>> {
    let done = verbs::test_receiver(core, tx, receiver, sign.at)?;
    if let Some((ids, _)) = &done {
        sign.write(tx, "receiver.test", ("receiver", receiver), None, Some(json!({ "deliveries": ids })))?;
    }
    Ok(done)
}

/// Brings a dead or buried delivery back; says whether there was one.
///
/// # Errors
/// When the database is gone or full.
pub fn retry_delivery(tx: &mut Tx<'_>, sign: &Signature, id: Id) -> Result<bool> {
    let before = state(tx, id)?;
    let revived = store::deliveries::revive(tx, id, sign.at)?;
    if revived {
        let after = state(tx, id)?;
        sign.write(tx, "delivery.retry", ("delivery", &id.to_string()), before, after)?;
    }
    Ok(revived)
}

/// Takes a delivery off the dead letters or the queue; says whether there was one.
///
/// # Errors
/// When the database is gone or full.
pub fn bury_delivery(tx: &mut Tx<'_>, sign: &Signature, id: Id, note: &str) -> Result<bool> {
    let before = state(tx, id)?;
    let buried = store::deliveries::bury(tx, id, note, sign.at)?;
    if buried {
        let after = json!({ "state": "buried", "note": note });
        sign.write(tx, "delivery.bury", ("delivery", &id.to_string()), before, Some(after))?;
    }
    Ok(buried)
}

/// The same on a running node: those who subscribe hear of it.
///
/// # Errors
/// When the database is gone or full.
pub(crate) fn bury_and_tell(
    core: &Core,
    tx: &mut Tx<'_>,
    sign: &Signature,
    id: Id,
    note: &str,
) -> Result<bool> {
    let pending = notices::pending(core, tx, std::iter::once(id))?;
    let buried = bury_delivery(tx, sign, id, note)?;
    notices::of_finished(core, tx, &pending)?;
    Ok(buried)
}

fn state(tx: &mut Tx<'_>, id: Id) -> Result<Option<Value>> {
    Ok(store::deliveries::get(tx, id)?.map(|it| json!({ "state": it.state.name() })))
}
