//! Users and teams that go for good. What names them is found first: it stands in the way, or somebody else gets it.

use std::collections::HashSet;

use model::account::{Role, Team, User};
use model::escalation::{Policy, Target};
use model::maintenance::Maintenance;
use model::profile::Profile;
use model::schedule::{Act, Override, Rota, Turns};
use model::{Id, Reach};
use serde_json::{Value, json};
use store::calendar_links;
use store::definitions::{self, Definition, Kind};

use super::defined::{Defined, Ground};
use super::{Desk, Done, shown};
use crate::auth::Scope;
use crate::error::Problem;

/// How many of those who need somebody are named.
const MAX_NAMED: usize = 50;

/// What became of what named somebody who is gone.
#[derive(Clone, Debug, Default)]
pub struct Leaving {
    /// What was changed to name somebody else, or given to them, in words.
    pub changed: Vec<String>,
}

/// Something that needs a user, a team or what is theirs.
struct Need {
    /// What needs it, in words: `policy "db"`.
    by: String,
    /// The definition of theirs that is needed, if it is not they themselves.
    what: Option<(Kind, Id)>,
}

impl Desk<'_, '_> {
    /// Forgets a user and what is theirs. What needs them stands in the way, unless somebody takes their place in it.
    ///
    /// # Errors
    /// When it must not be, they are needed, or there is no such user.
    pub fn delete_user(
        &mut self,
        ground: &Ground,
        text: &str,
        replacement: Option<&str>,
    ) -> Done<(User, Leaving)> {
        self.must(Scope::Admin)?;
        let user = self.user(text)?;
        if user.role == Role::Admin && store::users::other_admins(self.tx, user.id)? == 0 {
            let why = format!("{} is the last admin who can log in: make another first", user.name);
            return Err(Problem::not_in_state(why).into());
        }
        if let Some(source) = store::sources::all(self.tx)?.into_iter().find(|it| it.user == user.id) {
            let why =
                format!("{} is what source {:?} is known by: delete that first", user.name, source.name);
            return Err(Problem::not_in_state(why).into());
        }
        let replacement = replacement.map(|text| self.user(text)).transpose()?;
        if let Some(bad) =
            replacement.as_ref().filter(|it| it.id == user.id || !it.is_enabled() || it.machine)
        {
            let why = format!("{} is who goes, a machine, or disabled: name somebody else", bad.name);
            return Err(Problem::wrong("replace_with", why).into());
        }
        let names = |target: &Target| matches!(target, Target::User { id } if *id == user.id);
        let needs = self.needs(ground, user.id, &names, &|rota| rota.people().contains(&user.id))?;
        let mut leaving = Leaving::default();
        flow::whose::hand_over_issues(self.tx, &user.name, replacement.as_ref().map_or("", |by| &by.name))?;
        match &replacement {
            Some(by) => {
                self.replace_user(user.id, by.id, &mut leaving)?;
                self.hand_over(&needs, by.id, &user.name, &mut leaving)?;
            }
            None if !needs.is_empty() => return Err(in_the_way(&user.name, &needs, "replace_with").into()),
            None => {}
        }
        self.forget_definitions(user.id)?;
        calendar_links::delete_of(self.tx, calendar_links::About::User(user.id))?;
        store::users::delete(self.tx, user.id, self.now)?;
        let after = replacement.map(|by| json!({ "replaced_by": by.name, "changed": leaving.changed }));
        self.note("user.delete", ("user", &user.id.to_string()), shown(&user), after)?;
        Ok((user, leaving))
    }

