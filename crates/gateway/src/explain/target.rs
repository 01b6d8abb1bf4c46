//! The target of a request as routes see it: Envoy rewrites a path to one spelling before it looks for a
//! route. What is done here, in this order, is what the listener asks for: escaped slashes are unescaped,
//! and then the client is sent to the new path; dots, backslashes and needless escapes are resolved;
//! slashes are merged. The query stays as it is.

/// Bytes that Envoy escapes in a path.
const ESCAPED: &[u8] = b"\"<>^`{|}";

/// A path in the one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Without query.
    pub path: String,
    /// Without `?`; nothing if there is none.
    pub query: Option<String>,
    /// The client is sent to this path first, because it wrote slashes in escaped form.
    pub redirected: bool,
}

/// Why Envoy takes no request with such a target; it answers 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin with a slash.
    #[error("the path does not begin with /")]
    NoSlash,
    /// It has a fragment.
    #[error("the path has a #; fragments are not sent to servers")]
    Fragment,
    /// It has bytes that must be escaped.
    #[error("the path has spaces, control characters or letters beyond ASCII that are not escaped")]
    Unescaped,
    /// It has `%00`.
    #[error("the path has %00")]
    Zero,
}

impl Target {
    /// Reads what stands in the request line.
    ///
    /// # Errors
    /// [`Malformed`] for what Envoy answers with 400.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        if text.contains('#') {
            return Err(Malformed::Fragment);
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(Malformed::Unescaped);
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (text, None),
        };
        if !path.starts_with('/') {
            return Err(Malformed::NoSlash);
        }
        let unescaped = unescape_slashes(path);
        let redirected = unescaped.len() != path.len();
        let path = merge_slashes(&resolve(&unescaped)?);
        Ok(Self {
            path,
            query,
            redirected,
        })
    }

    /// Path and query.
    pub fn text(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The first value of a query parameter, as it is written: Envoy decodes neither names nor values.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.as_deref()?.split('&');
        pairs
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

fn unescape_slashes(path: &str) -> String {
    path.replace("%2F", "/")
        .replace("%2f", "/")
        .replace("%5C", "\\")
        .replace("%5c", "\\")
}

/// Resolves `.` and `..`, also where they are escaped, and escapes.
fn resolve(path: &str) -> Result<String, Malformed> {
    let path = spell(path)?;
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path[1..].split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    segments.pop();
                }
                // What a dot at the end leaves is a folder.
                if last {
                    segments.push("");
                }
            }
            other => segments.push(other),
        }
    }
    Ok(format!("/{}", segments.join("/")))
}

/// Letters, digits and `-._~` without escape, other escapes as they are; what needs one gets it.
fn spell(path: &str) -> Result<String, Malformed> {
    let bytes = path.as_bytes();
    let mut spelled = String::with_capacity(path.len());
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        let escape = bytes
            .get(position + 1..position + 3)
            .filter(|_| *byte == b'%');
        if let Some(value) = escape.and_then(hexadecimal) {
            if value == 0 {
                return Err(Malformed::Zero);
            }
            if value.is_ascii_alphanumeric() || b"-._~".contains(&value) {
                spelled.push(char::from(value));
            } else {
                spelled.push_str(&path[position..position + 3]);
            }
            position += 3;
            continue;
        }
        match byte {
            b'\\' => spelled.push('/'),
            byte if ESCAPED.contains(byte) => spelled.push_str(&format!("%{byte:02X}")),
            byte => spelled.push(char::from(*byte)),
        }
        position += 1;
    }
    Ok(spelled)
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = digit(&digits[0])? * 16 + digit(&digits[1])?;
    u8::try_from(value).ok()
}

fn merge_slashes(path: &str) -> String {
    if !path.contains("//") {
        return path.to_owned();
    }
    let segments: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let end = if path.ends_with('/') { "/" } else { "" };
    // A path of slashes alone becomes two: Envoy puts back the first and the last.
    format!("/{}{end}", segments.join("/"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_get_one_spelling() {
        for (sent, seen) in [
            ("/", "/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/../../a", "/a"),
            ("/a//b///c/", "/a/b/c/"),
            ("//", "//"),
            ("/%61%2E%7e/%20%3a", "/a.~/%20%3a"),
            ("/a/%2e%2E/b", "/b"),
            ("/a\\b", "/a/b"),
            ("/a|b", "/a%7Cb"),
            ("/a%zz%", "/a%zz%"),
            ("/a?b//c/../d", "/a?b//c/../d"),
        ] {
            let target = Target::read(sent).unwrap();
            assert_eq!(target.text(), seen, "{sent}");
            assert!(!target.redirected, "{sent}");
        }
    }

    #[test]
    fn escaped_slashes_send_the_client_elsewhere() {
        for (sent, seen) in [
            ("/a%2Fb", "/a/b"),
            ("/a%5c..%2fb?q=%2f", "/b?q=%2f"),
            ("/a%2f%2Fb", "/a/b"),
        ] {
            let target = Target::read(sent).unwrap();
            assert_eq!((target.text().as_str(), target.redirected), (seen, true));
        }
    }

    #[test]
    fn what_envoy_refuses() {
        for (sent, why) in [
            ("a", Malformed::NoSlash),
            ("", Malformed::NoSlash),
            ("/a#b", Malformed::Fragment),
            ("/é", Malformed::Unescaped),
            ("/a b", Malformed::Unescaped),
            ("/%00", Malformed::Zero),
        ] {
            assert_eq!(Target::read(sent), Err(why), "{sent}");
        }
    }

    #[test]
    fn the_first_value_of_a_parameter_counts_as_it_is_written() {
        let target = Target::read("/a?q=1&q=2&e&x=a=b&%71=3&&").unwrap();
        for (name, value) in [
            ("q", Some("1")),
            ("e", Some("")),
            ("x", Some("a=b")),
            ("%71", Some("3")),
            ("z", None),
        ] {
            assert_eq!(target.parameter(name), value, "{name}");
        }
    }
}
