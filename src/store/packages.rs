//! The catalogue of packages, and what is known of each module.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::connection::Db;
use super::cursor::{self, BadCursor, Page};
use super::dialect::{Sql, last_id};
use super::schema::{device_modules, modules, packages};
use super::stored::{NAME, fit, from_json, instant, millis, optional, parsed, sha256, size, to_json, whole};
use super::{Outcome, Result, Store};
use crate::domain::{
    AssignmentState, ModuleName, Package, PackageId, Requirements, RolloutId, RolloutState, Sha256Hex, Timestamp,
    Version,
};

#[derive(Debug, Clone)]
pub struct NewPackage {
    pub name: ModuleName,
    pub version: Version,
    pub size: u64,
    pub sha256: Sha256Hex,
    pub file_name: String,
    pub notes: String,
    pub requires: Requirements,
    pub created_by: String,
    /// As in [`Package`].
    pub signed_by: Option<String>,
    pub signature: Option<String>,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub enum AddPackage {
    Added(Package),
    /// Same name, version and bytes: nothing changed but the signature, where there is another one now.
    Same(Package),
    /// Same name and version, other bytes: nothing changed.
    Conflict(Package),
}

/// A rollout that still needs a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageUse {
    pub module: ModuleName,
    pub version: Version,
    pub rollout: RolloutId,
}

#[derive(Debug, Clone, PartialEq)]
pub enum DeletePackage {
    /// Gone; `last_of_its_bytes`: no other row has these bytes, so the blob may go.
    Deleted {
        package: Box<Package>,
        last_of_its_bytes: bool,
    },
    /// Live rollouts use it.
    InUse(Vec<RolloutId>),
    Missing,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ModuleSummary {
    pub name: ModuleName,
    /// What the newest rollout made current.
    pub current_version: Option<Version>,
    pub packages: u64,
    /// Devices on each version, newest version first.
    pub devices: Vec<(Version, u64)>,
}

impl Store {
    pub async fn add_package(&self, package: NewPackage) -> Result<AddPackage> {
        self.act(move |db| add(db, &package)).await
    }

    pub async fn package(&self, name: &ModuleName, version: &Version) -> Result<Option<Package>> {
        let (name, version) = (name.clone(), version.clone());
        self.read(move |db| find(db, &name, &version)).await
    }

