//! `/devices`: the fleet table, `name | state | app1 version | app1 state | ...`, one row a terminal.

use std::collections::HashMap;

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::{again, show};
use super::filter_box::FilterBox;
use super::form::{Pairs, query, url_part};
use super::modules::{ModuleCell, Transfers};
use super::shell::{View, shown};
use crate::domain::{Assignment, Device, DeviceId, KeyId, ModuleName, Timestamp, Version};
use crate::store::{DeviceQuery, DeviceSort, Group, Page};
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::{Answer, ApiError};

/// Rows of one page.
pub const PAGE: u32 = 100;
/// Modules that have columns; a fleet with more shows them on each terminal's own page.
pub const COLUMNS: usize = 8;
/// Tags and versions that are offered to choose from.
const CHOICES: usize = 200;

#[derive(Debug, Serialize)]
pub struct Devices {
    pub filter: Asked,
    pub columns: Vec<ModuleName>,
    /// Modules without a column.
    pub more_columns: usize,
    pub rows: Vec<DeviceRow>,
    /// Terminals that match, and all.
    pub matching: u64,
    pub total: u64,
    pub sorts: Sorts,
    /// Queries of the first page and of the one behind this.
    pub first: Option<String>,
    pub next: Option<String>,
    /// What can be chosen.
    pub tags: Vec<String>,
    pub modules: Vec<ModuleName>,
    pub versions: Vec<Version>,
    /// Filters that were saved.
    pub groups: Vec<GroupLink>,
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

impl View for Devices {
    const TEMPLATE: &'static str = "devices";
}

/// What the reader asked for, as typed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Asked {
    pub q: String,
    /// `true`, `false`, or empty for both.
    pub online: String,
    /// `region=east`, or `region`.
    pub tag: String,
    pub module: String,
    pub version: String,
    /// In the language of filters.
    pub filter: FilterBox,
    pub sort: String,
    pub descending: bool,
    /// Whether any of it narrows the list.
    pub narrows: bool,
    /// A filter that can't be a module or a version matches nothing, and is said.
    pub impossible: bool,
}

/// Where each heading leads, and which one sorts now: `ascending`, `descending` or nothing.
#[derive(Debug, Serialize)]
pub struct Sorts {
    pub name: Sort,
    pub online: Sort,
    pub last_report: Sort,
}

#[derive(Debug, Serialize)]
pub struct Sort {
    pub query: String,
    pub order: Option<&'static str>,
}

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

impl DeviceRow {
    /// A device's row with these columns.
    #[must_use]
    pub fn new(device: &Device, columns: &[ModuleName], beside: &Beside<'_>) -> Self {
        let cell = |module: &ModuleName| {
            let assignment = beside.newest.get(&(device.key_id, module.clone()));
            let transfer = (beside.transfer)(device.key_id, module);
            ModuleCell::new(module, device.modules.get(module), assignment, transfer)
        };
        Self {
            key_id: device.key_id,
            device_id: device.device_id.clone(),
            name: shown(&device.name),
            online: device.online,
            since: device.since,
            reported_at: device.status.as_ref().map(|status| status.received_at),
            cells: columns.iter().map(cell).collect(),
        }
    }
}

impl Asked {
    /// Reads the query of the page.
    #[must_use]
    pub fn of(pairs: &Pairs) -> Self {
        let text = |name: &str| shown(pairs.text(name));
        let mut filter = Self {
            q: text("q"),
            online: text("online"),
            tag: text("tag"),
            module: text("module"),
            version: text("version"),
            filter: FilterBox::typed(pairs.raw("filter")),
            sort: text("sort"),
            descending: pairs.text("order") == "descending",
            narrows: false,
            impossible: false,
        };
        filter.narrows = [&filter.q, &filter.online, &filter.tag, &filter.module, &filter.version, &filter.filter.text]
            .iter()
            .any(|f| !f.is_empty());
        filter.impossible = (!filter.module.is_empty() && ModuleName::new(&filter.module).is_err())
            || (!filter.version.is_empty() && Version::new(&filter.version).is_err());
        filter
    }

    /// What the store is asked.
    #[must_use]
    pub fn query(&self, after: Option<String>) -> DeviceQuery {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let tag = some(&self.tag).map(|tag| match tag.split_once('=') {
            Some((name, value)) => (name.trim().to_owned(), Some(value.trim().to_owned())),
            None => (tag, None),
        });
        DeviceQuery {
            q: some(&self.q),
            online: self.online.parse().ok(),
            tag,
            module: ModuleName::new(&self.module).ok(),
            version: Version::new(&self.version).ok(),
            filter: self.filter.filter.clone(),
            sort: self.device_sort(),
            descending: self.descending,
            after,
            limit: PAGE,
        }
    }

    fn device_sort(&self) -> DeviceSort {
        match self.sort.as_str() {
            "device_id" => DeviceSort::DeviceId,
            "online" => DeviceSort::Online,
            "last_report" => DeviceSort::LastReport,
            _ => DeviceSort::Name,
        }
    }

