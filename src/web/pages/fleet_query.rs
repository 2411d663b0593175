//! What the reader of the fleet page asks for, as it stands in the page's address.

use serde::Serialize;

use super::devices::PAGE;
use super::filter_box::FilterBox;
use super::fleet_columns::Column;
use super::form::{Pairs, query};
use super::shell::shown;
use crate::domain::{Attention, Filter, FilterTree, ModuleName, Version};
use crate::store::{DeviceQuery, DeviceSort};

/// Most columns that can be chosen.
const MOST_COLUMNS: usize = 40;

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
    /// A kind of trouble, or empty.
    pub attention: String,
    pub sort: String,
    pub descending: bool,
    /// The columns that were chosen; empty: those that everybody sees.
    #[serde(skip)]
    pub columns: Vec<Column>,
    pub columns_chosen: bool,
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

#[derive(Debug, Clone, Serialize)]
pub struct Sort {
    pub query: String,
    pub order: Option<&'static str>,
}

impl Asked {
    /// Reads the query of the page.
    #[must_use]
    pub fn of(pairs: &Pairs) -> Self {
        let text = |name: &str| shown(pairs.text(name));
        let attention: Option<Attention> = pairs.text("attention").parse().ok();
        let mut asked = Self {
            q: text("q"),
            online: text("online"),
            tag: text("tag"),
            module: text("module"),
            version: text("version"),
            filter: FilterBox::typed(pairs.raw("filter")),
            attention: attention.map(|what| what.to_string()).unwrap_or_default(),
            sort: text("sort"),
            descending: pairs.text("order") == "descending",
            columns: Vec::new(),
            columns_chosen: false,
            narrows: false,
            impossible: false,
        };
        for column in pairs.every("column").filter_map(Column::read).take(MOST_COLUMNS) {
            if !asked.columns.contains(&column) {
                asked.columns.push(column);
            }
        }
        asked.columns_chosen = !asked.columns.is_empty();
        let narrowing = [&asked.q, &asked.online, &asked.tag, &asked.module, &asked.version, &asked.filter.text];
        asked.narrows = narrowing.iter().any(|f| !f.is_empty()) || !asked.attention.is_empty();
        asked.impossible = (!asked.module.is_empty() && ModuleName::new(&asked.module).is_err())
            || (!asked.version.is_empty() && Version::new(&asked.version).is_err());
        asked
    }

