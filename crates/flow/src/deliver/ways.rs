//! How messages can be answered, which is worked out when they go out.

use model::account::{Scope, User};
use model::incident::State;
use model::notification::Reason;
use model::{Delivery, Notification};
use sdk::Secret;
use sdk::message::Answers;

use crate::core::Core;
use crate::live::Answering;

/// How a message can be answered; `None`: there is nothing to take, or nobody to take it.
pub(crate) fn ways(core: &Core, delivery: &Delivery, says: &Notification) -> Option<Answers> {
    let is_open = says.alerts.iter().any(|alert| alert.state == State::Open);
    if !is_open || says.reason == Reason::Test || says.storm.is_some() {
        return None;
    }
    let (live, people) = (core.live(), core.known_people());
    // for which of their teams it is, is found out when they answer
    let may = |user: &User| user.role.may(Scope::Respond) || people.responds_for(user.id, None);
    let person = people.reader_of(&delivery.destination).is_some_and(may);
    let Answering { mail_to, slack, telegram } = live.answering.clone();
    let signer = core.signer()?;
    if !person && !slack && telegram.is_none() {
        return None;
    }
    let token = signer.token(delivery, says);
    let page = match live.rules.external_url.as_str() {
        url if !url.is_empty() && person => format!("{url}/ack/{token}"),
        _ => String::new(),
    };
    let mail_to = if person { mail_to } else { String::new() };
    Some(Answers { token: Secret::new(token), page, mail_to, slack, telegram })
}
