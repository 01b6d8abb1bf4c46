//! Requests without a pause, by clients that connect anew for each and by clients that keep their connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::{HOST, LIMIT};

/// Clients that open a connection for each request.
const CONNECTING: usize = 8;
/// Clients that keep their connection for as long as the gateway does.
const KEEPING: usize = 4;

/// Clients of one listener.
pub struct Load {
    answers: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    slowest: Arc<Mutex<Duration>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(listener: SocketAddr) -> Self {
        let mut load = Self {
            answers: Arc::default(),
            failures: Arc::default(),
            slowest: Arc::default(),
            stop: Arc::default(),
            tasks: Vec::new(),
        };
        for client in 0..CONNECTING + KEEPING {
            let (answers, failures) = (Arc::clone(&load.answers), Arc::clone(&load.failures));
            let (slowest, stop) = (Arc::clone(&load.slowest), Arc::clone(&load.stop));
            load.tasks.push(tokio::spawn(async move {
                let mut client = Client::new(listener, client >= CONNECTING);
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    match client.ask().await {
                        Ok(()) => {
                            answers.fetch_add(1, Ordering::Relaxed);
                            let mut slowest = slowest.lock().unwrap();
                            *slowest = start.elapsed().max(*slowest);
                        }
                        Err(reason) => failures.lock().unwrap().push(reason),
                    }
                }
            }));
        }
        load
    }

    /// Waits for that many more answers.
    pub async fn answers(&self, more: usize) {
        let goal = self.answers.load(Ordering::Relaxed) + more;
        portolan_sandbox::until("more answers", LIMIT, async || {
            (self.answers.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await
        .unwrap();
    }

    /// Stops, and says what was seen.
    pub async fn stop_without_failures(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let answers = self.answers.load(Ordering::Relaxed);
        let (failures, slowest) = (self.failures.lock().unwrap(), self.slowest.lock().unwrap());
        let count = failures.len();
        say(&format!(
            "{answers} answers, {count} failures, the slowest took {slowest:?}"
        ));
        assert!(
            failures.is_empty(),
            "{answers} answers and {}: {failures:?}",
            failures.len()
        );
    }
}

/// For whoever runs a test with `--nocapture`, to measure.
#[allow(clippy::print_stdout)]
pub fn say(figures: &str) {
    println!("{figures}");
}

/// HTTP/1.1 by hand, so that nothing is sent twice behind the test's back.
struct Client {
    listener: SocketAddr,
    keeps: bool,
    stream: Option<TcpStream>,
}

impl Client {
    fn new(listener: SocketAddr, keeps: bool) -> Self {
        Self {
            listener,
            keeps,
            stream: None,
        }
    }

    async fn ask(&mut self) -> Result<(), String> {
        match tokio::time::timeout(LIMIT, self.exchange()).await {
            Ok(outcome) => outcome,
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    async fn exchange(&mut self) -> Result<(), String> {
        let is_new = self.stream.is_none();
        let failed = |what: &str, error: std::io::Error| format!("{what} (new: {is_new}): {error}");
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.listener)
                .await
                .map_err(|error| failed("connect", error))?,
        };
        let request = format!("GET /api HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(|error| failed("write", error))?;
        let mut answer = Vec::new();
        let head = loop {
            if let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            }
            read_more(&mut stream, &mut answer)
                .await
                .map_err(|error| failed("head", error))?;
        };
        if !head.starts_with("http/1.1 200") {
            return Err(format!("(new: {is_new}): {head}"));
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length
            .and_then(|text| text.parse().ok())
            .ok_or("no length")?;
        while answer.len() < head.len() + 4 + length {
            read_more(&mut stream, &mut answer)
                .await
                .map_err(|error| failed("body", error))?;
        }
        if self.keeps && !head.contains("connection: close") {
            self.stream = Some(stream);
        }
        Ok(())
    }
}

async fn read_more(stream: &mut TcpStream, answer: &mut Vec<u8>) -> std::io::Result<()> {
    match stream.read_buf(answer).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
