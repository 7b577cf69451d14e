//! PostgreSQL by URL: a bounded pool of connections, each used from a blocking thread.
//!
//! Store functions are plain functions, so that one text serves both databases; here they run on tokio's
//! blocking threads and wait for the connection with `block_on`. Runs of one statement over many rows are
//! pipelined: all are sent before the first answer is awaited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::try_join_all;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, NoTls, Statement};

use super::{Row, Value};
use crate::error::{Result, StoreError};

/// Connections that are open at the most.
const MAX_CONNECTIONS: usize = 12;
/// What the server goes by for our sessions: a node that is gone without a word must not hold its locks for
/// the hours that TCP would wait. A URL with `options` of its own replaces them.
const SERVER_LIMITS: &str = "-c idle_in_transaction_session_timeout=15s -c lock_timeout=10s \
                             -c statement_timeout=30s -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 \
                             -c tcp_keepalives_count=3";
/// A server that is told not to wait for its disk is told otherwise: what is durable is for each write to say.
const WAIT_FOR_THE_DISK: &str = "SELECT set_config('synchronous_commit', 'on', false) \
                                 WHERE current_setting('synchronous_commit') = 'off'";
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Runs of one statement that are sent before the first answer is awaited.
const MAX_PIPELINED: usize = 256;
/// Prepared statements that a connection keeps; lists with filters make many texts.
const STATEMENTS: usize = 512;

/// The channel on which nodes ring.
const CHANNEL: &str = "nightbell";
/// How long nothing is heard before the server is asked whether it is still there: who listens says nothing.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Ends a transaction that holds the lock of the flow, waiting for the disk only when the lock is free again
/// (`docs/adr/0006-the-lock-ends-before-the-sync.md`): whatever is committed with a sync after it takes it along.
pub(crate) const COMMIT_THEN_SYNC: &str = "SET LOCAL synchronous_commit TO OFF; COMMIT; \
    BEGIN; SELECT pg_logical_emit_message(true, 'nightbell', ''); COMMIT";

/// Connections to one database.
pub(crate) struct Postgres {
    config: tokio_postgres::Config,
    idle: Mutex<Vec<Session>>,
    places: Arc<Semaphore>,
    runtime: Handle,
}

/// A connection with its prepared statements.
pub(crate) struct Session {
    client: Client,
    statements: HashMap<String, Statement>,
    runtime: Handle,
    /// whether its transaction holds the lock of the flow
    pub holds_flow: bool,
}

impl Postgres {
    /// Reads the URL; connects when first used.
    pub fn open(url: &str, runtime: Handle) -> Result<Self> {
        let config = url.parse::<tokio_postgres::Config>();
        // the parser's text may repeat the URL with its password
        let mut config =
            config.map_err(|_| StoreError::NotOurs("the database URL cannot be read".to_owned()))?;
        // a server that is gone without a word must not hold callers for ever
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(CONNECT_TIMEOUT * 2);
        config.application_name("nightbell");
        // an address may lead to a standby for a while
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_options().is_none() {
            config.options(SERVER_LIMITS);
        }
        Ok(Postgres {
            config,
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            runtime,
        })
    }

