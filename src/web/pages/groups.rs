//! `/groups`: filters saved under a name, how many terminals fit each, and what to do with them.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::{again, go_done, show};
use super::filter_box::{Fault, FilterBox};
use super::form::{Field, Pairs, query, url_part};
use super::shell::{View, shown};
use crate::domain::{Filter, Timestamp};
use crate::store::Group;
use crate::web::WebState;
use crate::web::access::{Operator, Viewer};
use crate::web::api::groups::{delete_group, save};
use crate::web::error::{Answer, ApiError};
use crate::web::fleet_counts::fitting;

#[derive(Debug, Default, Serialize)]
pub struct GroupsPage {
    pub groups: Vec<GroupRow>,
    pub name: Field,
    pub filter: Field,
    /// Where the filter is wrong.
    pub fault: Option<Fault>,
    /// Devices that fit what is typed.
    pub fitting: Option<u64>,
}

impl View for GroupsPage {
    const TEMPLATE: &'static str = "groups";
}

#[derive(Debug, Serialize)]
pub struct GroupRow {
    pub name: String,
    /// As part of an address.
    pub path: String,
    pub filter: String,
    pub devices: u64,
    /// The devices that fit, and a new rollout for them.
    pub href: String,
    pub update: String,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub created_at: Timestamp,
    pub created_by: String,
}

impl GroupRow {
    /// A group, and how many devices fit it.
    #[must_use]
    pub fn new(group: &Group, devices: u64) -> Self {
        Self {
            path: url_part(&group.name),
            filter: shown(group.filter.as_str()),
            devices,
            href: format!("/devices{}", query(&[("filter", group.filter.as_str())])),
            update: format!("/rollouts/new{}", query(&[("target", "group"), ("group", &group.name)])),
            created_at: group.created_at,
            created_by: group.created_by.clone(),
            name: shown(&group.name),
        }
    }
}

/// `GET /groups`; a query of the form's fields fills it.
///
/// # Errors
/// 503 without the database.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Viewer) -> Answer {
    show(&request, page(&state, &Pairs::of_query(&request)).await?)
}

/// The page with what was typed.
async fn page(state: &WebState, pairs: &Pairs) -> Result<GroupsPage, ApiError> {
    let mut groups = Vec::new();
    // Who asks while they type wants to know only how many fit what they typed.
    let listed = if pairs.text("part") == "counts" { Vec::new() } else { state.store.group_list().await? };
    for group in listed {
        groups.push(GroupRow::new(&group, fitting(state, Some(group.filter.clone())).await?));
    }
    let typed = FilterBox::typed(pairs.raw("filter"));
    let fitting = match typed.filter {
        Some(filter) => Some(fitting(state, Some(filter)).await?),
        None => None,
    };
    let mut filter = Field::new(typed.text);
    if let Some(fault) = &typed.fault {
        filter.refuse(&fault.message);
    }
    Ok(GroupsPage { groups, name: Field::typed(pairs, "name"), filter, fault: typed.fault, fitting })
}

/// `POST /groups`: `name`, `filter`, and `count` to be told only how many fit, without the groups with `part=counts`;
/// `from` where it is not this page.
///
/// # Errors
/// 422 for a name or a filter that can't be, said at its field.
pub async fn add(request: HttpRequest, state: web::Data<WebState>, operator: Operator, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    if pairs.ticked("count") {
        return show(&request, page(&state, &pairs).await?);
    }
    let text = pairs.raw("filter");
    let saved = match Filter::parse(text) {
        Ok(filter) => save(&state, &operator, pairs.text("name"), filter).await.map(|_| ()),
        Err(error) => Err(ApiError::field("filter", error.to_string())),
    };
    let Err(error) = saved else {
        let path = if pairs.text("from") == "devices" {
            format!("/devices{}", query(&[("filter", text)]))
        } else {
            "/groups".to_owned()
        };
        return Ok(go_done(&path, "group_saved"));
    };
    if error.fields.is_empty() {
        return Err(error);
    }
    let mut page = page(&state, &pairs).await?;
    error.fields.get("name").into_iter().for_each(|message| page.name.refuse(message));
    error.fields.get("filter").into_iter().for_each(|message| page.filter.refuse(message));
    again(&request, page)
}

/// `POST /groups/{name}/delete`; `from=devices` leads back there.
///
/// # Errors
/// 404
pub async fn delete(
    state: web::Data<WebState>,
    operator: Operator,
    name: web::Path<String>,
    body: web::Bytes,
) -> Answer {
    delete_group(&state, &operator, &name).await?;
    let path = if Pairs::of_form(&body).text("from") == "devices" { "/devices" } else { "/groups" };
    Ok(go_done(path, "group_deleted"))
}
