//! Pages of lists. A cursor names the last row seen by what the list is sorted by, so that rows which come or go
//! meanwhile neither repeat nor hide another.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One page of a list, and the cursor of the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// To be given as `after` for the page behind this one; `None` at the end. Opaque text.
    pub next: Option<String>,
}

/// A cursor that this list did not hand out is answered with `Err(BadCursor)` inside the Ok: a 422 for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("after: this list has no such place; start again without it")]
pub struct BadCursor;

/// Most rows of a page.
const MAX_LIMIT: u32 = 500;

/// How many rows a page may have.
pub(super) fn clamp(limit: u32) -> usize {
    clamp_to(limit, MAX_LIMIT)
}

/// The same for lists whose callers may say no limit at all, and have a bound of its own then.
pub(super) fn clamp_to(limit: u32, most: u32) -> usize {
    limit.clamp(1, most) as usize
}

/// Writes a place in `list` down; `list` names the order too.
pub(super) fn encode<T: Serialize>(list: &str, place: &T) -> Option<String> {
    serde_json::to_vec(&(list, place)).ok().map(hex::encode)
}

/// Reads what [`encode`] wrote for the same list.
pub(super) fn decode<T: DeserializeOwned>(list: &str, after: Option<&str>) -> Result<Option<T>, BadCursor> {
    let Some(text) = after else { return Ok(None) };
    let bytes = hex::decode(text).map_err(|_| BadCursor)?;
    let (found, place): (String, T) = serde_json::from_slice(&bytes).map_err(|_| BadCursor)?;
    if found == list { Ok(Some(place)) } else { Err(BadCursor) }
}

/// Cuts `rows`, of which one more than `limit` was asked for, to a page.
pub(super) fn page<R>(
    mut rows: Vec<R>,
    limit: usize,
    place: impl Fn(&R) -> Option<String>,
) -> (Vec<R>, Option<String>) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().and_then(place) } else { None };
    (rows, next)
}
