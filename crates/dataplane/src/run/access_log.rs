//! Access logs for collectors. Envoy writes lines into files alone, so one of them is a pipe, and what
//! comes out of it goes on over TCP.
//!
//! ```text
//!   Envoy ─▶ pipe, lines as HOST:PORT;TEXT ─▶ Relay ─▶ for each HOST:PORT a queue ─▶ TCP, lines as TEXT
//! ```
//!
//! A collector that is away costs its own lines, once its queue is full, and nothing else: the pipe is
//! always read, because Envoy keeps in memory what it cannot write.

use std::{collections::HashMap, fs, io, path::Path, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpStream, unix::pipe},
    sync::mpsc::{self, error::TrySendError},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Most lines that wait for a collector.
const QUEUE: usize = 4096;
/// How long a connection without lines stays.
const IDLE: Duration = Duration::from_secs(300);
/// Pauses between attempts to reach a collector.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long to wait for more at the end. What Envoy wrote is there already.
const LAST_LINES: Duration = Duration::from_millis(100);
/// How long collectors may take for the last lines.
const GRACE: Duration = Duration::from_secs(2);

/// The pipe, and who reads it. Dropping it ends both.
#[derive(Debug)]
pub(super) struct Relay {
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

impl Relay {
    /// Makes the pipe and reads it from now on.
    pub(super) fn start(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        // Open for writing too, so that it does not end when Envoy does.
        let pipe = pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(path)?;
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(pipe, cancel.clone()));
        Ok(Self { cancel, tasks })
    }

    /// Ends when the collectors have what was written so far, or after a while.
    pub(super) async fn finish(mut self) {
        self.cancel.cancel();
        if timeout(GRACE, self.tasks.join_next()).await.is_err() {
            tracing::warn!("the last lines of access logs were not taken");
        }
    }
}

async fn forward(pipe: pipe::Receiver, cancel: CancellationToken) {
    let mut pipe = BufReader::new(pipe);
    let mut collectors = Collectors::default();
    let mut line = Vec::new();
    loop {
        let read = tokio::select! {
            read = pipe.read_until(b'\n', &mut line) => read,
            // What was read of a line so far stays in `line`.
            () = cancel.cancelled() => match timeout(LAST_LINES, pipe.read_until(b'\n', &mut line)).await {
                Ok(read) => read,
                Err(_) => break,
            },
        };
        match read {
            Ok(1..) => collectors.take(&line),
            Ok(0) => break,
            Err(error) => {
                tracing::error!(%error, "access logs can no longer be read");
                break;
            }
        }
        line.clear();
    }
    collectors.finish().await;
}

#[derive(Default)]
struct Collectors {
    queues: HashMap<String, Queue>,
    tasks: JoinSet<()>,
}

struct Queue {
    lines: mpsc::Sender<Vec<u8>>,
    /// Lines that found no place, since the last that did.
    lost: u64,
}

impl Collectors {
    /// Queues a line for the collector that it names.
    fn take(&mut self, line: &[u8]) {
        let Some(end) = line.iter().position(|byte| *byte == b';') else {
            return;
        };
        let (address, text) = (String::from_utf8_lossy(&line[..end]), &line[end + 1..]);
        let queue = match self.queues.get_mut(&*address) {
            Some(queue) if !queue.lines.is_closed() => queue,
            _ => {
                while self.tasks.try_join_next().is_some() {}
                let (lines, queue) = mpsc::channel(QUEUE);
                self.tasks
                    .spawn(deliver(address.clone().into_owned(), queue));
                let new = Queue { lines, lost: 0 };
                self.queues
                    .entry(address.clone().into_owned())
                    .insert_entry(new)
                    .into_mut()
            }
        };
        match queue.lines.try_send(text.to_vec()) {
            Ok(()) if queue.lost > 0 => {
                tracing::warn!(collector = %address, lost = queue.lost, "lines of access logs were lost");
                queue.lost = 0;
            }
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => queue.lost += 1,
        }
    }

    async fn finish(mut self) {
        self.queues.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Sends the lines of a queue until there have been none for long.
async fn deliver(address: String, mut queue: mpsc::Receiver<Vec<u8>>) {
    let mut connection = None;
    while let Ok(Some(line)) = timeout(IDLE, queue.recv()).await {
        while connection.as_ref().is_none_or(is_closed) {
            connection = Some(connect(&address).await);
        }
        let Some(stream) = &mut connection else {
            continue;
        };
        if let Err(error) = stream.write_all(&line).await {
            tracing::warn!(collector = address, %error, "a collector of access logs has gone");
            let mut again = connect(&address).await;
            // A collector that goes at once loses this line, and gets the next.
            connection = again.write_all(&line).await.is_ok().then_some(again);
        }
    }
}

/// Whether the other side has ended the connection; collectors say nothing.
fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

async fn connect(address: &str) -> TcpStream {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(PAUSES.0)
        .with_max_delay(PAUSES.1)
        .with_jitter()
        .without_max_times();
    for pause in pauses.build() {
        match TcpStream::connect(address).await {
            Ok(stream) => return stream,
            Err(error) if pause < PAUSES.0 * 2 => {
                tracing::warn!(collector = address, %error, "a collector of access logs is away");
            }
            Err(_) => {}
        }
        sleep(pause).await;
    }
    unreachable!("there are pauses without end")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use tokio::{
        io::{AsyncReadExt, Lines},
        net::TcpListener,
    };

    use super::*;

    async fn accept(listener: &TcpListener) -> Lines<BufReader<TcpStream>> {
        let (stream, _) = listener.accept().await.unwrap();
        BufReader::new(stream).lines()
    }

    #[tokio::test]
    async fn lines_go_to_the_collectors_that_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        // What a run before left.
        fs::write(&path, "").unwrap();
        let relay = Relay::start(&path).unwrap();
        let (one, other) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let (to_one, to_other) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let mut pipe = fs::OpenOptions::new().write(true).open(&path).unwrap();
        write!(
            pipe,
            "{to_one};a;b\nnot for anybody\n{to_other};c\n{to_one};d\n"
        )
        .unwrap();
        let mut lines = accept(&one).await;
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "a;b");
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "d");
        assert_eq!(
            accept(&other).await.next_line().await.unwrap().unwrap(),
            "c"
        );

        // A collector that comes back, and a writer too.
        drop(lines);
        drop(pipe);
        let mut pipe = fs::OpenOptions::new().write(true).open(&path).unwrap();
        writeln!(pipe, "{to_one};again").unwrap();
        let mut lines = accept(&one).await;
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "again");

        writeln!(pipe, "{to_one};last").unwrap();
        drop(pipe);
        relay.finish().await;
        let mut rest = String::new();
        lines.into_inner().read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "last\n");
    }

    #[tokio::test]
    async fn a_collector_that_is_away_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let _relay = Relay::start(&path).unwrap();
        let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Nobody listens on port 1.
        let address = here.local_addr().unwrap();
        let writer = tokio::task::spawn_blocking(move || {
            let mut pipe = fs::OpenOptions::new().write(true).open(&path).unwrap();
            for _ in 0..2 * QUEUE {
                writeln!(pipe, "127.0.0.1:1;{}", "x".repeat(100)).unwrap();
            }
            writeln!(pipe, "{address};here").unwrap();
        });
        let mut lines = accept(&here).await;
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "here");
        writer.await.unwrap();
    }
}