    /// Forgets a team and what it has defined, or gives that to another owner. What others need stands in the way.
    ///
    /// # Errors
    /// When it must not be, others need it, or there is none.
    pub fn delete_team(
        &mut self,
        ground: &Ground,
        text: &str,
        hand_over_to: Option<&str>,
    ) -> Done<(Team, Leaving)> {
        self.must(Scope::Manage)?;
        let team = self.team(text)?;
        let heir = hand_over_to.map(|text| self.owner_named(Some(text))).transpose()?;
        if let Some(heir) = heir {
            if heir == team.id {
                return Err(
                    Problem::wrong("hand_over_to", "is the team that goes: name another owner").into()
                );
            }
            self.must_define(heir)?;
        }
        let heir_team = match heir {
            Some(id) => store::teams::get(self.tx, id)?,
            None => None,
        };
        let names = |target: &Target| matches!(target, Target::Team { id } if *id == team.id);
        let mut needs = self.needs(ground, team.id, &names, &|_| false)?;
        let mut leaving = Leaving::default();
        let successor = heir_team.as_ref().map(|it| it.prefixed()).unwrap_or_default();
        flow::whose::hand_over_issues(self.tx, &team.prefixed(), &successor)?;
        if let Some(heir) = heir {
            if let Some(other) = &heir_team {
                self.change_policies(&names, &Target::Team { id: other.id }, &mut leaving)?;
                needs.retain(|it| it.what.is_some());
            }
            self.hand_over_all(team.id, heir, &team.name, &mut leaving)?;
            needs.retain(|it| it.what.is_none());
        }
        if !needs.is_empty() {
            return Err(in_the_way(&team.prefixed(), &needs, "hand_over_to").into());
        }
        self.move_projects(team.id, heir_team.as_ref().map(|it| it.id), &mut leaving)?;
        self.forget_definitions(team.id)?;
        let members = store::teams::members(self.tx, team.id)?;
        store::teams::delete(self.tx, team.id, self.now)?;
        let before = json!({ "team": team, "members": members });
        let after = heir.map(|_| json!({ "handed_over_to": hand_over_to, "changed": leaving.changed }));
        self.note("team.delete", ("team", &team.id.to_string()), Some(before), after)?;
        Ok((team, leaving))
    }

    /// What others than they need of them: a policy that pages them, a schedule that names them, and whatever uses what
    /// is theirs.
    fn needs(
        &mut self,
        ground: &Ground,
        owner: Id,
        targets: &dyn Fn(&Target) -> bool,
        rotas: &dyn Fn(&Rota) -> bool,
    ) -> Done<Vec<Need>> {
        let mut needs = Vec::new();
        let by = |kind: Kind, name: &str| format!("{} {name:?}", kind.name());
        for it in definitions::all::<Rota>(self.tx, Kind::Schedule, None)? {
            if rotas(&it.body) {
                needs.push(Need { by: by(Kind::Schedule, &it.name), what: None });
            }
        }
        for it in definitions::all::<Policy>(self.tx, Kind::Policy, None)? {
            let mut all = it.body.steps.iter().flat_map(|step| &step.targets).chain(&it.body.fallback);
            if all.any(targets) {
                needs.push(Need { by: by(Kind::Policy, &it.name), what: None });
            }
        }
        let mut own = HashSet::new();
        for kind in Kind::ALL {
            let all = definitions::all::<Value>(self.tx, kind, Some(owner))?;
            own.extend(all.iter().map(|it| (kind, it.id)));
            if kind == Kind::Policy {
                let live = ground.core.live();
                let nodes = live.rules.root.nodes();
                let paged = |name: &str| nodes.iter().any(|route| route.escalate.as_deref() == Some(name));
                for it in all.iter().filter(|it| paged(&it.name)) {
                    let by = format!("a route of the configuration that says escalate = {:?}", it.name);
                    needs.push(Need { by, what: Some((kind, it.id)) });
                }
            }
        }
        self.needed_by::<Profile>(owner, &own, &mut needs)?;
        self.needed_by::<Policy>(owner, &own, &mut needs)?;
        self.needed_by::<Reach>(owner, &own, &mut needs)?;
        self.needed_by::<Maintenance>(owner, &own, &mut needs)?;
        self.needed_below(&own, &mut needs)?;
        Ok(needs)
    }

    /// What their policies need that others need: schedules and policies of theirs, and what these need.
    fn needed_below(&mut self, own: &HashSet<(Kind, Id)>, needs: &mut Vec<Need>) -> Done<()> {
        let mut seen: HashSet<(Kind, Id)> = needs.iter().filter_map(|it| it.what).collect();
        let mut left: Vec<(Kind, Id)> = seen.iter().copied().collect();
        while let Some((kind, id)) = left.pop() {
            let Some(policy) = self.policy(kind, id)? else { continue };
            for (kind, id, _) in policy.body.refers_to() {
                if own.contains(&(kind, id)) && seen.insert((kind, id)) {
                    needs.push(Need { by: format!("policy {:?}", policy.name), what: Some((kind, id)) });
                    left.push((kind, id));
                }
            }
        }
        Ok(())
    }