    /// Newest upload first.
    pub async fn packages(
        &self,
        name: Option<ModuleName>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Page<Package>, BadCursor>> {
        let place: Option<i64> = match cursor::decode("packages", after.as_deref()) {
            Ok(place) => place,
            Err(bad) => return Ok(Err(bad)),
        };
        self.read(move |db| list(db, name.as_ref(), place, cursor::clamp(limit))).await.map(Ok)
    }

    /// Refused while a live rollout (see `RolloutState::is_live`), or a completed one with open assignments, uses it.
    pub async fn delete_package(&self, name: &ModuleName, version: &Version) -> Result<DeletePackage> {
        let (name, version) = (name.clone(), version.clone());
        self.act(move |db| delete(db, &name, &version)).await
    }

    /// Which rollouts still need which package: those for which it can't be deleted.
    pub async fn package_uses(&self) -> Result<Vec<PackageUse>> {
        self.read(|db| uses(db, None)).await
    }

    /// Every module that has a package or that a device lists, by name.
    pub async fn modules(&self) -> Result<Vec<ModuleSummary>> {
        self.read(summaries).await
    }

    /// The bytes that rows stand for, for the check at start.
    pub async fn package_hashes(&self) -> Result<Vec<(Sha256Hex, u64)>> {
        self.read(|db| {
            let rows: Vec<(String, i64)> =
                packages::table.select((packages::sha256, packages::size)).distinct().load(db)?;
            rows.into_iter().map(|(hash, size)| Ok((sha256(&hash)?, whole(size)?))).collect()
        })
        .await
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = packages)]
struct PackageRow {
    id: i64,
    name: String,
    version: String,
    size: i64,
    sha256: String,
    file_name: String,
    notes: String,
    created_at: i64,
    created_by: String,
    signed_by: Option<String>,
    signature: Option<String>,
    requirements: Option<String>,
}

impl PackageRow {
    fn package(self) -> Outcome<Package> {
        Ok(Package {
            id: PackageId(self.id),
            name: parsed(&self.name)?,
            version: parsed(&self.version)?,
            size: whole(self.size)?,
            sha256: sha256(&self.sha256)?,
            file_name: self.file_name,
            notes: self.notes,
            created_at: instant(self.created_at)?,
            created_by: self.created_by,
            signed_by: self.signed_by,
            signature: self.signature,
            requires: self.requirements.as_deref().map(from_json).transpose()?.unwrap_or_default(),
        })
    }
}

/// The package of this name and version.
pub(super) fn find(db: &mut Db, name: &ModuleName, version: &Version) -> Outcome<Option<Package>> {
    let row = packages::table
        .filter(packages::name.eq(name.as_str()))
        .filter(packages::version.eq(version.as_str()))
        .select(PackageRow::as_select());
    row.get_result(db).optional()?.map(PackageRow::package).transpose()
}

fn add(db: &mut Db, new: &NewPackage) -> Outcome<AddPackage> {
    if let Some(known) = find(db, &new.name, &new.version)? {
        let same = known.sha256 == new.sha256 && known.size == new.size;
        return if same { sign_again(db, known, new).map(AddPackage::Same) } else { Ok(AddPackage::Conflict(known)) };
    }
    let row = (
        packages::name.eq(new.name.as_str()),
        packages::version.eq(new.version.as_str()),
        packages::size.eq(size(new.size)),
        packages::sha256.eq(new.sha256.as_str()),
        packages::file_name.eq(fit(&new.file_name, 255)),
        // A TEXT of MySQL has 65,535 bytes.
        packages::notes.eq(fit(&new.notes, 16_000)),
        packages::created_at.eq(millis(new.now)),
        packages::created_by.eq(fit(&new.created_by, NAME)),
        packages::requirements.eq(Some(to_json(&new.requires)?).filter(|_| !new.requires.is_empty())),
        packages::signed_by.eq(new.signed_by.as_deref().map(|by| fit(by, NAME))),
        packages::signature.eq(new.signature.as_deref()),
    );
    diesel::insert_into(packages::table).values(row).execute(db)?;
    let id = last_id(db)?;
    packages::table.find(id).select(PackageRow::as_select()).get_result(db)?.package().map(AddPackage::Added)
}

/// The same package with the signature that came with it this time; without one, as it was.
fn sign_again(db: &mut Db, known: Package, new: &NewPackage) -> Outcome<Package> {
    if new.signature.is_none() || new.signature == known.signature {
        return Ok(known);
    }
    let signed = (
        packages::signed_by.eq(new.signed_by.as_deref().map(|by| fit(by, NAME))),
        packages::signature.eq(new.signature.as_deref()),
    );
    diesel::update(packages::table.find(known.id.0)).set(signed).execute(db)?;
    packages::table.find(known.id.0).select(PackageRow::as_select()).get_result(db)?.package()
}

fn list(db: &mut Db, name: Option<&ModuleName>, place: Option<i64>, limit: usize) -> Outcome<Page<Package>> {
    let mut query = packages::table.select(PackageRow::as_select()).into_boxed();
    if let Some(name) = name {
        query = query.filter(packages::name.eq(name.as_str()));
    }
    if let Some(id) = place {
        query = query.filter(packages::id.lt(id));
    }
    let rows: Vec<PackageRow> = query.order(packages::id.desc()).limit(limit as i64 + 1).load(db)?;
    let (rows, next) = cursor::page(rows, limit, |row| cursor::encode("packages", &row.id));
    let items = rows.into_iter().map(PackageRow::package).collect::<Outcome<_>>()?;
    Ok(Page { items, next })
}

fn delete(db: &mut Db, name: &ModuleName, version: &Version) -> Outcome<DeletePackage> {
    let Some(package) = find(db, name, version)? else { return Ok(DeletePackage::Missing) };
    let users = uses(db, Some((name, version)))?;
    if !users.is_empty() {
        return Ok(DeletePackage::InUse(users.into_iter().map(|one| one.rollout).collect()));
    }
    diesel::delete(packages::table.find(package.id.0)).execute(db)?;
    let same_bytes = packages::table.filter(packages::sha256.eq(package.sha256.as_str()));
    let left: i64 = same_bytes.count().get_result(db)?;
    Ok(DeletePackage::Deleted { package: Box::new(package), last_of_its_bytes: left == 0 })
}

/// Live rollouts with their packages, and completed ones with the packages that are still on their way; of one
/// package, or of all.
fn uses(db: &mut Db, of: Option<(&ModuleName, &Version)>) -> Outcome<Vec<PackageUse>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        module: String,
        #[diesel(sql_type = Text)]
        version: String,
    }
    let live = RolloutState::ALL.into_iter().filter(|state| state.is_live()).map(RolloutState::as_str);
    let open = AssignmentState::ALL.into_iter().filter(|state| !state.is_final()).map(AssignmentState::as_str);
    let mut sql = Sql::new(
        "SELECT DISTINCT r.id, p.module, p.version FROM rollouts r JOIN rollout_packages p ON p.rollout_id = r.id \
         WHERE (r.state IN ",
    )
    .list(live)
    .push(
        " OR (r.state = ? AND EXISTS (SELECT 1 FROM assignments a \
         WHERE a.rollout_id = r.id AND a.module = p.module AND a.state IN ",
    )
    .bind(RolloutState::Completed.as_str())
    .list(open)
    .push(")))");
    if let Some((name, version)) = of {
        sql = sql.push(" AND p.module = ? AND p.version = ?").bind(name.as_str()).bind(version.as_str());
    }
    let rows: Vec<Row> = sql.push(" ORDER BY r.id").load(db)?;
    let read = |row: Row| {
        Ok(PackageUse { module: parsed(&row.module)?, version: parsed(&row.version)?, rollout: RolloutId(row.id) })
    };
    rows.into_iter().map(read).collect()
}

