//! The words that stand for states and the like, as the API's description lists them.

use utoipa::ToSchema;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $word:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$meaning])* $word),+ }
    };
}

words! {
    /// How bad something is: `critical` (wake somebody), `error` (broken, look at it now), `warning` (look
    /// at it today), `notice` (look at it some day) or `info` (good to know).
    Severity {
        /// Wake somebody.
        Critical,
        /// Broken, look at it now.
        Error,
        /// Look at it today.
        Warning,
        /// Look at it some day.
        Notice,
        /// Good to know.
        Info,
    }
}

words! {
    /// What somebody may do: `read` (see everything but tokens and the audit log), `ingest` (send events, alerts and
    /// pings), `respond` (act on incidents, silences and deliveries; covers `read`), `manage` (run teams; covers
    /// `respond`) or `admin` (everything).
    Scope {
        /// To see everything but tokens and the audit log.
        Read,
        /// To send events, alerts and pings.
        Ingest,
        /// To act on incidents, silences and deliveries, and to see what `read` sees.
        Respond,
        /// To run teams, and to do what `respond` does.
        Manage,
        /// Everything.
        Admin,
    }
}

words! {
    /// What somebody is to the hub or to a team: `viewer` (sees), `responder` (acts on what is wrong), `manager`
    /// (runs teams, too) or `admin` (everything).
    Role {
        /// Sees.
        Viewer,
        /// Sees, and acts on what is wrong.
        Responder,
        /// That, and runs teams.
        Manager,
        /// Everything.
        Admin,
    }
}

words! {
    /// What kind of somebody did something: `user`, `token` (one that belongs to nobody), `local` (somebody at the very
    /// machine of the hub), `plugin` or `system` (the hub itself).
    ActorKind {
        /// A user.
        User,
        /// Whoever has a token that belongs to nobody.
        Token,
        /// Somebody at the very machine of the hub.
        Local,
        /// A plugin.
        Plugin,
        /// The hub itself.
        System,
    }
}

words! {
    /// What an event says: `raise` (something is wrong, or still is), `clear` (it is over) or `note` (worth
    /// a line in the timeline).
    Action {
        /// Something is wrong, or still is.
        Raise,
        /// It is over.
        Clear,
        /// Worth a line in the timeline.
        Note,
    }
}

words! {
    /// Where an incident stands: `open` (nobody has taken it), `acknowledged` (somebody has) or `resolved`
    /// (it is over).
    IncidentState {
        /// Wrong, and nobody has taken it.
        Open,
        /// Wrong, and somebody has.
        Acknowledged,
        /// Over.
        Resolved,
    }
}

words! {
    /// What happened to an incident.
    ChangeKind {
        /// It began.
        Opened,
        /// It began again within its re-open window.
        Reopened,
        /// It got worse or milder.
        SeverityChanged,
        /// What is known about it changed.
        Updated,
        /// Somebody took it.
        Acknowledged,
        /// Somebody gave it back.
        Unacknowledged,
        /// The time for which somebody took it is over.
        AcknowledgementExpired,
        /// An event or a person said that it is over.
        Resolved,
        /// Nothing was heard of it for so long that it counts as over.
        TimedOut,
        /// Nobody is told for a while.
        Snoozed,
        /// That while is over.
        SnoozeEnded,
        /// It begins and ends so often that it flaps.
        Flapping,
        /// It has stopped flapping.
        Calmed,
        /// A rule of its project says that it is worth a word.
        Alerted,
        /// Somebody said something about it.
        Noted,
        /// Somebody was paged.
        Paged,
        /// It was not told, and why.
        Suppressed,
        /// What kept it from being told is gone.
        Released,
    }
}

words! {
    /// Where a delivery stands: `pending` (not done yet), `delivered`, `dead` (refused for good, or not
    /// taken in time) or `buried` (taken off the list by a person).
    DeliveryState {
        /// Not done yet.
        Pending,
        /// The destination took it.
        Delivered,
        /// Refused for good, or not taken in time.
        Dead,
        /// A person took it off the list, unsent.
        Buried,
    }
}

words! {
    /// What came of a try: `delivered`, `accepted` (taken; whether it arrives is asked later), `retry` (not
    /// this time) or `rejected` (not ever).
    Outcome {
        /// The destination has it.
        Delivered,
        /// The destination took it, but whether it arrives is asked later.
        Accepted,
        /// Not this time.
        Retry,
        /// Not ever.
        Rejected,
    }
}

words! {
    /// Why a receiver was told.
    Reason {
        /// The first word about this group.
        First,
        /// Something is wrong that was not told of yet.
        NewAlerts,
        /// Everything is over.
        AllResolved,
        /// Some of it is over.
        SomeResolved,
        /// Somebody took it.
        Acknowledged,
        /// Something begins and ends so often that nothing more is told of it until it is calm.
        Flapping,
        /// Something has stopped flapping.
        Calmed,
        /// There are so many messages that people get this summary in their place.
        Storm,
        /// There are not so many messages any more.
        StormOver,
        /// Nothing is new, but the repeat interval has passed.
        Repeat,
        /// Somebody asked for a test message.
        Test,
    }
}

words! {
    /// Where a silence stands: `pending` (it will be in force), `active` or `expired`.
    SilenceState {
        /// It will be in force later.
        Pending,
        /// It is in force.
        Active,
        /// It is over.
        Expired,
    }
}

words! {
    /// What a route does about incidents that flap.
    OnFlapping {
        /// It tells of them as of any other.
        Notify,
        /// It tells nothing until they are calm.
        Hold,
        /// It tells once that they flap, and once that they are calm again.
        Summarise,
    }
}

words! {
    /// What was found about a route: `chosen`, `left_to_child`, `no_match` or `not_reached`.
    RouteVerdict {
        /// It tells its receiver.
        Chosen,
        /// It matches, but leaves it to a child.
        LeftToChild,
        /// A matcher or the condition does not hold.
        NoMatch,
        /// A sibling before it matched and does not continue.
        NotReached,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::to_value;

    fn listed<T: utoipa::PartialSchema>() -> Vec<serde_json::Value> {
        to_value(T::schema()).unwrap()["enum"].as_array().unwrap().clone()
    }

    #[test]
    fn the_description_lists_the_words_that_are_used() {
        let words =
            |all: Vec<&'static str>| all.into_iter().map(Into::into).collect::<Vec<serde_json::Value>>();
        assert_eq!(listed::<Severity>(), words(model::Severity::ALL.map(model::Severity::name).to_vec()));
        let kinds = model::incident::ChangeKind::ALL;
        assert_eq!(listed::<ChangeKind>(), words(kinds.map(model::incident::ChangeKind::name).to_vec()));
        let states = model::delivery::DeliveryState::ALL;
        assert_eq!(
            listed::<DeliveryState>(),
            words(states.map(model::delivery::DeliveryState::name).to_vec())
        );
        let policies = model::flap::OnFlapping::ALL;
        assert_eq!(listed::<OnFlapping>(), words(policies.map(model::flap::OnFlapping::name).to_vec()));
        use model::incident::State;
        assert_eq!(
            listed::<IncidentState>(),
            words(vec![State::Open.name(), State::Acknowledged.name(), State::Resolved.name()])
        );
        let (reasons, verdicts) = (listed::<Reason>(), listed::<RouteVerdict>());
        assert!(reasons.contains(&to_value(model::notification::Reason::SomeResolved).unwrap()));
        assert!(verdicts.contains(&to_value(model::route::VerdictKind::LeftToChild).unwrap()));
    }
}
