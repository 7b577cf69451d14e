//! Links by which programs for calendars fetch who is on call.

use model::{Id, Time};
use serde::Deserialize;
use serde_json::json;
use store::calendar_links::{self as links, About, Link};
use utoipa::ToSchema;

use super::defined::EVERYBODY;
use super::{Desk, Done};
use crate::auth::{self, Scope};
use crate::error::Problem;
use crate::limits::{MAX_CALENDAR_LINKS, MAX_LINKS_OF_USER};

/// What a link is to show: one of both.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCalendarLink)]
pub struct CalendarLinkIn {
    /// The shifts of this schedule, by id or name.
    pub schedule: Option<String>,
    /// The shifts of this user, by id or name; of whoever asks, if nothing is given.
    pub user: Option<String>,
}

/// A link without its secret, and what it shows in words.
#[derive(Clone, Debug)]
pub struct LinkShown {
    /// Its id.
    pub id: Id,
    /// Who made it.
    pub owner: String,
    /// `schedule` or `user`.
    pub kind: &'static str,
    /// The name of the schedule or user.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
}

impl Desk<'_, '_> {
    /// Makes a link; the second is what it ends with, which is shown this once.
    ///
    /// # Errors
    /// When it must not be, or there is no such schedule or user.
    pub fn make_calendar_link(&mut self, it: &CalendarLinkIn) -> Done<(LinkShown, String)> {
        self.must_respond()?;
        let about = match (&it.schedule, &it.user, self.caller.user) {
            (Some(_), Some(_), _) => {
                return Err(
                    Problem::wrong("user", "is given beside schedule: a link shows one of both").into()
                );
            }
            (Some(text), None, _) => About::Schedule(self.schedule(text)?.id),
            (None, Some(text), _) => {
                let user = self.user(text)?;
                // others see who is on call, too, but a link lives on when they cannot
                if self.caller.user != Some(user.id) {
                    self.must(Scope::Manage)?;
                }
                About::User(user.id)
            }
            (None, None, Some(own)) => About::User(own),
            (None, None, None) => {
                return Err(Problem::wrong("user", "is missing: you are no user, so say whose shifts").into());
            }
        };
        let owner = self.caller.user.unwrap_or(EVERYBODY);
        let (theirs, all) = (MAX_LINKS_OF_USER, MAX_CALENDAR_LINKS);
        if links::list(self.tx, Some(owner), theirs)?.len() as i64 >= theirs
            || links::list(self.tx, None, all)?.len() as i64 >= all
        {
            return Err(Problem::not_in_state("there are too many links: revoke some").into());
        }
        let secret = auth::secret();
        let (id, now) = (self.id(), self.now);
        let link = Link { id, owner, about, created_at: now, etag: String::new(), changed_at: now };
        links::insert(self.tx, &link, &auth::hash_hex(secret.as_bytes()))?;
        let shown = self.show_link(&link)?;
        self.note_link("calendar_link.create", &shown)?;
        Ok((shown, secret))
    }

    /// The links that who asks made; all of them, for who runs the hub.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn calendar_links(&mut self) -> Done<Vec<LinkShown>> {
        let owner = match self.caller.may(Scope::Admin) {
            true => None,
            false => Some(self.caller.user.unwrap_or(EVERYBODY)),
        };
        let found = links::list(self.tx, owner, MAX_CALENDAR_LINKS)?;
        found.iter().map(|it| self.show_link(it)).collect()
    }

    /// Revokes a link.
    ///
    /// # Errors
    /// When there is none of theirs.
    pub fn revoke_calendar_link(&mut self, id: Id) -> Done<()> {
        self.must_respond()?;
        let own = self.caller.user.unwrap_or(EVERYBODY);
        let is_theirs = |it: &Link| it.owner == own || it.about == About::User(own);
        let all = self.caller.may(Scope::Admin);
        let found = links::get(self.tx, id)?.filter(|it| all || is_theirs(it));
        let found = found.ok_or_else(|| Problem::not_found("calendar link", id))?;
        let shown = self.show_link(&found)?;
        links::delete(self.tx, id)?;
        self.note_link("calendar_link.revoke", &shown)
    }

    fn show_link(&mut self, it: &Link) -> Done<LinkShown> {
        let gone = "that is gone".to_owned();
        let (kind, name) = match it.about {
            About::Schedule(id) => {
                let found = store::definitions::get::<serde_json::Value>(
                    self.tx,
                    store::definitions::Kind::Schedule,
                    id,
                )?;
                ("schedule", found.map_or(gone, |it| it.name))
            }
            About::User(id) => ("user", store::users::get(self.tx, id)?.map_or(gone, |it| it.name)),
        };
        let owner = store::users::get(self.tx, it.owner)?.map_or_else(String::new, |it| it.name);
        Ok(LinkShown { id: it.id, owner, kind, name, created_at: it.created_at })
    }

    fn note_link(&mut self, action: &str, it: &LinkShown) -> Done<()> {
        let what = Some(json!({ "owner": it.owner, it.kind: it.name }));
        let (before, after) = if action.ends_with("create") { (None, what) } else { (what, None) };
        Ok(self.note(action, ("calendar_link", &it.id.to_string()), before, after)?)
    }
}
