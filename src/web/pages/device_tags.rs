//! `/device-tags`: tags of the terminals that were ticked in the fleet table, or of all that match.

use actix_web::web;

use super::answer::go_done;
use super::device::read_tags;
use super::fleet_query::Asked;
use super::form::Pairs;
use crate::domain::DeviceId;
use crate::store::DeviceQuery;
use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::api::device_tags::{Whose, tag};
use crate::web::api::devices::watched;
use crate::web::error::{Answer, ApiError};

/// `POST /device-tags`: form `scope` (`ticked` or `matching`), `id` any number of times, `query`, `set`
/// (`name=value`), `remove` (a name).
///
/// # Errors
/// 422 for tags that can't be, or when nothing was ticked.
pub async fn change(state: web::Data<WebState>, operator: Operator, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let asked = Asked::of(&Pairs::of_text(pairs.raw("query")));
    let set = read_tags(pairs.text("set")).map_err(|_| ApiError::field("set", "must be name=value"))?;
    let remove = Some(pairs.text("remove").to_owned()).filter(|name| !name.is_empty()).into_iter().collect();
    let whose = match pairs.text("scope") {
        "matching" if asked.impossible || asked.filter.fault.is_some() => Whose::Named(Vec::new()),
        "matching" => {
            let attention = asked.trouble().map(|what| watched(&state, what));
            Whose::Matching(Box::new(DeviceQuery { attention, ..asked.query(None) }))
        }
        _ => {
            let ids: Vec<DeviceId> = pairs.every("id").filter_map(|id| DeviceId::new(id).ok()).collect();
            if ids.is_empty() {
                return Err(ApiError::field("id", "no terminal was ticked"));
            }
            Whose::Named(ids)
        }
    };
    let tagged = tag(&state, &operator, whose, set, remove).await?;
    Ok(go_done(&asked.page(None), if tagged.full > 0 { "devices_tagged_some" } else { "devices_tagged" }))
}
