//! `/devices`: the fleet table, `name | state | app1 version | app1 state | ...`, one row a terminal.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer::{again, show};
use super::fleet_columns::{Cell, Column, Fact, Head};
use super::fleet_query::{Asked, Sorts};
use super::form::{Field, Pairs, query, url_part};
use super::modules::{ModuleCell, Transfers};
use super::shell::{View, shown};
use crate::domain::{Assignment, Device, DeviceId, KeyId, ModuleName, Timestamp, Version};
use crate::store::{DeviceQuery, Group, Page, SavedView};
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::api::devices::watched;
use crate::web::error::{Answer, ApiError};
use crate::web::fleet_counts::counted;
use crate::web::sign_in::go_to;

/// Rows of one page.
pub const PAGE: u32 = 100;
/// Modules that have columns; a fleet with more shows them where they are chosen.
pub const COLUMNS: usize = 8;
/// Tags and versions that are offered to choose from.
const CHOICES: usize = 200;
/// Tags and modules that are offered as columns.
const COLUMN_CHOICES: usize = 40;

#[derive(Debug, Serialize)]
pub struct Devices {
    pub filter: Asked,
    pub heads: Vec<Head>,
    /// Modules without a column, when nobody has chosen any.
    pub more_columns: usize,
    pub rows: Vec<FleetRow>,
    /// Terminals that match, and all.
    pub matching: u64,
    pub total: u64,
    /// How long ago all were counted: an open page that has heard of something since then asks again.
    pub counted_ago_ms: i64,
    pub sorts: Sorts,
    /// Addresses of the first page and of the one behind this.
    pub first: Option<String>,
    pub next: Option<String>,
    /// The same list as a file.
    pub csv: String,
    /// The query of this page, for what is done to all that match and for saving it.
    pub query: String,
    pub choices: Choices,
    /// Filters that were saved.
    pub groups: Vec<GroupLink>,
    pub views: Vec<ViewLink>,
    /// Where this page of the list begins; empty for the first.
    pub place: String,
    pub tagging: Tagging,
    /// The name under which the view is to be saved.
    pub view_name: Field,
}

/// What was typed to change tags with.
#[derive(Debug, Default, Serialize)]
pub struct Tagging {
    /// Whether something was typed that has to be typed better.
    pub again: bool,
    /// Whether all that match are meant, and not those that are ticked.
    pub matching: bool,
    /// What is wrong with whom it is for.
    pub whose: Field,
    pub set: Field,
    pub remove: Field,
    /// Terminals that were ticked and are not on this page of the list any more.
    pub elsewhere: Vec<DeviceId>,
}

/// What can be chosen.
#[derive(Debug, Serialize)]
pub struct Choices {
    /// `name=value`
    pub tags: Vec<String>,
    pub tag_names: Vec<String>,
    pub modules: Vec<ModuleName>,
    pub versions: Vec<Version>,
    pub columns: Vec<Head>,
}

/// A saved filter, and where it leads.
#[derive(Debug, Serialize)]
pub struct GroupLink {
    pub name: String,
    /// As a part of a path.
    pub path: String,
    pub filter: String,
    pub href: String,
    /// Whether the list is filtered by it now.
    pub chosen: bool,
}

/// A saved view, and where it leads.
#[derive(Debug, Serialize)]
pub struct ViewLink {
    pub name: String,
    /// As a part of a path.
    pub path: String,
    pub href: String,
    /// Whether this is it.
    pub chosen: bool,
}

impl View for Devices {
    const TEMPLATE: &'static str = "devices";

    fn here(&self) -> Option<String> {
        Some(self.filter.page(Some(&self.place)))
    }
}

/// A device with the columns that are asked for.
#[derive(Debug, Serialize)]
pub struct FleetRow {
    pub key_id: KeyId,
    pub device_id: DeviceId,
    pub name: String,
    pub online: bool,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub since: Timestamp,
    pub cells: Vec<Cell>,
    pub ticked: bool,
}

/// A device with the modules of a rollout.
#[derive(Debug, Serialize)]
pub struct DeviceRow {
    pub key_id: KeyId,
    pub device_id: DeviceId,
    pub name: String,
    pub online: bool,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub since: Timestamp,
    #[serde(with = "crate::domain::millis_rfc3339::option")]
    pub reported_at: Option<Timestamp>,
    /// One for each column.
    pub cells: Vec<ModuleCell>,
}

/// What is known beside the devices' own rows: newest assignments, and transfers under way.
pub struct Beside<'a> {
    pub newest: &'a HashMap<(KeyId, ModuleName), Assignment>,
    pub transfer: &'a Transfers<'a>,
}

impl FleetRow {
    /// A device's row with these columns.
    #[must_use]
    pub fn new(device: &Device, columns: &[Column], beside: &Beside<'_>) -> Self {
        Self {
            key_id: device.key_id,
            device_id: device.device_id.clone(),
            name: shown(&device.name),
            online: device.online,
            since: device.since,
            cells: columns.iter().map(|column| column.cell(device, beside)).collect(),
            ticked: false,
        }
    }
}

/// The columns that everybody sees: the first modules, and when the last report came.
#[must_use]
pub fn usual(modules: &[ModuleName]) -> Vec<Column> {
    let of_modules = modules.iter().take(COLUMNS).cloned().map(Column::Module);
    of_modules.chain([Column::Fact(Fact::LastReport)]).collect()
}

