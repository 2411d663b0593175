//! Filters as conditions of SQL, so that the database finds the devices and not a look at each.
//!
//! Versions are ordered by the domain: a module's versions are read, few as they are, and those that fit are named.
//! What SQL would not answer as the domain does (parts of tags whatever the case, areas, fields of reports) has no
//! condition; such filters are held against rows, see `matching`.

use super::Outcome;
use super::connection::Db;
use super::dialect::{Sql, containing};
use super::stored::parsed;
use crate::domain::{
    Comparison, Filter, FilterTree, ModuleName, NumberField, NumberTest, TextField, TextTest, Version, VersionTest,
};

/// What a condition is for: for a count, the rows that fit lead to the devices; for a page in some order, the order
/// does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Count,
    Page,
}

/// Where so many rows fit, a page is full before many devices of its order have been asked for theirs.
const MANY: i64 = 1000;

/// A filter's condition on `d` and its status `s`; `None` where there is none.
pub(super) fn condition(db: &mut Db, filter: &Filter, purpose: For) -> Outcome<Option<Sql>> {
    let mut writer = Writer { db, purpose, sql: Sql::default() };
    let said = writer.tree(filter.tree())?;
    Ok(said.then_some(writer.sql))
}

/// The condition that a device `d` has, or has not, a row that fits in a table of devices.
pub(super) fn has_row(db: &mut Db, purpose: For, has: bool, table: &str, fits: Sql) -> Outcome<Sql> {
    let not = if has { "" } else { "NOT " };
    let key = match purpose {
        For::Count => "d.key_id",
        For::Page if are_many(db, table, fits.clone())? => {
            // Through the status, so that SQLite comes to it behind what the status says, which costs less.
            let key = "COALESCE(s.key_id, d.key_id)";
            let of_device = format!("{not}EXISTS (SELECT 1 FROM {table} r WHERE r.key_id = {key} AND ");
            return Ok(Sql::new(&of_device).append(fits).push(")"));
        }
        // The plus keeps SQLite from leaving the order for the rows.
        For::Page => "+d.key_id",
    };
    Ok(Sql::new(&format!("{key} {not}IN (SELECT key_id FROM {table} WHERE ")).append(fits).push(")"))
}

fn are_many(db: &mut Db, table: &str, fits: Sql) -> Outcome<bool> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        found: i64,
    }
    let some = Sql::new(&format!("SELECT COUNT(*) AS found FROM (SELECT 1 FROM {table} WHERE ")).append(fits);
    let rows: Vec<Row> = some.push(&format!(" LIMIT {MANY}) some")).load(db)?;
    Ok(rows.first().is_some_and(|row| row.found >= MANY))
}

