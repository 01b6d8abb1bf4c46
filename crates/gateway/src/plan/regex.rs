//! Which regular expressions Envoy takes. One that it refuses would take the whole route table with it.

use regex_syntax::ast::{
    self, Ast, Flag, HexLiteralKind, LiteralKind, RepetitionKind, RepetitionRange,
};

/// RE2 refuses expressions that repeat a part more often, nested repetitions multiplied.
const MOST_REPETITIONS: u32 = 1000;

/// Checks that `pattern` is an RE2 expression. Errs on the side of refusing: what only one of RE2 and
/// Rust's syntax knows is not taken.
///
/// # Errors
/// What is wrong, in words for the author of the expression.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() {
        return Err("it is empty".to_owned());
    }
    let parsed = ast::parse::Parser::new()
        .parse(pattern)
        .map_err(|error| error.kind().to_string())?;
    ast::visit(
        &parsed,
        Re2 {
            repetitions: vec![1],
        },
    )
}

/// Refuses what Rust's syntax has beyond RE2's.
struct Re2 {
    /// For each open repetition, how often its inside may be repeated in all.
    repetitions: Vec<u32>,
}

impl ast::Visitor for Re2 {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, node: &Ast) -> Result<(), String> {
        match node {
            Ast::Flags(set) => flags(&set.flags),
            Ast::Group(group) => group.flags().map_or(Ok(()), flags),
            Ast::Literal(literal) => escape(&literal.kind),
            Ast::Assertion(assertion) => assertion_kind(&assertion.kind),
            Ast::ClassUnicode(class) => unicode_class(&class.kind),
            Ast::Repetition(repetition) => self.enter(repetition),
            _ => Ok(()),
        }
    }

    fn visit_post(&mut self, node: &Ast) -> Result<(), String> {
        if matches!(node, Ast::Repetition(_)) {
            self.repetitions.pop();
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), String> {
        match item {
            ast::ClassSetItem::Literal(literal) => escape(&literal.kind),
            ast::ClassSetItem::Range(range) => {
                escape(&range.start.kind).and_then(|()| escape(&range.end.kind))
            }
            ast::ClassSetItem::Unicode(class) => unicode_class(&class.kind),
            _ => Ok(()),
        }
    }
}

impl Re2 {
    fn enter(&mut self, repetition: &ast::Repetition) -> Result<(), String> {
        if matches!(*repetition.ast, Ast::Repetition(_)) {
            return Err("one repetition follows another".to_owned());
        }
        let times = match repetition.op.kind {
            RepetitionKind::Range(
                RepetitionRange::Exactly(most)
                | RepetitionRange::AtLeast(most)
                | RepetitionRange::Bounded(_, most),
            ) => most.max(1),
            _ => 1,
        };
        let all = self
            .repetitions
            .last()
            .copied()
            .unwrap_or(1)
            .saturating_mul(times);
        if all > MOST_REPETITIONS {
            return Err(format!(
                "it repeats a part more than {MOST_REPETITIONS} times"
            ));
        }
        self.repetitions.push(all);
        Ok(())
    }
}

fn flags(flags: &ast::Flags) -> Result<(), String> {
    for item in &flags.items {
        if let ast::FlagsItemKind::Flag(flag) = item.kind
            && matches!(flag, Flag::Unicode | Flag::CRLF | Flag::IgnoreWhitespace)
        {
            return Err("flags other than i, m, s and U are not known".to_owned());
        }
    }
    Ok(())
}

fn escape(kind: &LiteralKind) -> Result<(), String> {
    match kind {
        LiteralKind::HexFixed(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong)
        | LiteralKind::HexBrace(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => {
            Err("\\u and \\U are not known; write \\x{...}".to_owned())
        }
        _ => Ok(()),
    }
}

fn assertion_kind(kind: &ast::AssertionKind) -> Result<(), String> {
    use ast::AssertionKind::{
        EndLine, EndText, NotWordBoundary, StartLine, StartText, WordBoundary,
    };
    match kind {
        StartLine | EndLine | StartText | EndText | WordBoundary | NotWordBoundary => Ok(()),
        _ => Err("word boundaries other than \\b and \\B are not known".to_owned()),
    }
}

/// RE2 knows general categories and scripts by name, no other properties.
fn unicode_class(kind: &ast::ClassUnicodeKind) -> Result<(), String> {
    const SCRIPTS: [&str; 12] = [
        "Arabic",
        "Armenian",
        "Common",
        "Cyrillic",
        "Devanagari",
        "Greek",
        "Han",
        "Hangul",
        "Hebrew",
        "Hiragana",
        "Katakana",
        "Latin",
    ];
    let known = match kind {
        ast::ClassUnicodeKind::OneLetter(_) => true,
        ast::ClassUnicodeKind::Named(name) => name.len() <= 2 || SCRIPTS.contains(&name.as_str()),
        ast::ClassUnicodeKind::NamedValue { .. } => false,
    };
    if known {
        Ok(())
    } else {
        Err("this Unicode property is not known".to_owned())
    }
}

/// Text that every match of `pattern` begins with; empty when that is not plain to see.
pub(crate) fn literal_prefix(pattern: &str) -> &str {
    if pattern.contains('|') && !is_one(pattern) {
        return "";
    }
    // The whole path is matched, so it says nothing.
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-~%:@!,;=&".contains(&byte);
    let length = pattern.bytes().take_while(|byte| plain(*byte)).count();
    match pattern.as_bytes().get(length) {
        // A repetition may leave out the character before it.
        Some(b'*' | b'?' | b'{') => &pattern[..length.saturating_sub(1)],
        _ => &pattern[..length],
    }
}

/// Whether an expression offers no choice between expressions, but perhaps in groups.
fn is_one(pattern: &str) -> bool {
    let parsed = ast::parse::Parser::new().parse(pattern);
    parsed.is_ok_and(|parsed| !matches!(parsed, Ast::Alternation(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_re2_takes() {
        for pattern in [
            "/a/.*",
            "/users/[0-9]+",
            "(?i)/x",
            "a{2,5}",
            "(a|b)*c?",
            r"/\x{e9}",
            r"\d+\.html$",
            "(?P<n>x)",
        ] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn refuses_what_re2_refuses() {
        for pattern in [
            "",
            "(",
            "[a",
            "a**",
            "*a",
            r"\u{e9}",
            "(?x)a",
            "a{1001}",
            "(a{100}){11}",
            r"\b{start}a",
            r"\p{Alphabetic}",
            "(?=a)",
            r"\1",
        ] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_literal_prefix_is_what_every_match_begins_with() {
        for (pattern, prefix) in [
            ("/a/.*", "/a/"),
            ("/ab?c", "/a"),
            ("/ab+c", "/ab"),
            ("/a{2}", "/"),
            ("/a|/b", ""),
            ("(?i)/a", ""),
            ("^/a", "/a"),
            ("^/a|/b", ""),
            ("/a(b|c)", "/a"),
            ("/a[|]b", "/a"),
            ("/a\\|/b", "/a"),
            ("(/a|/b)", ""),
            ("^*/a", ""),
            ("^?/a", ""),
            ("/plain", "/plain"),
            (".*", ""),
            ("*", ""),
        ] {
            assert_eq!(literal_prefix(pattern), prefix, "{pattern}");
        }
    }
}
