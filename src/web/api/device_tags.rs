//! `/api/v1/device-tags`: tags of many devices at once.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::devices::{asked, check_tags};
use crate::domain::{DeviceId, Tags};
use crate::store::{DeviceQuery, TagChange, Tagged};
use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::error::{Answer, ApiError};
use crate::web::params::{JsonBody, Params};

/// Most tags of one device.
pub const MOST_TAGS: usize = 50;
/// Most devices that can be named; those of a query may be any number.
pub const MOST_NAMED: usize = 10_000;

/// Whose tags are changed.
#[derive(Debug)]
pub enum Whose {
    Named(Vec<DeviceId>),
    Matching(Box<DeviceQuery>),
}

/// `POST /api/v1/device-tags`: `{"set":{},"remove":[],"device_ids":[]}`, or with `query` in the place of `device_ids`:
/// the query of a list of devices. `"query":""` is every device.
///
/// # Errors
/// 422
pub async fn change(state: web::Data<WebState>, operator: Operator, mut body: JsonBody) -> Answer {
    let set: Tags = body.take("set").unwrap_or_default();
    let remove: Vec<String> = body.take("remove").unwrap_or_default();
    let ids: Option<Vec<DeviceId>> = body.take("device_ids");
    let query: Option<String> = body.take("query");
    body.finish()?;
    let whose = match (ids, query) {
        (Some(ids), None) if ids.len() > MOST_NAMED => {
            return Err(ApiError::field("device_ids", format!("must be at most {MOST_NAMED}; use query for more")));
        }
        (Some(ids), None) => Whose::Named(ids),
        (None, Some(query)) => {
            let mut params = Params::read(&query);
            let query = asked(&state, &mut params);
            params.finish()?;
            Whose::Matching(Box::new(query))
        }
        _ => return Err(ApiError::field("device_ids", "exactly one of device_ids and query must be there")),
    };
    let tagged = tag(&state, &operator, whose, set, remove).await?;
    let (changed, same, full) = (tagged.changed.len(), tagged.same, tagged.full);
    Ok(HttpResponse::Ok().json(json!({"changed": changed, "same": same, "full": full})))
}

/// Changes tags, and has rollouts look at the devices again.
///
/// # Errors
/// 422 for tags that can't be.
pub async fn tag(
    state: &web::Data<WebState>,
    operator: &Operator,
    whose: Whose,
    set: Tags,
    remove: Vec<String>,
) -> Result<Tagged, ApiError> {
    if set.is_empty() && remove.is_empty() {
        return Err(ApiError::field("set", "nothing to set and nothing to remove"));
    }
    check_tags(&set).map_err(|message| ApiError::field("set", message))?;
    let named: BTreeMap<String, String> = remove.iter().map(|name| (name.clone(), String::new())).collect();
    check_tags(&named).map_err(|message| ApiError::field("remove", message))?;
    let details = json!({ "set": set, "remove": remove });
    let change = TagChange { set, remove, most: MOST_TAGS };
    let mut tagged = match whose {
        Whose::Named(ids) => state.store.tag_devices(ids, change).await?,
        Whose::Matching(query) => state.store.tag_matching(*query, change).await?,
    };
    let subject = format!("{} devices", tagged.changed.len());
    state.tell(operator, "device.tag_many", &subject, &details).await;
    let (fleet, changed) = (state.fleet.clone(), tagged.changed.clone());
    actix_web::rt::spawn(async move {
        for key_id in changed {
            fleet.device_changed(key_id).await;
        }
    });
    // What was changed before it stopped stays so, and is told.
    match tagged.stopped.take() {
        Some(error) => Err(error.into()),
        None => Ok(tagged),
    }
}