    /// What the store is asked, the kind of trouble aside.
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
            attention: None,
            sort: self.device_sort(),
            descending: self.descending,
            after,
            limit: PAGE,
        }
    }

    /// The kind of trouble, where one is asked for.
    #[must_use]
    pub fn trouble(&self) -> Option<Attention> {
        self.attention.parse().ok()
    }

    fn device_sort(&self) -> DeviceSort {
        match self.sort.as_str() {
            "device_id" => DeviceSort::DeviceId,
            "online" => DeviceSort::Online,
            "last_report" => DeviceSort::LastReport,
            _ => DeviceSort::Name,
        }
    }

    /// What narrows the list, as pairs of an address.
    fn narrowing(&self) -> [(&'static str, &str); 7] {
        [
            ("q", &self.q),
            ("online", &self.online),
            ("tag", &self.tag),
            ("module", &self.module),
            ("version", &self.version),
            ("filter", &self.filter.text),
            ("attention", &self.attention),
        ]
    }

    /// The page's query with this sorting, or with its own, from this place on.
    fn link(&self, sort: Option<(&str, bool)>, after: Option<&str>) -> String {
        let (sort, descending) = sort.unwrap_or((&self.sort, self.descending));
        let columns: Vec<String> = self.columns.iter().map(Column::key).collect();
        let mut pairs = self.narrowing().to_vec();
        pairs.extend([("sort", sort), ("order", if descending { "descending" } else { "" })]);
        pairs.extend(columns.iter().map(|column| ("column", column.as_str())));
        pairs.push(("after", after.unwrap_or_default()));
        query(&pairs)
    }

    /// The query of the page's address, without the question mark and without a place.
    #[must_use]
    pub fn query_text(&self) -> String {
        self.link(None, None).trim_start_matches('?').to_owned()
    }

    /// The address of the first page, or of the one after `after`.
    #[must_use]
    pub fn page(&self, after: Option<&str>) -> String {
        format!("/devices{}", self.link(None, after))
    }

    /// The address of the same list as a file.
    #[must_use]
    pub fn csv(&self) -> String {
        let sort = match (self.sort.is_empty(), self.descending) {
            (true, false) => String::new(),
            (true, true) => "-name".to_owned(),
            (false, descending) => format!("{}{}", if descending { "-" } else { "" }, self.sort),
        };
        let mut pairs = self.narrowing().to_vec();
        pairs.push(("sort", &sort));
        format!("/api/v1/devices.csv{}", query(&pairs))
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

    /// Adds a condition that was put together from its parts: `field`, `how`, `value`.
    pub fn and(&mut self, field: &str, how: &str, value: &str) {
        let condition = match field {
            "online" | "offline" => field.to_owned(),
            _ => match how {
                "none" => format!("{field} = none"),
                "some" => format!("{field} != none"),
                "!=" if field == "location" => format!("not location in {}", written_area(value)),
                _ if field == "location" => format!("location in {}", written_area(value)),
                "in" => format!("{field} in ({})", parts(value).map(written_value).collect::<Vec<_>>().join(", ")),
                how => format!("{field} {how} {}", written_value(value)),
            },
        };
        let before = self.filter.text.trim();
        let text = match Filter::parse(before) {
            Ok(filter) if matches!(filter.tree(), FilterTree::Or(_)) => format!("({before}) and {condition}"),
            _ if before.is_empty() => condition,
            _ => format!("{before} and {condition}"),
        };
        self.filter = FilterBox::typed(&text);
    }
}

/// What stands between commas.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// An area by its numbers: latitude, longitude and kilometres are a circle, more of them the corners of a polygon.
fn written_area(value: &str) -> String {
    let numbers: Vec<&str> = parts(value).collect();
    let shape = if numbers.len() > 3 { "polygon" } else { "circle" };
    format!("{shape}({})", numbers.join(", "))
}

/// A value in quotes, where it would not be read as one without.
fn written_value(value: &str) -> String {
    let plain = !value.is_empty()
        && value.chars().all(|c| c.is_alphanumeric() || "._:+-/@#%&*$".contains(c))
        && !["and", "or", "not", "in", "none"].contains(&value.to_ascii_lowercase().as_str());
    if plain { value.to_owned() } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        Asked::of(&Pairs(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()))
    }

    #[test]
    fn a_click_on_the_sorted_heading_turns_the_order_round_and_keeps_the_filter() {
        let sorts = asked(&[("q", "bus"), ("sort", "online")]).sorts();
        assert_eq!(sorts.online.query, "/devices?q=bus&sort=online&order=descending");
        assert_eq!(sorts.online.order, Some("ascending"));
        assert_eq!(sorts.name.query, "/devices?q=bus&sort=name");
    }

    #[test]
    fn a_filter_becomes_a_query() {
        let query = asked(&[("tag", "region = east"), ("online", "false"), ("version", "1.2")]).query(None);
        assert_eq!(query.tag, Some(("region".to_owned(), Some("east".to_owned()))));
        assert_eq!(query.online, Some(false));
        assert!(asked(&[("module", "no module")]).impossible);
        assert!(!asked(&[("sort", "name")]).narrows);
        let typed = asked(&[("filter", "module.app1 < 2"), ("q", "bus")]);
        assert!(typed.query(None).filter.is_some_and(|filter| filter.as_str() == "module.app1 < 2"));
        assert_eq!(typed.page(None), "/devices?q=bus&filter=module.app1%20%3C%202");
        assert!(asked(&[("filter", "module.app1 <")]).filter.fault.is_some());
    }

    #[test]
    fn an_address_holds_everything_and_nothing_that_is_unknown() {
        let all = [("q", "bus"), ("attention", "hot"), ("column", "cpu"), ("column", "module.app1"), ("column", "cpu")];
        let asked = asked(&[&all[..], &[("column", "<b>"), ("attention", "x"), ("colour", "red")]].concat());
        assert_eq!(asked.query_text(), "q=bus&attention=hot&column=cpu&column=module.app1");
        assert_eq!(Asked::of(&Pairs::of_text(&asked.query_text())).query_text(), asked.query_text());
        assert_eq!(asked.csv(), "/api/v1/devices.csv?q=bus&attention=hot");
        assert_eq!(super::tests::asked(&[("order", "descending")]).csv(), "/api/v1/devices.csv?sort=-name");
    }

    #[test]
    fn conditions_are_put_together_so_that_they_can_be_read() {
        let mut asked = asked(&[("filter", "online or cpu > 80")]);
        asked.and("tag.region", "=", "far east");
        assert_eq!(asked.filter.text, "(online or cpu > 80) and tag.region = \"far east\"");
        asked.and("module.app1", "none", "");
        asked.and("offline", "=", "");
        assert!(asked.filter.fault.is_none(), "{:?}", asked.filter);
        assert!(asked.filter.text.ends_with("and module.app1 = none and offline"));
        asked.and("location", "in", "31.23, 121.47,10");
        asked.and("location", "!=", "31,121, 31,122, 32,122");
        asked.and("report.battery", "<", "20.5");
        asked.and("id", "in", "t-1, t 2");
        assert!(asked.filter.fault.is_none(), "{:?}", asked.filter);
        let added = "location in circle(31.23, 121.47, 10) and not location in polygon(31, 121, 31, 122, 32, 122) and \
                     report.battery < 20.5 and id in (t-1, \"t 2\")";
        assert!(asked.filter.text.ends_with(added), "{}", asked.filter.text);
        asked.and("name", "~", "\"and\\");
        assert!(asked.filter.fault.is_none(), "{:?}", asked.filter);
    }

    #[test]
    fn an_area_that_is_none_is_said_at_its_place() {
        let mut asked = asked(&[]);
        asked.and("location", "in", "here");
        let fault = asked.filter.fault.unwrap();
        assert_eq!((asked.filter.text.as_str(), fault.marked.as_str()), ("location in circle(here)", "here"));
    }
}