    fn policy(&mut self, kind: Kind, id: Id) -> Done<Option<Definition<Policy>>> {
        match kind {
            Kind::Policy => Ok(definitions::get(self.tx, kind, id)?),
            _ => Ok(None),
        }
    }

    fn needed_by<T: Defined>(
        &mut self,
        owner: Id,
        own: &HashSet<(Kind, Id)>,
        needs: &mut Vec<Need>,
    ) -> Done<()> {
        for it in definitions::all::<T>(self.tx, T::KIND, None)?.iter().filter(|it| it.owner != owner) {
            for (kind, id, _) in
                it.body.refers_to().into_iter().filter(|(kind, id, _)| own.contains(&(*kind, *id)))
            {
                needs.push(Need { by: format!("{} {:?}", T::KIND.name(), it.name), what: Some((kind, id)) });
            }
        }
        Ok(())
    }

    /// Puts somebody in the place of another, in all schedules and policies.
    fn replace_user(&mut self, user: Id, by: Id, leaving: &mut Leaving) -> Done<()> {
        for mut it in definitions::all::<Rota>(self.tx, Kind::Schedule, None)? {
            if it.body.people().contains(&user) {
                let before = it.body.clone();
                replace_in(&mut it.body, user, by);
                self.put_changed(Kind::Schedule, it, &before, leaving)?;
            }
        }
        let names = |target: &Target| matches!(target, Target::User { id } if *id == user);
        self.change_policies(&names, &Target::User { id: by }, leaving)
    }

    fn change_policies(
        &mut self,
        names: &dyn Fn(&Target) -> bool,
        by: &Target,
        leaving: &mut Leaving,
    ) -> Done<()> {
        for mut it in definitions::all::<Policy>(self.tx, Kind::Policy, None)? {
            let before = it.body.clone();
            let lists = it.body.steps.iter_mut().map(|step| &mut step.targets).chain([&mut it.body.fallback]);
            for targets in lists {
                targets.iter_mut().filter(|it| names(it)).for_each(|it| it.clone_from(by));
                let mut seen = HashSet::new();
                targets.retain(|it| seen.insert(it.clone()));
            }
            if it.body != before {
                self.put_changed(Kind::Policy, it, &before, leaving)?;
            }
        }
        Ok(())
    }

    fn put_changed<T: serde::Serialize>(
        &mut self,
        kind: Kind,
        mut it: Definition<T>,
        before: &T,
        leaving: &mut Leaving,
    ) -> Done<()> {
        it.updated_at = self.now;
        definitions::put(self.tx, kind, &it)?;
        leaving.changed.push(format!("{} {:?}", kind.name(), it.name));
        let shown = |body: &T| {
            let mut body = serde_json::to_value(body).unwrap_or_default();
            hide_addresses(&mut body);
            Some(json!({ "name": it.name, "spec": body }))
        };
        let action = format!("{}.update", kind.name());
        Ok(self.note(&action, (kind.name(), &it.id.to_string()), shown(before), shown(&it.body))?)
    }

    /// Gives what others need to another owner.
    fn hand_over(&mut self, needs: &[Need], heir: Id, from: &str, leaving: &mut Leaving) -> Done<()> {
        let mut given = HashSet::new();
        for (kind, id) in needs.iter().filter_map(|it| it.what) {
            if given.insert((kind, id))
                && let Some(it) = definitions::get::<Value>(self.tx, kind, id)?
            {
                self.give(kind, it, heir, from, leaving)?;
            }
        }
        Ok(())
    }

    fn hand_over_all(&mut self, owner: Id, heir: Id, from: &str, leaving: &mut Leaving) -> Done<()> {
        for kind in Kind::ALL {
            for it in definitions::all::<Value>(self.tx, kind, Some(owner))? {
                self.give(kind, it, heir, from, leaving)?;
            }
        }
        Ok(())
    }

