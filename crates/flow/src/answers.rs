//! Answers to messages: whoever was told of something takes it, from wherever they read it.
//!
//! What a message carries to be answered by is a *token*: the delivery's id under a signature that binds it to what
//! the message was about, where it went and whom it was for. It is worked out when the message goes out and kept
//! nowhere; what is kept is the key, and which answers were given.

use std::time::Duration;

use model::account::{Actor, ActorKind, Scope, User};
use model::incident::Input;
use model::{Delivery, Id, Incident, Time};
pub use sdk::answering::{Answer, Verb, Who};
use store::{Result, Tx};

use crate::audit::{self, Signature};
use crate::core::Core;
use crate::deliver::ways::ways;
use crate::ingest::Done;
use crate::live::Live;
use crate::people::People;
use crate::signer::parts;
use crate::whose;

/// How long a message can be answered.
pub const ANSWER_LIFE: Duration = Duration::from_secs(7 * 86_400);
/// What answering by the page is called: that is done once, whatever is answered.
const PAGE: &str = "page";

/// The token that a delivery goes out with: for tests, which see no message go out.
///
/// # Errors
/// When the database is gone.
pub fn token_of(core: &Core, tx: &mut Tx<'_>, delivery: Id) -> Result<Option<String>> {
    core.keep_signer(tx)?;
    let found = (store::deliveries::get(tx, delivery)?, store::deliveries::notification(tx, delivery)?);
    let (Some(delivery), Some(says)) = found else { return Ok(None) };
    Ok(ways(core, &delivery, &says).map(|it| it.token.expose().to_owned()))
}

/// A message that can be answered.
#[derive(Clone, Debug)]
pub struct Answerable {
    /// It.
    pub delivery: Delivery,
    /// Whom it was for, if it was for one person.
    pub person: Option<User>,
    /// What it was about, as that is now.
    pub incidents: Vec<Incident>,
}

/// Why an answer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Nothing was ever told under this token, or it is forgotten.
    #[error("this is no answer to anything that was told here")]
    Unknown,
    /// It was told too long ago.
    #[error("it was told more than a week ago: look at what is open instead")]
    Expired,
    /// Whom it was for is locked out, or has it told elsewhere now.
    #[error("whom this was for cannot answer it any more")]
    Withdrawn,
    /// Who answers is not whom it was for, or nobody that is known here.
    #[error("who answers is not known here as {0}")]
    Stranger(String),
    /// Several say of themselves that they are who answers.
    #[error(
        "{0} both have this account among their destinations, so that nobody knows who answers: one of them has to \
             delete it"
    )]
    Several(String),
    /// They may look only.
    #[error("{0} may see incidents, but not act on them")]
    MayNot(String),
    /// It was answered so already.
    #[error("this was answered already")]
    Given,
    /// All of it is over.
    #[error("it is over already")]
    Over,
}

/// What came of an answer.
#[derive(Debug)]
pub struct Taken {
    /// Who gave it, by their name here.
    pub by: String,
    /// What it was about, as that is now.
    pub incidents: Vec<Incident>,
    pub(crate) done: Vec<Done>,
}

/// Finds what a token speaks of.
///
/// # Errors
/// When the database is gone.
pub fn find(
    core: &Core,
    tx: &mut Tx<'_>,
    token: &str,
    now: Time,
) -> Result<std::result::Result<Answerable, NotTaken>> {
    let signer = core.keep_signer(tx)?;
    let Some((id, signature)) = parts(token) else { return Ok(Err(NotTaken::Unknown)) };
    let found = (store::deliveries::get(tx, id)?, store::deliveries::notification(tx, id)?);
    let (Some(delivery), Some(says)) = found else { return Ok(Err(NotTaken::Unknown)) };
    if !signer.is_good(&signature, &delivery, &says) {
        return Ok(Err(NotTaken::Unknown));
    }
    if now.since(delivery.created_at) > ANSWER_LIFE {
        return Ok(Err(NotTaken::Expired));
    }
    let (people, live) = (core.people(tx)?, core.live());
    let person = people.reader_of(&delivery.destination).cloned();
    let is_there =
        live.places.contains_key(&delivery.destination) || people.place(&delivery.destination).is_some();
    let owner = people.owner_of(&delivery.destination);
    let was_for_one = owner.is_some_and(|owner| people.knows(owner));
    // what somebody was told before it became another's is still theirs to read, and nobody's to answer
    let told = delivery.receiver.strip_prefix('@').and_then(|owner| owner.parse().ok());
    let is_anothers = told.is_some_and(|told: Id| told != Id(0) && Some(told) != owner);
    if !is_there || is_anothers || (was_for_one && person.is_none()) {
        return Ok(Err(NotTaken::Withdrawn));
    }
    let ids: Vec<Id> = says.alerts.iter().map(|alert| alert.incident).collect();
    let incidents = store::incidents::get_many(tx, &ids)?.into_iter().map(|(_, it)| it).collect();
    Ok(Ok(Answerable { delivery, person, incidents }))
}

