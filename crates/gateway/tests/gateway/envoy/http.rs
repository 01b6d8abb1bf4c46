//! Just enough HTTP/1.1, without a library in between that would tidy up what is sent.

use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
};

/// A connection to Envoy.
pub(super) struct Client<S>(BufReader<S>);

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// The values of all headers of this name, in order.
    pub(super) fn headers(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| other == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The host that the client is sent to, if any: tests name routes so.
    pub(super) fn redirected_to(&self) -> Option<&str> {
        let location = self.header("location")?;
        location
            .trim_start_matches("http://")
            .split([':', '/'])
            .next()
    }
}

impl<S: Read + Write> Client<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub(super) fn send(
        &mut self,
        method: &str,
        host: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.write(&head(method, host, target, headers)).unwrap();
        self.answer().expect("an answer")
    }

    /// Sends heads of requests.
    pub(super) fn write(&mut self, heads: &str) -> io::Result<()> {
        self.0.get_mut().write_all(heads.as_bytes())
    }

    /// The next answer; nothing if the connection ends before it has come.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        let head = read_head(&mut self.0)?;
        let status = head[0].split(' ').nth(1)?.parse().ok()?;
        let pair = |line: &String| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.to_owned()))
        };
        let headers: Vec<_> = head[1..].iter().map(pair).collect::<Option<_>>()?;
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        self.0.read_exact(&mut body).ok()?;
        Some(Answer {
            status,
            headers,
            body: String::from_utf8(body).unwrap(),
        })
    }
}

/// A request without body.
pub(super) fn head(method: &str, host: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// Answers every request with its own head, and with a name in `x-backend`.
pub(super) fn echo(name: &str, stream: impl Read + Write) {
    answer_each(stream, |head| {
        let body = head.join("\n");
        format!(
            "HTTP/1.1 200 OK\r\nx-backend: {name}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    });
}

/// Answers every request, given its head.
pub(super) fn answer_each(stream: impl Read + Write, answer: impl Fn(&[String]) -> String) {
    let mut stream = BufReader::new(stream);
    while let Some(head) = read_head(&mut stream) {
        if stream
            .get_mut()
            .write_all(answer(&head).as_bytes())
            .is_err()
        {
            return;
        }
    }
}

/// The lines up to the empty one; nothing at the end of the stream.
fn read_head(stream: &mut impl BufRead) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Some(lines);
        }
        lines.push(line.to_owned());
    }
}
