//! What runs a plugin for one life: a wire, and an end. It is a process of its own, or a component in an engine that
//! somebody hands to the host; nobody else here needs to know which.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use plugin_protocol::manifest::Limits;
use plugin_protocol::{Fault, Frame};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::task::TaskTracker;

use crate::chain::Chain;
use crate::journal::Journal;
use crate::peer::Peer;

/// A body.
pub struct Body {
    /// Its wire.
    pub peer: Arc<Peer>,
    /// The number of its process, if it has one, for people.
    pub pid: Option<u32>,
    mortal: Box<dyn Mortal>,
}

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// In words.
    pub why: String,
    /// Whether only a person can mend it.
    pub misconfigured: bool,
}

/// Something that ends. When it is dropped, it ends as well.
pub trait Mortal: Send + Sync {
    /// Its end, when it comes.
    fn ended(&self) -> BoxFuture<'_, End>;
    /// Ends it in an orderly way, as far as there is time.
    fn end(&self) -> BoxFuture<'_, End>;
    /// Ends it at once.
    fn kill(&self) -> BoxFuture<'_, End>;
}

/// Who takes what a plugin asks of the host or tells it.
pub trait Ear: Send + Sync + 'static {
    /// A request or a notification has come over the wire. Must not wait.
    fn hear(self: Arc<Self>, peer: &Arc<Peer>, frame: Frame);
    /// The same for a request without a wire, from somebody who is at the end of this chain: whoever asks waits here.
    fn ask(
        self: Arc<Self>,
        method: String,
        params: Option<Box<RawValue>>,
        chain: Chain,
    ) -> BoxFuture<'static, Result<Value, Fault>>;
}

/// What a body has around it.
pub struct Around {
    /// Its log.
    pub journal: Arc<Journal>,
    /// Who hears it.
    pub ear: Arc<dyn Ear>,
    /// Where its tasks run.
    pub tasks: TaskTracker,
}

/// A component that is to run.
pub struct Component {
    /// The file: inside the plugin's folder.
    pub file: PathBuf,
    /// What it may take.
    pub limits: Limits,
}

/// What runs components.
pub trait Engine: Send + Sync + 'static {
    /// Gives one a body.
    ///
    /// # Errors
    /// In words, when it cannot be run.
    fn start(&self, component: Component, around: Around) -> BoxFuture<'_, Result<Body, String>>;
}

impl Body {
    /// One with this wire, that ends like this.
    pub fn new(peer: Arc<Peer>, pid: Option<u32>, mortal: impl Mortal + 'static) -> Self {
        Body { peer, pid, mortal: Box::new(mortal) }
    }

    /// Its end, when it comes.
    pub async fn ended(&self) -> End {
        self.mortal.ended().await
    }

    /// Ends it in an orderly way, as far as there is time.
    pub async fn end(&self) -> End {
        self.mortal.end().await
    }

    /// Ends it at once.
    pub async fn kill(&self) -> End {
        self.mortal.kill().await
    }
}
