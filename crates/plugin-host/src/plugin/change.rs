//! What becomes of a plugin that is to be different: other settings as it runs, or else a new process.

use std::sync::Arc;

use super::{Plugin, lock};
use plugin_protocol::calls::Complaint;
use plugin_protocol::limits::CONFIGURE_TIME;

use crate::greeting::{NotTaken, configure};
use crate::spec::Spec;

impl Plugin {
    /// What it says is wrong with these settings. One that is not ready, or whose files are others by now, is not
    /// asked: it says so when it is started with them.
    pub async fn would_take(&self, new: &Spec) -> Vec<Complaint> {
        let old = self.spec();
        if old.settings == new.settings || has_other_files(&old, new) {
            return Vec::new();
        }
        let Some(running) = self.awake(CONFIGURE_TIME).await else { return Vec::new() };
        self.journal.hide(&new.secrets);
        match configure(&running.peer, new, true).await {
            // one that does not say is no reason to refuse everybody's settings
            Ok(()) | Err(NotTaken::Unanswered(_)) => Vec::new(),
            Err(NotTaken::Refused(all)) => {
                let whole = format!("plugins.settings.{}", self.id);
                let told = all.into_iter().map(|it| {
                    let message = self.journal.hidden(it.message);
                    Complaint { message, path: it.path }.below(&whole)
                });
                told.collect()
            }
        }
    }

    /// It is to be like this from here on: with other settings as it runs, or else started anew.
    pub async fn take(&self, new: Spec) {
        let old = self.spec();
        let new = Spec { generation: old.generation + 1, ..new };
        let (anew, same) = (starts_anew(&old, &new), old.settings == new.settings);
        if !anew && same {
            return;
        }
        self.journal.hide(&new.secrets);
        self.journal.set_rate(new.limits.log_rate());
        let new = Arc::new(new);
        *lock(&self.spec) = new.clone();
        // whoever brings it up looks at the settings again once it can be seen here
        if let (Some(running), false) = (self.running(), anew) {
            match configure(&running.peer, &new, false).await {
                Ok(()) => self.journal.note("has other settings"),
                Err(why) => {
                    self.journal.note(&format!("{why}; it is started anew"));
                    return self.restart();
                }
            }
        }
        if anew {
            self.restart();
        }
        // one that rests since its settings were wrong tries again
        self.wishes.send_modify(|wishes| wishes.settings += 1);
    }
}

/// Whether it is another plugin by now.
fn has_other_files(old: &Spec, new: &Spec) -> bool {
    old.found != new.found || old.identity != new.identity
}

/// Whether what is different can only be had by a new process.
fn starts_anew(old: &Spec, new: &Spec) -> bool {
    let by_environment = !new.found.manifest.env.is_empty() && old.settings != new.settings;
    has_other_files(old, new) || by_environment || old.limits != new.limits || old.user != new.user
}