struct Writer<'a> {
    db: &'a mut Db,
    purpose: For,
    sql: Sql,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.sql = std::mem::take(&mut self.sql).push(text);
    }

    fn bind(&mut self, value: impl Into<super::dialect::Value>) {
        self.sql = std::mem::take(&mut self.sql).bind(value);
    }

    fn list<V: Into<super::dialect::Value>>(&mut self, values: impl IntoIterator<Item = V>) {
        self.sql = std::mem::take(&mut self.sql).list(values);
    }

    /// `false`: SQL would not answer as the domain does.
    fn tree(&mut self, tree: &FilterTree) -> Outcome<bool> {
        match tree {
            FilterTree::Or(parts) => return self.chain(parts.iter(), " OR "),
            FilterTree::And(parts) => {
                let (elsewhere, beside): (Vec<_>, Vec<_>) = parts.iter().partition(|part| looks_elsewhere(part));
                return self.chain(beside.into_iter().chain(elsewhere), " AND ");
            }
            FilterTree::Not(part) => {
                self.push("NOT (");
                let said = self.tree(part)?;
                self.push(")");
                return Ok(said);
            }
            FilterTree::Online(online) => {
                self.push("d.online = ?");
                self.bind(*online);
            }
            FilterTree::Text(TextField::Tag(_), TextTest::Contains(_))
            | FilterTree::Location(_)
            | FilterTree::Field(..) => return Ok(false),
            FilterTree::Text(field, test) => self.text(field, test)?,
            FilterTree::Module(module, test) => self.module(module, test)?,
            FilterTree::Number(field, test) => self.number(*field, test),
        }
        Ok(true)
    }

    fn chain<'t>(&mut self, parts: impl Iterator<Item = &'t FilterTree>, join: &str) -> Outcome<bool> {
        for (index, part) in parts.enumerate() {
            self.push(if index == 0 { "(" } else { join });
            self.push("(");
            if !self.tree(part)? {
                return Ok(false);
            }
            self.push(")");
        }
        self.push(")");
        Ok(true)
    }

    fn text(&mut self, field: &TextField, test: &TextTest) -> Outcome<()> {
        let column = match field {
            TextField::Tag(name) => return self.tag(name, test),
            TextField::Id => "d.device_id",
            TextField::Name => "d.name",
        };
        match test {
            TextTest::Is(text) => {
                self.push(&format!("{column} = ?"));
                self.bind(text.as_str());
            }
            TextTest::IsNot(text) => {
                self.push(&format!("{column} <> ?"));
                self.bind(text.as_str());
            }
            TextTest::In(texts) => {
                self.push(&format!("{column} IN "));
                self.list(texts.iter().map(String::as_str));
            }
            TextTest::Contains(part) if part.contains('\n') => self.push("1 = 0"),
            TextTest::Contains(part) => {
                let (column, rest) = match field {
                    // The lower-cased name stands before the line feed.
                    TextField::Name => ("d.search_key", "\n%"),
                    _ => ("LOWER(d.device_id)", ""),
                };
                self.push(&format!("{column} LIKE ? ESCAPE '!'"));
                self.bind(format!("{}{rest}", containing(&part.to_lowercase())));
            }
            TextTest::Absent => self.push("1 = 0"),
            TextTest::Present => self.push("1 = 1"),
        }
        Ok(())
    }

    fn tag(&mut self, name: &str, test: &TextTest) -> Outcome<()> {
        let named = Sql::new("name = ?").bind(name);
        let fits = match test {
            TextTest::Is(value) | TextTest::IsNot(value) => named.push(" AND value = ?").bind(value.as_str()),
            TextTest::In(values) => named.push(" AND value IN ").list(values.iter().map(String::as_str)),
            TextTest::Contains(_) | TextTest::Absent | TextTest::Present => named,
        };
        self.has_row(!matches!(test, TextTest::IsNot(_) | TextTest::Absent), "device_tags", fits)
    }

    fn has_row(&mut self, has: bool, table: &str, fits: Sql) -> Outcome<()> {
        let condition = has_row(self.db, self.purpose, has, table, fits)?;
        self.sql = std::mem::take(&mut self.sql).append(condition);
        Ok(())
    }

    fn module(&mut self, module: &ModuleName, test: &VersionTest) -> Outcome<()> {
        // Of a device without the module: where it is meant, those with a version that is not meant are left out.
        let without = test.matches(None);
        let mut named: Vec<Version> = Vec::new();
        for version in versions_of(self.db, module)? {
            if test.matches(Some(&version)) != without {
                named.push(version);
            }
        }
        if named.is_empty() {
            self.push(if without { "1 = 1" } else { "1 = 0" });
            return Ok(());
        }
        let fits = Sql::new("module = ? AND version IN ").bind(module.as_str());
        self.has_row(!without, "device_modules", fits.list(named.iter().map(Version::as_str)))
    }

    /// A device has one status or none, so its numbers are beside it and need not be looked for.
    fn number(&mut self, field: NumberField, test: &NumberTest) {
        let column = column(field);
        match test {
            NumberTest::Compare(how, number) => {
                let not = if *how == Comparison::IsNot { "NOT " } else { "" };
                self.push(&format!("{not}COALESCE({column} {} ?, 0)", sign(*how)));
                self.bind(Some(number.get()));
            }
            NumberTest::In(numbers) => {
                self.push(&format!("COALESCE({column} IN "));
                self.list(numbers.iter().map(|number| Some(number.get())));
                self.push(", 0)");
            }
            NumberTest::Absent => self.push(&format!("{column} IS NULL")),
            NumberTest::Present => self.push(&format!("{column} IS NOT NULL")),
        }
    }
}

/// Whether it asks for rows that are not beside the device's own.
fn looks_elsewhere(tree: &FilterTree) -> bool {
    match tree {
        FilterTree::Or(parts) | FilterTree::And(parts) => parts.iter().any(looks_elsewhere),
        FilterTree::Not(part) => looks_elsewhere(part),
        FilterTree::Text(field, _) => matches!(field, TextField::Tag(_)),
        FilterTree::Module(..) => true,
        FilterTree::Online(_) | FilterTree::Number(..) | FilterTree::Location(_) | FilterTree::Field(..) => false,
    }
}

const fn sign(how: Comparison) -> &'static str {
    match how {
        // What differs is what is not the same, and left out.
        Comparison::Is | Comparison::IsNot => "=",
        Comparison::Below => "<",
        Comparison::AtMost => "<=",
        Comparison::Above => ">",
        Comparison::AtLeast => ">=",
    }
}

const fn column(field: NumberField) -> &'static str {
    match field {
        NumberField::Cpu => "s.cpu_utilization",
        NumberField::Load => "s.load_average",
        NumberField::Temperature => "s.temperature",
        NumberField::Disk => "s.disk_used_percent",
        NumberField::Speed => "s.speed",
        NumberField::Latitude => "s.latitude",
        NumberField::Longitude => "s.longitude",
    }
}

/// Every version of a module that any device runs, by leaps over the index: a row a version, not a row a device.
pub(super) fn versions_of(db: &mut Db, module: &ModuleName) -> Outcome<Vec<Version>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
        version: Option<String>,
    }
    let mut found: Vec<Version> = Vec::new();
    let mut last = String::new();
    loop {
        let sql = Sql::new("SELECT MIN(version) AS version FROM device_modules WHERE module = ? AND version > ?");
        let rows: Vec<Row> = sql.bind(module.as_str()).bind(last.as_str()).load(db)?;
        let Some(version) = rows.into_iter().next().and_then(|row| row.version) else { return Ok(found) };
        found.push(parsed(&version)?);
        last = version;
    }
}