impl Choices {
    /// From the modules that terminals have, their versions, and the tags there are.
    #[must_use]
    pub fn new(
        modules: Vec<ModuleName>,
        versions: Vec<Version>,
        tags: &[(String, String)],
        columns: &[Column],
    ) -> Self {
        let mut tag_names: Vec<String> = tags.iter().map(|(name, _)| name.clone()).collect();
        tag_names.dedup();
        tag_names.truncate(COLUMN_CHOICES);
        let of_modules = modules.iter().take(COLUMN_CHOICES).cloned().map(Column::Module);
        let of_tags = tag_names.iter().cloned().map(Column::Tag);
        let offered = of_modules.chain(Fact::ALL.map(Column::Fact)).chain(of_tags);
        Self {
            columns: offered.map(|column| column.head(columns.contains(&column))).collect(),
            tags: tags.iter().take(CHOICES).map(|(name, value)| shown(&format!("{name}={value}"))).collect(),
            tag_names,
            modules,
            versions,
        }
    }
}

/// `GET /devices?q=&online=&tag=&module=&version=&filter=&attention=&sort=&order=&column=&after=`
///
/// With `add_field`, `add_how` and `add_value` a condition is put together and added to the filter; `add_report` names
/// the field of the report.
///
/// # Errors
/// 422 for a place that the list does not have.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Viewer) -> Answer {
    let pairs = Pairs::of_query(&request);
    let mut filter = Asked::of(&pairs);
    if let Some(answer) = added(&mut filter, &pairs) {
        return Ok(answer);
    }
    let body = read(&state, filter, pairs.text("after")).await?;
    if body.filter.filter.fault.is_some() { again(&request, body) } else { show(&request, body) }
}

/// The page of this place of the list.
///
/// # Errors
/// 422 for a place that the list does not have.
pub async fn read(state: &web::Data<WebState>, filter: Asked, place: &str) -> Result<Devices, ApiError> {
    let after = Some(place.to_owned()).filter(|after| !after.is_empty());
    let further = after.is_some();
    let counted = counted(state).await?;
    let (page, matching) = match filter.impossible || filter.filter.fault.is_some() {
        true => (Page { items: Vec::new(), next: None }, 0),
        false => find(state, &filter, after, counted.fleet.devices).await?,
    };
    let running = counted.modules.iter().filter(|module| !module.devices.is_empty());
    let modules: Vec<ModuleName> = running.map(|module| module.name.clone()).collect();
    let columns = if filter.columns.is_empty() { usual(&modules) } else { filter.columns.clone() };
    let newest = state.store.newest_assignments(page.items.iter().map(|device| device.key_id).collect()).await?;
    let beside = Beside { newest: &newest, transfer: &|key, module| state.fleet.transfer(key, module) };
    let versions = counted.modules.iter().flat_map(|m| &m.devices).map(|(version, _)| version.clone());
    Ok(Devices {
        groups: state.store.group_list().await?.into_iter().map(|group| group_link(group, &filter)).collect(),
        views: state.store.views().await?.into_iter().map(|view| view_link(view, &filter)).collect(),
        more_columns: if filter.columns.is_empty() { modules.len().saturating_sub(COLUMNS) } else { 0 },
        rows: page.items.iter().map(|device| FleetRow::new(device, &columns, &beside)).collect(),
        heads: columns.iter().map(|column| column.head(true)).collect(),
        matching,
        total: counted.fleet.devices.max(matching),
        counted_ago_ms: counted.ago_ms(state),
        sorts: filter.sorts(),
        first: further.then(|| filter.page(None)),
        next: page.next.as_deref().map(|next| filter.page(Some(next))),
        csv: filter.csv(),
        query: filter.query_text(),
        choices: Choices::new(modules, versions.take(CHOICES).collect(), &counted.tags, &columns),
        place: shown(place),
        tagging: Tagging::default(),
        view_name: Field::default(),
        filter,
    })
}

/// Leads to the list with the condition that was put together, if there is one.
fn added(filter: &mut Asked, pairs: &Pairs) -> Option<HttpResponse> {
    let field = pairs.text("add_field");
    if field.is_empty() {
        return None;
    }
    let of_report = format!("report.{}", pairs.text("add_report"));
    let field = if field == "report" { &of_report } else { field };
    filter.and(field, pairs.text("add_how"), pairs.text("add_value"));
    Some(go_to(&filter.page(None), None))
}

fn group_link(group: Group, asked: &Asked) -> GroupLink {
    GroupLink {
        href: format!("/devices{}", query(&[("filter", group.filter.as_str())])),
        path: url_part(&group.name),
        chosen: asked.filter.filter.as_ref() == Some(&group.filter),
        filter: group.filter.into(),
        name: group.name,
    }
}

fn view_link(view: SavedView, asked: &Asked) -> ViewLink {
    ViewLink {
        path: url_part(&view.name),
        chosen: view.query == asked.query_text(),
        href: format!("/devices?{}", view.query),
        name: view.name,
    }
}

async fn find(
    state: &WebState,
    filter: &Asked,
    after: Option<String>,
    total: u64,
) -> Result<(Page<Device>, u64), ApiError> {
    let attention = filter.trouble().map(|what| watched(state, what));
    let query = |after| DeviceQuery { attention, ..filter.query(after) };
    if !filter.narrows {
        return Ok((state.store.devices(query(after)).await??, total));
    }
    // Side by side: each has a reader of its own.
    let (page, matching) =
        futures_util::try_join!(state.store.devices(query(after)), state.store.device_count(query(None)))?;
    Ok((page?, matching))
}
