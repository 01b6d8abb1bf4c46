//! Whether a text is matched as a whole by an RE2 expression, as Envoy would decide.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{self, AssertionKind, Ast, ClassPerlKind};

/// Most memory for one expression, in bytes: RE2 takes larger ones than this crate does by itself.
const LARGEST: usize = 64 << 20;

/// Whether `pattern` matches all of `text`; nothing if the expression cannot be evaluated.
pub(crate) fn takes(pattern: &str, text: &str) -> Option<bool> {
    Some(compile(pattern)?.is_match(text.as_bytes()))
}

fn compile(pattern: &str) -> Option<Regex> {
    let pattern = with_ascii_classes(pattern)?;
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .size_limit(LARGEST)
        .build()
        .ok()
}

/// In RE2 `\d`, `\w`, `\s` and `\b` know ASCII alone, here all of Unicode unless they are spelled out.
fn with_ascii_classes(pattern: &str) -> Option<String> {
    let parsed = ast::parse::Parser::new().parse(pattern).ok()?;
    let mut spelled = pattern.to_owned();
    let mut places = ast::visit(&parsed, Places::default()).ok()?;
    places.sort_by_key(|(span, _)| span.start.offset);
    for (span, text) in places.into_iter().rev() {
        spelled.replace_range(span.start.offset..span.end.offset, text);
    }
    Some(spelled)
}

/// Where the expression has to be spelled out, and how.
#[derive(Default)]
struct Places(Vec<(ast::Span, &'static str)>);

impl Places {
    fn class(&mut self, class: &ast::ClassPerl) {
        let text = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\f\r ]",
            (ClassPerlKind::Space, true) => r"[^\t\n\f\r ]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.0.push((class.span, text));
    }
}

impl ast::Visitor for Places {
    type Output = Vec<(ast::Span, &'static str)>;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, node: &Ast) -> Result<(), Self::Err> {
        match node {
            Ast::ClassPerl(class) => self.class(class),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::WordBoundary => self.0.push((assertion.span, r"(?-u:\b)")),
                AssertionKind::NotWordBoundary => self.0.push((assertion.span, r"(?-u:\B)")),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), Self::Err> {
        if let ast::ClassSetItem::Perl(class) = item {
            self.class(class);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_match() {
        for (pattern, text, expected) in [
            ("/a/.*", "/a/b", true),
            ("/a", "/a/b", false),
            ("/a|/b", "/b", true),
            ("a|ab", "ab", true),
            (r"/\d+", "/12", true),
            (r"/\d+", "/٣", false),
            (r"[\w.-]+", "a.b-c_9", true),
            (r"[^\d]+", "ab", true),
            (r"\w+", "é", false),
            (".", "é", true),
            ("(?i)/A", "/a", true),
            (r"a\b.*", "a b", true),
        ] {
            assert_eq!(takes(pattern, text), Some(expected), "{pattern} {text}");
        }
    }
}
