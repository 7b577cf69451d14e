//! What people do, as the hub is asked for it: each is one transaction with its line in the audit log.

use std::sync::Arc;

use model::account::Actor;
use model::extra::Edit;
use model::incident::Input;
use model::{Id, Incident, Time};
use store::{Durability, Result};

use super::Hub;
use crate::audit::{self, Signature};
use crate::ingest::Done;
use crate::verbs::{NewSilence, NotSilenced};

/// Something that a person does to an incident, with everything it needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Takes it.
    Acknowledge {
        /// Who.
        by: String,
        /// Until when; `None`: until it is over.
        until: Option<Time>,
        /// Why.
        note: String,
    },
    /// Gives it back.
    Unacknowledge {
        /// Who.
        by: String,
    },
    /// Says that it is over.
    Resolve {
        /// Who.
        by: String,
        /// Why.
        note: String,
        /// Since when; `None`: now.
        end: Option<Time>,
    },
    /// Says that it is wrong again.
    Reopen {
        /// Who.
        by: String,
        /// Why.
        note: String,
    },
    /// Changes what is known of it.
    Edit {
        /// Who.
        by: String,
        /// What.
        edit: Box<Edit>,
    },
    /// Puts it off.
    Snooze {
        /// Who.
        by: String,
        /// Until when.
        until: Time,
        /// Why.
        note: String,
    },
    /// Says something about it.
    Note {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
}

impl Act {
    /// As the state machine takes it.
    pub fn input(&self) -> Input<'_> {
        match self {
            Act::Acknowledge { by, until, note } => Input::Acknowledge { by, until: *until, note },
            Act::Unacknowledge { by } => Input::Unacknowledge { by },
            Act::Resolve { by, note, end } => Input::Resolve { by, note, end: *end },
            Act::Reopen { by, note } => Input::Reopen { by, note },
            Act::Edit { by, edit } => Input::Edit { by, edit },
            Act::Snooze { by, until, note } => Input::Snooze { by, until: *until, note },
            Act::Note { by, text } => Input::Note { by, text },
        }
    }
}

impl Hub {
    /// The same hub, where everything is done in somebody's name.
    #[must_use]
    pub fn signed(&self, actor: Actor) -> Hub {
        Hub { actor: Arc::new(actor), ..self.clone() }
    }

    /// The same hub, where everything is done at the end of a [`chain`](model::NewEvent::chain) that is so long.
    #[must_use]
    pub fn chained(self, chain: u32) -> Hub {
        Hub { chain, ..self }
    }

    /// What the next line in the audit log begins with.
    pub fn signature(&self) -> Signature {
        let at = self.clock.now();
        Signature { id: self.core.id(at), at, actor: self.actor.clone(), chain: self.chain }
    }

    /// Does something to an incident; `None`: there is none with this id.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn act(&self, id: Id, act: Act) -> Result<Option<Incident>> {
        let (core, sign) = (self.core.clone(), self.signature());
        let done = self
            .store
            .write(Durability::Disk, move |tx| audit::act(&core, tx, &sign, id, &act.input()))
            .await;
        Ok(self.noted(done)?.map(|(incident, done)| {
            self.follow(done);
            incident
        }))
    }

    /// Makes or changes a silence; returns its id.
    ///
    /// # Errors
    /// When it cannot be, there is none to change, or the database is gone.
    pub async fn silence(&self, new: NewSilence) -> std::result::Result<String, NotSilenced> {
        let (id, sign) = (fresh_uuid(), self.signature());
        // what is wrong with a silence is an answer, not a failure of the transaction
        let done = self.store.write(Durability::Disk, move |tx| match audit::silence(tx, &sign, new, id) {
            Err(NotSilenced::Store(error)) => Err(error),
            answer => Ok(answer),
        });
        let answer = self.noted(done.await)?;
        self.ring();
        answer
    }

    /// Ends a silence; `None`: there is none; `false`: it had ended.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn expire_silence(&self, id: &str) -> Result<Option<bool>> {
        let (id, sign) = (id.to_owned(), self.signature());
        let done = self.store.write(Durability::Disk, move |tx| audit::expire_silence(tx, &sign, &id)).await;
        self.noted(done)
    }

    /// Sends a test message to every destination of a receiver; `None`: there is none of this name.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn test_receiver(&self, receiver: &str) -> Result<Option<Vec<Id>>> {
        let (core, sign, receiver) = (self.core.clone(), self.signature(), receiver.to_owned());
        let done = self
            .store
            .write(Durability::Disk, move |tx| audit::test_receiver(&core, tx, &sign, &receiver))
            .await?;
        Ok(done.map(|(ids, done)| {
            self.follow(done);
            ids
        }))
    }

    /// Sends a few words of the hub's own to somebody's destination; `None`: it is not there, or cannot be used.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn word(&self, destination: Id, title: String) -> Result<Option<Id>> {
        let (core, now) = (self.core.clone(), self.clock.now());
        let plan = move |tx: &mut store::Tx<'_>| crate::verbs::word(&core, tx, destination, &title, now);
        Ok(self.store.write(Durability::Disk, plan).await?.map(|(id, done)| {
            self.follow(done);
            id
        }))
    }

    /// Brings a dead or buried delivery back; says whether there was one.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn retry_delivery(&self, id: Id) -> Result<bool> {
        let sign = self.signature();
        let revived = self.store.write(Durability::Disk, move |tx| {
            let revived = audit::retry_delivery(tx, &sign, id)?;
            Ok((revived, store::deliveries::get(tx, id)?))
        });
        let (revived, delivery) = revived.await?;
        self.follow(Done {
            rung: delivery.map(|it| it.destination).into_iter().collect(),
            ..Done::default()
        });
        Ok(revived)
    }

    /// Takes a delivery off the dead letters or the queue; says whether there was one.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub async fn bury_delivery(&self, id: Id, note: &str) -> Result<bool> {
        let (core, note, sign) = (self.core.clone(), note.to_owned(), self.signature());
        let buried = self
            .store
            .write(Durability::Disk, move |tx| audit::bury_and_tell(&core, tx, &sign, id, &note))
            .await;
        self.core.ring_couriers();
        buried
    }
}

/// A random UUID (version 4), which Alertmanager's clients expect of a silence.
fn fresh_uuid() -> String {
    let bits: u128 = rand::random();
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