/// Whether an answer by the page was given already.
///
/// # Errors
/// When the database is gone.
pub fn was_given(tx: &mut Tx<'_>, delivery: Id) -> Result<bool> {
    store::answers::was_given(tx, delivery, PAGE)
}

/// Takes an answer.
///
/// # Errors
/// When the database is gone or full.
pub fn take(
    core: &Core,
    tx: &mut Tx<'_>,
    answer: &Answer,
    now: Time,
) -> Result<std::result::Result<Taken, NotTaken>> {
    tx.lock_flow()?;
    let about = match find(core, tx, &answer.token, now)? {
        Ok(about) => about,
        Err(why) => return Ok(Err(why)),
    };
    let (people, live) = (core.people(tx)?, core.live());
    let user = match who(&live, &people, &about, &answer.who) {
        Ok(user) => user,
        Err(why) => return Ok(Err(why)),
    };
    let theirs = answerable_by(core, tx, &user, &about.incidents)?;
    if theirs.is_empty() && !about.incidents.is_empty() {
        return Ok(Err(NotTaken::MayNot(user.name)));
    }
    let active: Vec<Id> = theirs.into_iter().filter(|it| it.is_active()).map(|it| it.id).collect();
    if active.is_empty() {
        return Ok(Err(NotTaken::Over));
    }
    let (verb, delivery) = (answer.verb.name(), about.delivery.id);
    let way = match &answer.who {
        Who::Page(_) => PAGE.to_owned(),
        Who::Mail(_) => format!("mail {verb}"),
        // in a chat of many each presses for themselves
        Who::Chat(kind, _) => format!("{kind} {verb} {}", user.id),
    };
    if !store::answers::give(tx, delivery, &way, now)? {
        return Ok(Err(NotTaken::Given));
    }
    let actor = std::sync::Arc::new(Actor {
        kind: ActorKind::User,
        id: Some(user.id),
        name: user.name.clone(),
        address: answer.who.address(),
    });
    let mut taken = Taken { by: user.name.clone(), incidents: Vec::new(), done: Vec::new() };
    for id in active {
        let sign = Signature { id: core.id(now), at: now, actor: actor.clone(), chain: 0 };
        let (by, note) = (user.name.as_str(), answer.note.as_str());
        let input = match answer.verb {
            Verb::Acknowledge(span) => Input::Acknowledge { by, until: span.map(|span| now + span), note },
            Verb::Resolve => Input::Resolve { by, note, end: None },
        };
        if let Some((after, done)) = audit::act(core, tx, &sign, id, &input)? {
            taken.incidents.push(after);
            taken.done.push(done);
        }
    }
    Ok(Ok(taken))
}

/// Those of some incidents that somebody may act on: all, or those of teams that they respond for.
fn answerable_by<'a>(
    core: &Core,
    tx: &mut Tx<'_>,
    user: &User,
    incidents: &'a [Incident],
) -> Result<Vec<&'a Incident>> {
    let (people, mut theirs) = (core.people(tx)?, Vec::new());
    let everywhere = user.role.may(Scope::Respond);
    for it in incidents {
        if everywhere || people.responds_for(user.id, Some(&whose::teams_of(core, tx, it.id)?)) {
            theirs.push(it);
        }
    }
    Ok(theirs)
}

/// Who answers, as a user.
fn who(live: &Live, people: &People, about: &Answerable, who: &Who) -> std::result::Result<User, NotTaken> {
    match who {
        Who::Page(_) => about.person.clone().ok_or(NotTaken::Withdrawn),
        Who::Mail(address) => {
            let person = about.person.clone().ok_or(NotTaken::Withdrawn)?;
            let own =
                person.email.eq_ignore_ascii_case(address) || people.is_reached_at(live, person.id, address);
            if own { Ok(person) } else { Err(NotTaken::Stranger(person.name)) }
        }
        Who::Chat(kind, id) => match people.who_is(live, kind, id).as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(NotTaken::Stranger(format!("anybody with a {kind} destination"))),
            several => {
                let names: Vec<&str> = several.iter().map(|it| it.name.as_str()).collect();
                Err(NotTaken::Several(names.join(" and ")))
            }
        },
    }
}