    /// A connection, for as long as the permit is held.
    pub async fn take(&self) -> Result<(Session, OwnedSemaphorePermit)> {
        let closed = |_| StoreError::Unavailable("the store is closed".to_owned());
        let permit = self.places.clone().acquire_owned().await.map_err(closed)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(session) = idle.filter(|session| !session.client.is_closed()) {
            return Ok((session, permit));
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        // ends by itself when the client is dropped
        #[expect(
            clippy::disallowed_methods,
            reason = "a connection outlives nothing: it ends with its client"
        )]
        tokio::spawn(connection);
        client.batch_execute(WAIT_FOR_THE_DISK).await?;
        let runtime = self.runtime.clone();
        Ok((Session { client, statements: HashMap::new(), runtime, holds_flow: false }, permit))
    }

    /// Hears what nodes ring, over a connection of its own, until that is lost. `ring` is called with nothing
    /// when listening begins, since what was rung before may have been missed, and then with each ring.
    pub async fn listen(&self, mut ring: impl FnMut(Option<i64>)) -> Result<()> {
        let mut config = self.config.clone();
        let (client, mut connection) = config.keepalives_idle(KEEPALIVE).connect(NoTls).await?;
        let mut messages = futures::stream::poll_fn(|context| connection.poll_message(context));
        let text = format!("LISTEN {CHANNEL}");
        let mut begins = std::pin::pin!(client.batch_execute(&text));
        let mut listening = false;
        loop {
            tokio::select! {
                begun = &mut begins, if !listening => {
                    begun?;
                    listening = true;
                    ring(None);
                }
                message = messages.next() => match message {
                    Some(Ok(AsyncMessage::Notification(it))) => ring(it.payload().parse().ok()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                    None => return Err(StoreError::Unavailable("the connection is closed".to_owned())),
                },
            }
        }
    }

    /// Gives a connection back. One that is inside a broken transaction is not given back but dropped.
    pub fn put(&self, session: Session) {
        if !session.client.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }
}

impl Session {
    /// Runs statements without parameters.
    pub fn script(&mut self, sql: &str) -> Result<()> {
        Ok(self.runtime.block_on(self.client.batch_execute(sql))?)
    }

    /// Rings the nodes that listen, when the transaction commits; the same ring twice is one.
    pub fn ring(&mut self, node: i64) -> Result<()> {
        let ring =
            self.execute("SELECT pg_notify($1, $2)", &[CHANNEL.into(), Value::Text(&node.to_string())]);
        ring.map(drop)
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        let statement = self.runtime.block_on(self.client.prepare(sql))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        let statement = self.prepare(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as &(dyn ToSql + Sync)).collect();
        Ok(self.runtime.block_on(self.client.execute(&statement, &values))?)
    }

    pub fn execute_many<R, const N: usize>(
        &mut self,
        sql: &str,
        rows: &[R],
        bind: impl for<'r> Fn(&'r R) -> [Value<'r>; N],
    ) -> Result<u64> {
        let statement = self.prepare(sql)?;
        let mut changed = 0;
        for rows in rows.chunks(MAX_PIPELINED) {
            let runs = rows.iter().map(|row| {
                let (client, statement, values) = (&self.client, &statement, bind(row));
                async move {
                    let values: [&(dyn ToSql + Sync); N] = std::array::from_fn(|n| &values[n] as _);
                    client.execute(statement, &values).await
                }
            });
            changed += self.runtime.block_on(try_join_all(runs))?.iter().sum::<u64>();
        }
        Ok(changed)
    }

    pub fn query(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let statement = self.prepare(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as &(dyn ToSql + Sync)).collect();
        let rows = self.runtime.block_on(self.client.query(&statement, &values))?;
        rows.iter().try_for_each(|row| each(&Row::Postgres(row)))
    }

    pub fn query_many<K, const N: usize>(
        &mut self,
        sql: &str,
        keys: &[K],
        bind: impl for<'k> Fn(&'k K) -> [Value<'k>; N],
        each: &mut dyn FnMut(usize, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let statement = self.prepare(sql)?;
        for (chunk, keys) in keys.chunks(MAX_PIPELINED).enumerate() {
            let runs = keys.iter().map(|key| {
                let (client, statement, values) = (&self.client, &statement, bind(key));
                async move {
                    let values: [&(dyn ToSql + Sync); N] = std::array::from_fn(|n| &values[n] as _);
                    client.query(statement, &values).await
                }
            });
            for (place, rows) in self.runtime.block_on(try_join_all(runs))?.iter().enumerate() {
                rows.iter().try_for_each(|row| each(chunk * MAX_PIPELINED + place, &Row::Postgres(row)))?;
            }
        }
        Ok(())
    }
}

/// What a blocking function borrows of the pool.
pub(crate) type Shared = Arc<Postgres>;
