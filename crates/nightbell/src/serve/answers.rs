//! Those who listen for people's answers, as they are configured.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use config::{Answers, ImapTls, MailAnswers};
use connectors::listen::{mail, slack, telegram};
use flow::Hub;
use flow::live::Answering;
use sdk::answering::Ear;
use sdk::http::{Http, Tls};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Everybody who listens.
pub struct Listeners {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listeners {
    /// Begins to listen wherever that is configured.
    ///
    /// # Errors
    /// When certificates are none.
    pub fn start(config: &Answers, hub: &Hub, http: &Http) -> Result<Self> {
        let listeners = Listeners { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let ear: Arc<dyn Ear> = Arc::new(hub.clone());
        if let Some(it) = &config.mail {
            listeners.run(mail::run(mailbox(it)?, http.clone(), ear.clone()));
        }
        if let Some(it) = config.slack.clone() {
            let settings = slack::Settings { app_token: it.app_token, api_url: it.api_url };
            listeners.run(slack::run(settings, http.clone(), ear.clone()));
        }
        if let Some(it) = config.telegram.clone() {
            let settings = telegram::Settings { token: it.token, api_url: it.api_url };
            listeners.run(telegram::run(settings, http.clone(), ear));
        }
        Ok(listeners)
    }

    fn run(&self, listening: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = listening => {}
            }
        });
    }

    /// Ends listening: what was heard and not written yet is heard again after the next start.
    pub async fn stop(&self, limit: Duration) {
        self.stop.cancel();
        self.tasks.close();
        // a task that is dropped in the middle leaves nothing half done
        let _ = tokio::time::timeout(limit, self.tasks.wait()).await;
    }
}

/// What the flow puts into messages because of it.
pub fn answering(config: &Answers) -> Answering {
    Answering {
        mail_to: config.mail.as_ref().map(|it| it.address.clone()).unwrap_or_default(),
        slack: config.slack.is_some(),
        telegram: config.telegram.as_ref().map(|it| it.token.clone()),
    }
}

fn mailbox(it: &MailAnswers) -> Result<mail::Settings> {
    let tls = match it.tls {
        ImapTls::None => None,
        ImapTls::Implicit => {
            let written = match &it.ca {
                Some(ca) => serde_json::json!({ "ca": ca.expose() }),
                None => serde_json::json!({}),
            };
            let tls: Tls = serde_json::from_value(written)?;
            tls.config().map_err(|why| anyhow!("answers.mail.{why}"))?;
            Some(tls)
        }
    };
    Ok(mail::Settings {
        host: it.host.clone(),
        port: it.port.unwrap_or(if tls.is_some() { 993 } else { 143 }),
        tls,
        username: it.username.clone(),
        password: it.password.clone(),
        folder: it.folder.clone(),
        address: it.address.clone(),
        every: it.every,
    })
}
