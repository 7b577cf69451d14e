//! Where people's own definitions are looked after.

use axum::http::StatusCode;
use model::Id;
use model::profile::{Filter, Profile};

use super::call::{Answer, Call, Reply};
use super::refused::Refused;
use crate::accounts::{Defined, Desk, Done};
use crate::error::Problem;

/// The parameters of lists that name a filter, and a profile.
const FILTER: &str = "filter_pk";
const PROFILE: &str = "notificationprofile_pk";

impl Call {
    /// Has something done at a desk, for who asks.
    pub(super) async fn at_desk<T, F>(&self, work: F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk<'_, '_>) -> Done<T> + Send + 'static,
    {
        let caller = self.asker()?.caller.clone();
        self.app.desk(&caller, self.actor()?, work).await.map_err(refused)
    }

    /// Has something looked up at a desk, for who asks: nobody who writes waits for that.
    pub(super) async fn looked_up<T, F>(&self, work: F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk<'_, '_>) -> Done<T> + Send + 'static,
    {
        let caller = self.asker()?.caller.clone();
        self.app.look_up_for(&caller, self.actor()?, work).await.map_err(refused)
    }

    /// The filters that a list is asked for by the number of one, of a profile, or both: of each list, one has to take
    /// what is listed.
    ///
    /// # Errors
    /// 400 when there is none of a number.
    pub(super) async fn kept_filters(&self) -> Result<Vec<Vec<Filter>>, Refused> {
        let unknown = |name: &str, text: &str| Refused::field(name, format!("there is no {text:?} here"));
        let mut asked = Vec::new();
        for name in [FILTER, PROFILE] {
            if let Some(text) = self.query.last(name).filter(|text| !text.is_empty()) {
                asked.push((name, Id(text.parse().map_err(|_| unknown(name, text))?)));
            }
        }
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.looked_up(move |desk| {
            let (filters, profiles) = (desk.usable_filters()?, desk.own_all::<Profile>()?);
            let of = |ids: &[Id]| -> Vec<Filter> {
                filters.iter().filter(|it| ids.contains(&it.id)).map(|it| it.body.clone()).collect()
            };
            let kept = asked.into_iter().map(|(name, id)| {
                let found = match name {
                    FILTER => Some(of(&[id])).filter(|found| !found.is_empty()),
                    _ => profiles.iter().find(|it| it.id == id).map(|it| of(&it.body.filters)),
                };
                found.ok_or((name, id))
            });
            Ok(kept.collect::<Result<Vec<_>, _>>())
        });
        found.await?.map_err(|(name, id)| unknown(name, &id.0.to_string()))
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

/// What went wrong at a desk.
pub(super) fn refused(problem: Problem) -> Refused {
    match problem.code() {
        StatusCode::NOT_FOUND => Refused::not_found(),
        _ => Refused::from(problem).with_fields(field),
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
