//! Pages of lists.

use http::StatusCode;
use portolan_model::Violations;
use serde::Serialize;

use crate::{
    call::{Call, Query},
    problem::Problem,
};

/// Items on a page when the request does not say.
const DEFAULT_SIZE: usize = 100;
/// Most items on a page.
const MAX_SIZE: usize = 1000;

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    /// Items of the whole list.
    total: usize,
    items: Vec<T>,
    /// URL of the next page.
    next: Option<String>,
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    size: usize,
    offset: usize,
}

impl Paging {
    /// From `size` and `offset`.
    ///
    /// # Errors
    /// The first of them that is no such number.
    pub(crate) fn of(query: &Query) -> Result<Self, Problem> {
        Ok(Self {
            size: size(query)?,
            offset: offset(query)?,
        })
    }

    /// The page of a list of `total` items, which are made only if they are on it.
    pub(crate) fn cut<I, T>(
        self,
        call: &Call,
        total: usize,
        items: impl Iterator<Item = I>,
        show: impl FnMut(I) -> Result<T, Problem>,
    ) -> Result<Page<T>, Problem> {
        let items: Result<Vec<T>, Problem> =
            items.skip(self.offset).take(self.size).map(show).collect();
        let end = self.offset.saturating_add(self.size);
        let next = (end < total).then(|| call.url_at(end));
        Ok(Page {
            total,
            items: items?,
            next,
        })
    }
}

/// The `size` of a query.
fn size(query: &Query) -> Result<usize, Problem> {
    let text = query.first("size");
    if text.is_empty() {
        return Ok(DEFAULT_SIZE);
    }
    let reason = match text.parse::<i64>() {
        Err(_) => "invalid format".to_owned(),
        Ok(..=0) => "must be greater than 0".to_owned(),
        Ok(size) => match usize::try_from(size) {
            Ok(size) if size <= MAX_SIZE => return Ok(size),
            _ => format!("invalid page size of {size}. Maximum page size is {MAX_SIZE}"),
        },
    };
    let mut violations = Violations::default();
    violations.add("size", reason);
    let mut problem = Problem::invalid("Could not retrieve resources", violations);
    problem.detail = "Invalid page size".to_owned();
    Err(problem)
}

/// The `offset` of a query, refused in the words of Go's `strconv`.
fn offset(query: &Query) -> Result<usize, Problem> {
    let text = query.first("offset");
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let reason = match text.parse::<i64>() {
        Ok(offset) => match usize::try_from(offset) {
            Ok(offset) => return Ok(offset),
            Err(_) => "must be non-negative".to_owned(),
        },
        Err(_) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("strconv.Atoi: parsing {text:?}: value out of range")
        }
        Err(_) => format!("strconv.Atoi: parsing {text:?}: invalid syntax"),
    };
    let detail = format!("invalid: invalid offset: {reason}");
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "Could not retrieve resources",
        detail,
    ))
}
