//! The files of a stopped server: what can be seen and done without one, in the shapes of the API, so that
//! commands need not know the difference. What would tell somebody something is left to a running server.

mod accounts;
mod reading;
mod writing;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use model::Id;
use serde::Serialize;
use serde_json::Value;
use store::{Location, Store, StoreError, Tx};

use crate::words;

/// The file that the built-in database is in.
const DATABASE: &str = "nightbell.db";

/// An open database.
pub struct Files {
    store: Store,
    folder: PathBuf,
}

impl Files {
    /// Opens the database in a folder. One that is not there is made only when that is asked for.
    pub async fn open(folder: &Path, make: bool) -> Result<Self> {
        let shown = folder.display();
        if !make && !folder.join(DATABASE).is_file() {
            bail!(
                "there is no {DATABASE} in {shown}: --data names the folder that a server was started with"
            );
        }
        if make {
            sdk::make_private(folder).with_context(|| format!("making {shown}"))?;
        }
        match Store::open(&Location::Folder(folder.to_owned())).await {
            Ok(store) => Ok(Files { store, folder: folder.to_owned() }),
            Err(StoreError::NotOurs(why)) if why.contains("in use") => {
                bail!(
                    "{shown} is in use by a running server: leave out --data to ask that server, or stop it"
                )
            }
            Err(error) => Err(anyhow!("cannot open the database in {shown}: {error}")),
        }
    }

    /// Reads what the server would answer to a GET.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        let (path, query) = (Parts::of(path), Query::of(query));
        if let Some(answer) = self.at_desk("GET", &path, &Value::Null).await {
            return answer;
        }
        self.read(move |tx| match path.as_slice()[..] {
            ["incidents"] => reading::incidents(tx, &query),
            ["incidents", id] => reading::incident(tx, id),
            ["incidents", id, "timeline"] => reading::timeline(tx, id),
            ["explain", id] => reading::explain(tx, id, &query),
            ["deliveries"] => reading::deliveries(tx, &query),
            ["deliveries", id] => reading::delivery(tx, id),
            ["silences"] => reading::silences(tx, &query),
            ["config", "history"] => reading::config_history(tx),
            ["config", "history", version] => reading::config_version(tx, version),
            _ => Ok(Err(only_running())),
        })
        .await
    }

    /// Does what the server would do on a POST.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let (path, body, node) = (Parts::of(path), body.clone(), self.store.node());
        if path.as_slice() == ["replay"] {
            let folder = self.folder.clone();
            return self.read(move |tx| reading::replay(tx, &body, &folder)).await;
        }
        if let Some(answer) = self.at_desk("POST", &path, &body).await {
            return answer;
        }
        self.write(move |tx| match path.as_slice()[..] {
            ["silences"] => writing::silence(tx, &body, node),
            ["silences", "preview"] => reading::preview(tx, &body),
            ["deliveries", id, "retry"] => writing::retry(tx, id, node),
            ["deliveries", id, "bury"] => writing::bury(tx, id, &body, node),
            _ => Ok(Err(only_running())),
        })
        .await
    }

    /// Ends what the server would end on a DELETE.
    pub async fn delete(&self, path: &str) -> Result<Value> {
        let (path, node) = (Parts::of(path), self.store.node());
        if let Some(answer) = self.at_desk("DELETE", &path, &Value::Null).await {
            return answer;
        }
        self.write(move |tx| match path.as_slice()[..] {
            ["silences", id] => writing::expire(tx, id, node),
            _ => Ok(Err(only_running())),
        })
        .await
    }

    /// Changes what the server would change on a PATCH or a PUT.
    pub async fn change(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let answer = self.at_desk(method, &Parts::of(path), body).await;
        answer.unwrap_or_else(|| Err(anyhow::Error::msg(only_running())))
    }

    /// Does what is done where accounts are looked after; none: it is nothing of the kind.
    async fn at_desk(&self, method: &str, path: &Parts, body: &Value) -> Option<Result<Value>> {
        let (method, path, body) = (method.to_owned(), path.clone(), body.clone());
        let node = self.store.node();
        let done = self.store.write(store::Durability::Disk, move |tx| {
            accounts::answer(tx, node, &method, &path.as_slice(), &body).transpose()
        });
        match done.await {
            Ok(answer) => answer.map(|it| it.map_err(anyhow::Error::msg)),
            Err(error) => Some(Err(error.into())),
        }
    }

    async fn read(&self, read: impl FnOnce(&mut Tx<'_>) -> Found + Send + 'static) -> Result<Value> {
        self.store.read(read).await?.map_err(anyhow::Error::msg)
    }

    async fn write(&self, write: impl FnOnce(&mut Tx<'_>) -> Found + Send + 'static) -> Result<Value> {
        self.store.write(store::Durability::Disk, write).await?.map_err(anyhow::Error::msg)
    }
}

/// What was found, or in words why there is nothing to find; the outer error is the database's.
type Found = store::Result<std::result::Result<Value, String>>;

/// Shows something.
fn shown(value: &impl Serialize) -> std::result::Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

fn none(what: &str, id: impl std::fmt::Display) -> std::result::Result<Value, String> {
    Err(format!("there is no {what} {id}"))
}

fn only_running() -> String {
    "this takes a running server, since somebody may have to be told: leave out --data".to_owned()
}

/// An id in a path. Those that commands send were read before.
fn id(text: &str) -> Id {
    text.parse().unwrap_or_default()
}

/// The steps of a path behind `/api/v1/`.
#[derive(Clone)]
struct Parts(Vec<String>);

impl Parts {
    fn of(path: &str) -> Self {
        let rest = path.strip_prefix("/api/v1/").unwrap_or(path);
        Parts(rest.split('/').map(words::out_of_path).collect())
    }

    fn as_slice(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

/// What stands behind the question mark.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(query: &[(&str, String)]) -> Self {
        Query(query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    fn limit(&self) -> usize {
        self.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(server::limits::PAGE)
    }

    fn cursor(&self) -> Option<Id> {
        self.get("cursor").and_then(|cursor| cursor.parse().ok())
    }
}
