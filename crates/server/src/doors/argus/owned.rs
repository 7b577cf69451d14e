//! Where people's own definitions are looked after.

use axum::http::StatusCode;
use model::Id;
use model::profile::{Filter, Profile};

use super::call::{Answer, Call, Reply};
use super::refused::Refused;
use crate::accounts::{Defined, Desk, Done};

impl Call {
    /// Has something done at a desk, for who asks.
    pub(super) async fn at_desk<T, F>(&self, work: F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk<'_, '_>) -> Done<T> + Send + 'static,
    {
        let caller = self.asker()?.caller.clone();
        let done = self.app.desk(&caller, self.actor()?, work).await;
        done.map_err(|problem| match problem.code() {
            StatusCode::NOT_FOUND => Refused::not_found(),
            _ => Refused::from(problem).with_fields(field),
        })
    }

    /// The filters that a list is asked for by the number of one or of a profile; `None`: by none.
    ///
    /// # Errors
    /// 400 when there is none of this number.
    pub(super) async fn kept_filters(&self) -> Result<Option<Vec<Filter>>, Refused> {
        let mut names = ["filter_pk", "notificationprofile_pk"].into_iter();
        let asked = names.find_map(|name| Some((name, self.query.last(name).filter(|it| !it.is_empty())?)));
        let Some((name, text)) = asked else { return Ok(None) };
        let unknown = || Refused::field(name, format!("there is no {text:?} here"));
        let id = Id(text.parse().map_err(|_| unknown())?);
        let found = self.at_desk(move |desk| {
            let filters = desk.usable_filters()?;
            if name == "filter_pk" {
                return Ok(filters.into_iter().find(|it| it.id == id).map(|it| vec![it.body]));
            }
            let profiles = desk.own_all::<Profile>()?;
            let profile = profiles.into_iter().find(|it| it.id == id);
            Ok(profile.map(|profile| {
                let of_it = filters.into_iter().filter(|it| profile.body.filters.contains(&it.id));
                of_it.map(|it| it.body).collect()
            }))
        });
        found.await?.map(Some).ok_or_else(unknown)
    }

    /// Forgets what the path names; what is in use stays.
    pub(super) async fn discards<T: Defined>(&self) -> Answer {
        let (id, ground) = (Id(self.number(0)?), self.app.ground());
        let done = self.at_desk(move |desk| {
            desk.own::<T>(id)?;
            desk.undefine::<T>(&ground, id)
        });
        let done = done.await;
        self.gone(done)
    }

    /// Something was forgotten, or is needed.
    pub(super) fn gone<T>(&self, done: Result<T, Refused>) -> Answer {
        done.map_err(|refused| match refused {
            Refused::Detail(StatusCode::CONFLICT, text) => Refused::Bare(StatusCode::BAD_REQUEST, text),
            other => other,
        })?;
        self.app.hub.ring();
        Reply::nothing()
    }
}

/// What is called so here that is a field of a definition of ours.
fn field(ours: &str) -> &str {
    let Some(spec) = ours.strip_prefix("spec.") else { return ours };
    match spec.split(['.', '[']).next().unwrap_or(spec) {
        "windows" => "time_recurrences",
        "kind" => "media",
        "starts_at" => "start_time",
        "ends_at" => "end_time",
        "filter_ids" => "filters",
        other => other,
    }
}