    /// The page's query with this sorting, or with its own, from this place on.
    fn link(&self, sort: Option<(&str, bool)>, after: Option<&str>) -> String {
        let (sort, descending) = sort.unwrap_or((&self.sort, self.descending));
        query(&[
            ("q", &self.q),
            ("online", &self.online),
            ("tag", &self.tag),
            ("module", &self.module),
            ("version", &self.version),
            ("filter", &self.filter.text),
            ("sort", sort),
            ("order", if descending { "descending" } else { "" }),
            ("after", after.unwrap_or_default()),
        ])
    }

    /// The address of the first page, or of the one after `after`.
    #[must_use]
    pub fn page(&self, after: Option<&str>) -> String {
        format!("/devices{}", self.link(None, after))
    }

    /// Where the headings lead.
    #[must_use]
    pub fn sorts(&self) -> Sorts {
        let sort = |name: &str, sorts: DeviceSort| {
            let now = self.device_sort() == sorts;
            let order = match (now, self.descending) {
                (false, _) => None,
                (true, false) => Some("ascending"),
                (true, true) => Some("descending"),
            };
            let query = format!("/devices{}", self.link(Some((name, now && !self.descending)), None));
            Sort { query, order }
        };
        Sorts {
            name: sort("name", DeviceSort::Name),
            online: sort("online", DeviceSort::Online),
            last_report: sort("last_report", DeviceSort::LastReport),
        }
    }
}

/// `GET /devices?q=&online=&tag=&module=&version=&filter=&sort=&order=&after=`
///
/// # Errors
/// 422 for a place that the list does not have.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Viewer) -> Answer {
    let pairs = Pairs::of_query(&request);
    let filter = Asked::of(&pairs);
    let after = Some(pairs.text("after").to_owned()).filter(|after| !after.is_empty());
    let further = after.is_some();
    let total = state.store.device_count(DeviceQuery { limit: 1, ..DeviceQuery::default() }).await?;
    let (page, matching) = match filter.impossible || filter.filter.fault.is_some() {
        true => (Page { items: Vec::new(), next: None }, 0),
        false => find(&state, &filter, after).await?,
    };
    let modules = state.store.modules().await?;
    let names: Vec<ModuleName> =
        modules.iter().filter(|module| !module.devices.is_empty()).map(|module| module.name.clone()).collect();
    let columns: Vec<ModuleName> = names.iter().take(COLUMNS).cloned().collect();
    let newest = state.store.newest_assignments(page.items.iter().map(|device| device.key_id).collect()).await?;
    let beside = Beside { newest: &newest, transfer: &|key, module| state.fleet.transfer(key, module) };
    let tags = state.store.tag_values().await?;
    let groups = state.store.group_list().await?.into_iter().map(|group| group_link(group, &filter)).collect();
    let body = Devices {
        groups,
        more_columns: names.len() - columns.len(),
        rows: page.items.iter().map(|device| DeviceRow::new(device, &columns, &beside)).collect(),
        columns,
        matching,
        total,
        sorts: filter.sorts(),
        first: further.then(|| filter.page(None)),
        next: page.next.as_deref().map(|next| filter.page(Some(next))),
        tags: tags.iter().take(CHOICES).map(|(name, value)| shown(&format!("{name}={value}"))).collect(),
        modules: names,
        versions: modules.into_iter().flat_map(|m| m.devices).map(|(version, _)| version).take(CHOICES).collect(),
        filter,
    };
    if body.filter.filter.fault.is_some() { again(&request, body) } else { show(&request, body) }
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

async fn find(state: &WebState, filter: &Asked, after: Option<String>) -> Result<(Page<Device>, u64), ApiError> {
    let page = state.store.devices(filter.query(after)).await??;
    Ok((page, state.store.device_count(filter.query(None)).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(pairs: &[(&str, &str)]) -> Asked {
        Asked::of(&Pairs(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()))
    }

    #[test]
    fn a_click_on_the_sorted_heading_turns_the_order_round_and_keeps_the_filter() {
        let sorts = filter(&[("q", "bus"), ("sort", "online")]).sorts();
        assert_eq!(sorts.online.query, "/devices?q=bus&sort=online&order=descending");
        assert_eq!(sorts.online.order, Some("ascending"));
        assert_eq!(sorts.name.query, "/devices?q=bus&sort=name");
    }

    #[test]
    fn a_filter_becomes_a_query() {
        let query = filter(&[("tag", "region = east"), ("online", "false"), ("version", "1.2")]).query(None);
        assert_eq!(query.tag, Some(("region".to_owned(), Some("east".to_owned()))));
        assert_eq!(query.online, Some(false));
        assert!(filter(&[("module", "no module")]).impossible);
        assert!(!filter(&[("sort", "name")]).narrows);
        let typed = filter(&[("filter", "module.app1 < 2"), ("q", "bus")]);
        assert!(typed.query(None).filter.is_some_and(|filter| filter.as_str() == "module.app1 < 2"));
        assert_eq!(typed.page(None), "/devices?q=bus&filter=module.app1%20%3C%202");
        assert!(filter(&[("filter", "module.app1 <")]).filter.fault.is_some());
    }
}