    fn give(
        &mut self,
        kind: Kind,
        mut it: Definition<Value>,
        heir: Id,
        from: &str,
        leaving: &mut Leaving,
    ) -> Done<()> {
        let was = it.name.clone();
        (it.owner, it.updated_at) = (heir, self.now);
        if kind == Kind::Profile {
            it.body["owner"] = heir.to_string().into();
        }
        // the heir may have one of this name: a number tells them apart
        for number in 0..MAX_NAMED {
            if number > 0 {
                let number = if number > 1 { format!(" {number}") } else { String::new() };
                it.name = format!("{was} (of {from}{number})");
                for place in ["/name", "/schedule/name"] {
                    if let Some(name) = it.body.pointer_mut(place).filter(|name| name.is_string()) {
                        *name = it.name.clone().into();
                    }
                }
            }
            if definitions::put(self.tx, kind, &it)? {
                leaving.changed.push(format!("{} {:?}", kind.name(), it.name));
                let action = format!("{}.hand_over", kind.name());
                let (before, after) =
                    (json!({ "name": was, "owner": from }), json!({ "name": it.name, "owner": heir }));
                return Ok(self.note(
                    &action,
                    (kind.name(), &it.id.to_string()),
                    Some(before),
                    Some(after),
                )?);
            }
        }
        let why = format!("there are too many of the name {was:?} where this is handed over to");
        Err(Problem::not_in_state(why).into())
    }

    /// Gives projects to another team, or to nobody in particular.
    fn move_projects(&mut self, team: Id, to: Option<Id>, leaving: &mut Leaving) -> Done<()> {
        for mut it in store::projects::all(self.tx)?.into_iter().filter(|it| it.team == Some(team)) {
            it.team = to;
            store::projects::update(self.tx, &it)?;
            leaving.changed.push(format!("project {:?}", it.slug));
            let (before, after) = (json!({ "team": team }), json!({ "team": to }));
            self.note("project.update", ("project", &it.id.to_string()), Some(before), Some(after))?;
        }
        Ok(())
    }

    fn forget_definitions(&mut self, owner: Id) -> Done<()> {
        for it in definitions::all::<Value>(self.tx, Kind::Schedule, Some(owner))? {
            Rota::gone(self.tx, it.id)?;
        }
        definitions::delete_of(self.tx, owner, self.now)?;
        Ok(())
    }
}

fn in_the_way(who: &str, needs: &[Need], parameter: &str) -> Problem {
    let mut by: Vec<&str> = needs.iter().map(|it| it.by.as_str()).collect();
    by.sort_unstable();
    by.dedup();
    let more = by.len().saturating_sub(MAX_NAMED);
    by.truncate(MAX_NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let list = by.join(", ");
    let why = format!(
        "{who} is needed by {list}{more}: change these first, or say with {parameter} who takes their place"
    );
    Problem::not_in_state(why).with("used_by", by)
}

fn replace_in(rota: &mut Rota, user: Id, by: Id) {
    let put = |it: &mut Id| {
        if *it == user {
            *it = by;
        }
    };
    for layer in &mut rota.schedule.layers {
        match &mut layer.turns {
            Turns::Rotation(rotation) => rotation.participants.iter_mut().for_each(put),
            Turns::Shifts(shifts) => shifts.iter_mut().for_each(|it| put(&mut it.user)),
            Turns::Calendar(_) => {}
        }
    }
    for it in &mut rota.overrides {
        match &mut it.act {
            Act::Only { user } | Act::Add { user } | Act::Remove { user } => put(user),
            Act::Replace { user, with } => [user, with].into_iter().for_each(put),
            Act::Swap { one, other } => [one, other].into_iter().for_each(put),
        }
    }
    // who stands in for themselves changes nothing
    rota.overrides.retain(|it: &Override| it.check(&|_| true).is_ok());
}

/// The addresses of calendars are secrets.
fn hide_addresses(spec: &mut Value) {
    let layers = spec.get_mut("schedule").and_then(|it| it.get_mut("layers")).and_then(Value::as_array_mut);
    for layer in layers.into_iter().flatten() {
        if let Some(url) = layer.pointer_mut("/turns/calendar/url") {
            *url = sdk::secret::REDACTED.into();
        }
    }
}
