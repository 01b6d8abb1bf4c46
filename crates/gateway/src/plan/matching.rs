//! What a route asks of a request.

/// The conditions of one match; all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// Condition on the path without its query.
    pub path: PathMatch,
    /// The method, if only one is taken.
    pub method: Option<&'static str>,
    /// Conditions on headers.
    pub headers: Box<[HeaderMatch]>,
    /// Conditions on query parameters.
    pub query: Box<[QueryMatch]>,
}

impl RouteMatch {
    /// Whether the path alone decides.
    pub fn is_path_only(&self) -> bool {
        self.method.is_none() && self.headers.is_empty() && self.query.is_empty()
    }
}

/// Condition on the path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathMatch {
    /// This path.
    Exact(Box<str>),
    /// This path and everything below it; without trailing slash, but for `/` itself, which takes all.
    Prefix(Box<str>),
    /// Every path that the RE2 expression matches as a whole.
    Regex(Box<str>),
}

impl PathMatch {
    /// The path or expression.
    pub fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Regex(text) => text,
        }
    }
}

/// Condition on the value of one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Name of the header.
    pub name: Box<str>,
    /// What it must be.
    pub condition: HeaderCondition,
}

/// What a header must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderCondition {
    /// There, with such a value.
    Value(TextMatch),
    /// There.
    Present,
    /// Not there.
    Absent,
}

/// Condition on the value of one query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    /// Name of the parameter.
    pub name: Box<str>,
    /// What its value must be.
    pub value: TextMatch,
}

/// Condition on a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// This text.
    Exact(Box<str>),
    /// Every text that the RE2 expression matches as a whole.
    Regex(Box<str>),
}