fn summaries(db: &mut Db) -> Outcome<Vec<ModuleSummary>> {
    let packages: Vec<(String, i64)> =
        packages::table.group_by(packages::name).select((packages::name, diesel::dsl::count_star())).load(db)?;
    let devices: Vec<(String, String, i64)> = device_modules::table
        .group_by((device_modules::module, device_modules::version))
        .select((device_modules::module, device_modules::version, diesel::dsl::count_star()))
        .load(db)?;
    let current: Vec<(String, Option<String>)> =
        modules::table.select((modules::name, modules::current_version)).load(db)?;
    let current: BTreeMap<String, Option<String>> = current.into_iter().collect();

    let mut found: BTreeMap<String, ModuleSummary> = BTreeMap::new();
    for (name, count) in packages {
        summary(&mut found, &current, &name)?.packages = whole(count)?;
    }
    for (name, version, count) in devices {
        summary(&mut found, &current, &name)?.devices.push((parsed(&version)?, whole(count)?));
    }
    let newest_first = |a: &Version, b: &Version| b.compare(a).then_with(|| a.as_str().cmp(b.as_str()));
    for module in found.values_mut() {
        module.devices.sort_by(|(a, _), (b, _)| newest_first(a, b));
    }
    Ok(found.into_values().collect())
}

/// The module's entry, made when it is named for the first time.
fn summary<'a>(
    found: &'a mut BTreeMap<String, ModuleSummary>,
    current: &BTreeMap<String, Option<String>>,
    name: &str,
) -> Outcome<&'a mut ModuleSummary> {
    if !found.contains_key(name) {
        let current_version = optional(current.get(name).and_then(Option::as_deref))?;
        let module = ModuleSummary { name: parsed(name)?, current_version, packages: 0, devices: Vec::new() };
        found.insert(name.to_owned(), module);
    }
    found.get_mut(name).ok_or_else(|| super::Fault::corrupt(name))
}
