//! Answers by mail: a mailbox that is looked into again and again, over IMAP (RFC 3501).

mod reply;

use std::sync::Arc;
use std::time::Duration;

use async_imap::Session;
use futures::StreamExt as _;
use sdk::Secret;
use sdk::answering::{Answer, Ear, Who};
use sdk::http::{Duplex, Http, Tls};

use super::{OTHERS_TURN, Pause, TURN};

pub use reply::{Mail, Reply, read};

/// Mails that one look takes at the most; the others come with the next.
const MAILS_PER_LOOK: usize = 50;
/// Bytes of a mail that are read: what somebody answers stands at its beginning.
const MAX_MAIL_BYTES: usize = 64 * 1024;
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which mailbox is looked into.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted; `None`: it is not.
    pub tls: Option<Tls>,
    /// Who logs in.
    pub username: String,
    /// With which password.
    pub password: Secret,
    /// The folder that answers come into.
    pub folder: String,
    /// The address that answers go to, with `{token}` where the token may stand.
    pub address: String,
    /// How often it is looked into.
    pub every: Duration,
}

/// Listens until it is dropped.
pub async fn run(settings: Settings, http: Http, ear: Arc<dyn Ear>) {
    let place = format!("mail {}@{}/{}", settings.username, settings.host, settings.folder);
    let mut pause = Pause::new();
    loop {
        if !ear.is_ours(&place, TURN).await {
            tokio::time::sleep(OTHERS_TURN).await;
            continue;
        }
        if let Err(reason) = connected(&settings, &http, &*ear, &place, &mut pause).await {
            tracing::warn!(reason, "the mailbox for answers cannot be looked into");
        }
        pause.wait(None).await;
    }
}

type Mailbox = Session<Box<dyn Duplex>>;

/// Looks into the mailbox for as long as the connection lasts.
async fn connected(
    settings: &Settings,
    http: &Http,
    ear: &dyn Ear,
    place: &str,
    pause: &mut Pause,
) -> Result<(), String> {
    let mut mailbox = in_time(open(settings, http)).await?;
    loop {
        let is_all = in_time(look(settings, &mut mailbox, ear)).await?;
        pause.reset();
        // who fills the mailbox must not keep others waiting
        if is_all {
            tokio::time::sleep(settings.every).await;
        }
        if !ear.is_ours(place, TURN).await {
            return Ok(());
        }
    }
}

async fn in_time<T>(doing: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let done = tokio::time::timeout(PATIENCE, doing).await;
    done.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
}

async fn open(settings: &Settings, http: &Http) -> Result<Mailbox, String> {
    let stream = http.stream(&settings.host, settings.port, settings.tls.as_ref()).await;
    let mut client = async_imap::Client::new(stream.map_err(|error| error.to_string())?);
    let greeting = client.read_response().await.map_err(|error| error.to_string())?;
    greeting.ok_or("it was closed before it said anything")?;
    let hidden = |error: async_imap::error::Error| {
        sdk::secret::hide(format!("logging in: {error}"), std::slice::from_ref(&settings.password))
    };
    let login = client.login(&settings.username, settings.password.expose()).await;
    let mut mailbox = login.map_err(|(error, _)| hidden(error))?;
    let opened = mailbox.select(&settings.folder).await;
    opened.map_err(|error| format!("opening the folder {:?}: {error}", settings.folder))?;
    Ok(mailbox)
}

/// Takes what nobody has seen yet. It counts as seen when it was taken, or is no answer: a crash in between brings it
/// again, which does nothing twice. Says whether that was all.
async fn look(settings: &Settings, mailbox: &mut Mailbox, ear: &dyn Ear) -> Result<bool, String> {
    // without this some servers do not tell of what is new
    mailbox.noop().await.map_err(|error| error.to_string())?;
    let unseen = mailbox.uid_search("UNSEEN").await.map_err(|error| error.to_string())?;
    let mut unseen: Vec<u32> = unseen.into_iter().collect();
    unseen.sort_unstable();
    let is_all = unseen.len() <= MAILS_PER_LOOK;
    for uid in unseen.into_iter().take(MAILS_PER_LOOK) {
        if let Some(bytes) = fetch(mailbox, uid).await? {
            match read(&bytes, &settings.address) {
                Ok(Reply { mail, token, verb, note }) => {
                    let answer = Answer { token, who: Who::Mail(mail.from), verb, note };
                    ear.hear(answer).await?;
                }
                Err(why) => tracing::info!(why, "a mail in the mailbox for answers is none"),
            }
        }
        let stored = mailbox.uid_store(uid.to_string(), "+FLAGS.SILENT (\\Seen)").await;
        let mut stored = std::pin::pin!(stored.map_err(|error| error.to_string())?);
        while let Some(line) = stored.next().await {
            line.map_err(|error| error.to_string())?;
        }
    }
    Ok(is_all)
}

async fn fetch(mailbox: &mut Mailbox, uid: u32) -> Result<Option<Vec<u8>>, String> {
    let what = format!("(UID BODY.PEEK[]<0.{MAX_MAIL_BYTES}>)");
    let fetched = mailbox.uid_fetch(uid.to_string(), what).await;
    let mut fetched = std::pin::pin!(fetched.map_err(|error| error.to_string())?);
    let mut found = None;
    while let Some(mail) = fetched.next().await {
        let mail = mail.map_err(|error| error.to_string())?;
        if mail.uid == Some(uid) {
            found = mail.body().map(|body| body[..body.len().min(MAX_MAIL_BYTES)].to_vec());
        }
    }
    Ok(found)
}
