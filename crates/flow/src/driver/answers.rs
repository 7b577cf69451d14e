//! Answers to messages, as they come in: by a link, by mail, by a button.

use std::time::Duration;

use futures::future::BoxFuture;
use model::incident::State;
use sdk::answering::{Ear, Verb};
use store::{Durability, Result};

use super::Hub;
use crate::answers::{self, Answer, Answerable, NotTaken, Taken};

impl Hub {
    /// What a token speaks of that a message was told with.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn answerable(&self, token: &str) -> Result<std::result::Result<(Answerable, bool), NotTaken>> {
        let (core, now, token) = (self.core.clone(), self.clock.now(), token.to_owned());
        let find = move |tx: &mut store::Tx<'_>| match answers::find(&core, tx, &token, now)? {
            Ok(about) => {
                let given = answers::was_given(tx, about.delivery.id)?;
                Ok(Ok((about, given)))
            }
            Err(why) => Ok(Err(why)),
        };
        self.store.read(find).await
    }

    /// Takes an answer to a message.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn take_answer(&self, answer: Answer) -> Result<std::result::Result<Taken, NotTaken>> {
        let (core, now) = (self.core.clone(), self.clock.now());
        let take = move |tx: &mut store::Tx<'_>| answers::take(&core, tx, &answer, now);
        let taken = self.noted(self.store.write(Durability::Disk, take).await)?;
        Ok(taken.map(|mut taken| {
            std::mem::take(&mut taken.done).into_iter().for_each(|done| self.follow(done));
            taken
        }))
    }
}

impl Ear for Hub {
    fn hear(&self, answer: Answer) -> BoxFuture<'_, std::result::Result<String, String>> {
        Box::pin(async move {
            let (verb, from) = (answer.verb, answer.who.address());
            match self.take_answer(answer).await {
                Ok(Ok(taken)) => Ok(words(&taken, verb)),
                Ok(Err(why)) => {
                    tracing::info!(%why, from, "an answer was not taken");
                    Ok(format!("Not done: {why}."))
                }
                Err(error) => Err(error.to_string()),
            }
        })
    }

    fn is_ours<'a>(&'a self, place: &'a str, span: Duration) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let (name, node, now) = (place.to_owned(), self.store.node(), self.clock.now());
            let take = move |tx: &mut store::Tx<'_>| store::answers::listen(tx, &name, node, now, now + span);
            let taken = self.store.write(Durability::Lazy, take).await;
            taken.unwrap_or_else(|error| {
                tracing::warn!(%error, place, "nobody listens there for a while");
                false
            })
        })
    }
}

/// What came of an answer, for who gave it.
fn words(taken: &Taken, verb: Verb) -> String {
    let what = match taken.incidents.as_slice() {
        [one] => format!("{:?}", one.title),
        all => format!("{} incidents", all.len()),
    };
    let over = taken.incidents.iter().all(|it| it.state == State::Resolved);
    match verb {
        Verb::Resolve if over => format!("{what} is over, says {}.", taken.by),
        Verb::Resolve => format!("{what}: not all of it could be ended."),
        Verb::Acknowledge(None) => format!("{} has {what} now.", taken.by),
        Verb::Acknowledge(Some(span)) => {
            format!("{} has {what} for {} now.", taken.by, model::time::span::format(span))
        }
    }
}
