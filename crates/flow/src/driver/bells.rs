//! Bells between nodes on one PostgreSQL: one connection that listens, and rings what runs here.

use std::time::Duration;

use super::Hub;
use crate::deliver::note::Note;

/// How soon a lost connection is made again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How late it is at the most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Hub {
    /// Listens until the hub stops. While the connection is lost, what others ring for is found at the next look.
    pub(super) async fn listens(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = self.clock.now();
            let lost = tokio::select! {
                () = self.stop.cancelled() => return,
                lost = self.store.listen(|node| self.hears(node)) => lost,
            };
            if let Err(error) = lost {
                tracing::warn!(%error, "other nodes are not heard for a while, only looked for");
            }
            if self.clock.now().since(began) > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }

    fn hears(&self, node: Option<i64>) {
        if node != Some(self.store.node()) {
            self.ring();
            // the service may have ended; then there is nothing to look for
            let _ = self.notes.send(Note::Look);
        }
    }
}
