//! A mail server that takes everything, and notes when the mail about each incident came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What stands before the number of an incident in its mail.
pub const MARK: &str = "case-";
/// Bytes of a line that are looked at.
const MAX_LINE: usize = 64 * 1024;

/// The server. Dropping it ends it.
pub struct Mails {
    /// Where it listens.
    pub address: SocketAddr,
    arrived: Arc<Mutex<Vec<Option<Instant>>>>,
    count: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Mails {
    /// For so many incidents.
    pub async fn open(incidents: usize) -> Result<Mails> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("opening a mail server")?;
        let address = listener.local_addr().context("opening a mail server")?;
        let arrived = Arc::new(Mutex::new(vec![None; incidents]));
        let (counted, count) = watch::channel(0);
        let (noted, mut tasks) = (arrived.clone(), JoinSet::new());
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while open.try_join_next().is_some() {}
                let (noted, counted) = (noted.clone(), counted.clone());
                open.spawn(async move {
                    // a client that goes is none of ours
                    let _ = serve(stream, &noted, &counted).await;
                });
            }
        });
        Ok(Mails { address, arrived, count, _tasks: tasks })
    }

    /// When the mail about each incident came first.
    pub fn arrived(&self) -> Vec<Option<Instant>> {
        lock(&self.arrived).clone()
    }

    /// Waits until there was mail about so many incidents.
    pub async fn wait(&self, incidents: usize) -> Result<()> {
        let mut count = self.count.clone();
        count.wait_for(|count| *count >= incidents).await.context("the mail server has ended")?;
        Ok(())
    }
}

async fn serve(
    stream: TcpStream,
    arrived: &Mutex<Vec<Option<Instant>>>,
    counted: &watch::Sender<usize>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let (mut line, mut mail, mut is_mail) = (Vec::new(), Vec::new(), false);
    write.write_all(b"220 bench\r\n").await?;
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        if is_mail && line == b".\r\n" {
            is_mail = false;
            note(&mail, arrived, counted);
            mail.clear();
            write.write_all(b"250 taken\r\n").await?;
        } else if is_mail {
            mail.extend_from_slice(&line[..line.len().min(MAX_LINE)]);
        } else if line.starts_with(b"DATA") {
            is_mail = true;
            write.write_all(b"354 go on\r\n").await?;
        } else if line.starts_with(b"QUIT") {
            write.write_all(b"221 bye\r\n").await?;
            return Ok(());
        } else {
            write.write_all(b"250 fine\r\n").await?;
        }
    }
}

fn note(mail: &[u8], arrived: &Mutex<Vec<Option<Instant>>>, counted: &watch::Sender<usize>) {
    let Some(number) = number_in(&String::from_utf8_lossy(mail)) else { return };
    let mut arrived = lock(arrived);
    if let Some(place) = arrived.get_mut(number)
        && place.is_none()
    {
        *place = Some(Instant::now());
        counted.send_modify(|count| *count += 1);
    }
}

fn number_in(mail: &str) -> Option<usize> {
    let rest = mail.split_once(MARK)?.1;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_incident_is_found_in_its_mail() {
        assert_eq!(super::number_in("Subject: [FIRING] case-0042 is down\r\n"), Some(42));
        assert_eq!(super::number_in("Subject: case- is down"), None);
    }
}
