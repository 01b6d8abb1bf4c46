//! The first syntax error of a JSON text, in the words of Go's `encoding/json`, which Kuma's clients know.

const END: &str = "unexpected end of JSON input";

/// What is wrong with `text`, if anything is wrong with its syntax. Depth and encoding are not looked at.
pub(super) fn first_error(text: &[u8]) -> Option<String> {
    Scanner { text, position: 0 }.document().err()
}

struct Scanner<'a> {
    text: &'a [u8],
    position: usize,
}

/// What a byte is expected to close, innermost last.
#[derive(Clone, Copy)]
enum Open {
    Object,
    Array,
}

type Scanned<T = ()> = Result<T, String>;

impl Scanner<'_> {
    /// Walks with a stack of its own, so that no depth of nesting can exhaust the thread's.
    fn document(mut self) -> Scanned {
        let mut open = Vec::new();
        loop {
            let begun = self.value(&mut open)?;
            if begun {
                continue;
            }
            loop {
                match open.last() {
                    None => return self.end_of_text(),
                    Some(Open::Object) => match self.significant()? {
                        b',' => {
                            self.key("looking for beginning of object key string")?;
                            break;
                        }
                        b'}' => open.pop(),
                        byte => return unexpected(byte, "after object key:value pair"),
                    },
                    Some(Open::Array) => match self.significant()? {
                        b',' => break,
                        b']' => open.pop(),
                        byte => return unexpected(byte, "after array element"),
                    },
                };
            }
        }
    }

    /// Reads a whole scalar or empty container, or the beginning of a container up to its first value;
    /// then it tells true.
    fn value(&mut self, open: &mut Vec<Open>) -> Scanned<bool> {
        match self.significant()? {
            b'{' => {
                if self.skips(b'}')? {
                    return Ok(false);
                }
                self.key("looking for beginning of object key string")?;
                open.push(Open::Object);
                return Ok(true);
            }
            b'[' => {
                if self.skips(b']')? {
                    return Ok(false);
                }
                open.push(Open::Array);
                return Ok(true);
            }
            b'"' => self.string()?,
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'n' => self.literal("null")?,
            byte @ (b'-' | b'0'..=b'9') => self.number(byte)?,
            byte => return unexpected(byte, "looking for beginning of value"),
        }
        Ok(false)
    }

    fn key(&mut self, context: &str) -> Scanned {
        match self.significant()? {
            b'"' => self.string()?,
            byte => return unexpected(byte, context),
        }
        match self.significant()? {
            b':' => Ok(()),
            byte => unexpected(byte, "after object key"),
        }
    }

    fn string(&mut self) -> Scanned {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                byte @ ..=0x1f => return unexpected(byte, "in string literal"),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Scanned {
        match self.next()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    let byte = self.next()?;
                    if !byte.is_ascii_hexdigit() {
                        return unexpected(byte, "in \\u hexadecimal character escape");
                    }
                }
                Ok(())
            }
            byte => unexpected(byte, "in string escape code"),
        }
    }

    fn literal(&mut self, word: &str) -> Scanned {
        for expected in word.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                let context = format!("in literal {word} (expecting {})", quoted(expected));
                return unexpected(byte, &context);
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Scanned {
        let first = if first == b'-' {
            self.digit("in numeric literal")?
        } else {
            first
        };
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.digit("after decimal point in numeric literal")?;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.digit("in exponent of numeric literal")?;
            self.digits();
        }
        Ok(())
    }

    fn digit(&mut self, context: &str) -> Scanned<u8> {
        match self.next()? {
            byte if byte.is_ascii_digit() => Ok(byte),
            byte => unexpected(byte, context),
        }
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
    }

    fn end_of_text(&mut self) -> Scanned {
        match self.significant() {
            Ok(byte) => unexpected(byte, "after top-level value"),
            Err(_) => Ok(()),
        }
    }

    /// Takes the next byte that is no white space if it is `byte`.
    fn skips(&mut self, byte: u8) -> Scanned<bool> {
        let found = self.significant()? == byte;
        if !found {
            self.position -= 1;
        }
        Ok(found)
    }

    /// The next byte that is no white space.
    fn significant(&mut self) -> Scanned<u8> {
        loop {
            match self.next()? {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                byte => return Ok(byte),
            }
        }
    }

    fn next(&mut self) -> Scanned<u8> {
        let byte = self.peek().ok_or(END)?;
        self.position += 1;
        Ok(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }
}

fn unexpected<T>(byte: u8, context: &str) -> Scanned<T> {
    Err(format!("invalid character {} {context}", quoted(byte)))
}

/// A byte as Go quotes it, taken for a Latin-1 character.
fn quoted(byte: u8) -> String {
    match char::from(byte) {
        '\'' => r"'\''".to_owned(),
        '"' => r#"'"'"#.to_owned(),
        '\u{7}' => r"'\a'".to_owned(),
        '\u{8}' => r"'\b'".to_owned(),
        '\u{b}' => r"'\v'".to_owned(),
        '\u{c}' => r"'\f'".to_owned(),
        character @ ('\n' | '\r' | '\t' | '\\') => format!("'{}'", character.escape_default()),
        character if byte < 0x20 || byte == 0x7f => format!("'\\x{:02x}'", u32::from(character)),
        character if character.is_control() => format!("'\\u{:04x}'", u32::from(character)),
        character => format!("'{character}'"),
    }
}
