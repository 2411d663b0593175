//! `/rollouts/new`: an update in two steps: choose, then see the plan and confirm. Going back keeps everything.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::{again, go_done, show};
use super::form::Pairs;
use super::rollout::{PolicyWords, TargetWords};
use super::rollout_form::{RolloutForm, carried};
use super::shell::{View, shown};
use crate::actors::RolloutError;
use crate::domain::{
    Exclusion, ExclusionReason, Filter, Groups, ModuleName, Package, Plan, PlannedDevice, PlannedModule, Policy,
    RolloutRequest, Target, Version,
};
use crate::store::ModuleSummary;
use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::api::rollouts::start_details;
use crate::web::error::{Answer, ApiError};
use crate::web::fleet_counts::{fitting, recent_modules};

/// Rows shown of a long list in the plan.
pub const SHOWN: usize = 200;
/// Versions of a module that can be chosen.
pub const VERSIONS: u32 = 50;
/// Tags that are named beside the field.
const TAGS: usize = 30;

/// Step 1.
#[derive(Debug, Serialize)]
pub struct Choose {
    pub modules: Vec<Choice>,
    pub form: RolloutForm,
    pub devices: u64,
    /// Tags that devices have, `region=east`.
    pub known_tags: Vec<String>,
    /// Names of saved filters.
    pub groups: Vec<String>,
    /// Devices that fit the filter or the group that is chosen.
    pub fitting: Option<u64>,
    /// What is wrong with no field in particular.
    pub problem: Option<String>,
}

impl View for Choose {
    const TEMPLATE: &'static str = "rollout_new";
}

/// The versions of a module to choose from.
#[derive(Debug, Serialize)]
pub struct Choice {
    pub name: ModuleName,
    pub current: Option<Version>,
    pub options: Vec<VersionOption>,
    /// Whether "no change" is chosen.
    pub keep: bool,
}

#[derive(Debug, Serialize)]
pub struct VersionOption {
    pub version: Version,
    pub size: u64,
    pub chosen: bool,
    pub newest: bool,
    pub current: bool,
    /// Devices that run it.
    pub devices: u64,
}

impl Choice {
    /// The choice of a module's version. Chosen is what was typed; before that, the newest where some device that
    /// has the module runs another version.
    #[must_use]
    pub fn new(module: &ModuleSummary, mut packages: Vec<Package>, typed: Option<&str>) -> Self {
        packages.sort_by(|a, b| b.version.compare(&a.version).then_with(|| b.created_at.cmp(&a.created_at)));
        let devices = |version: &Version| module.devices.iter().find(|(v, _)| v == version).map_or(0, |(_, n)| *n);
        let newest = packages.first().map(|package| package.version.clone());
        let worth =
            module.devices.is_empty() || module.devices.iter().any(|(version, _)| Some(version) != newest.as_ref());
        let preselected = newest.as_ref().filter(|_| worth).map(Version::as_str);
        let chosen = typed.or(preselected).unwrap_or_default().to_owned();
        let option = |package: &Package| VersionOption {
            chosen: package.version.as_str() == chosen,
            newest: Some(&package.version) == newest.as_ref(),
            current: Some(&package.version) == module.current_version.as_ref(),
            devices: devices(&package.version),
            version: package.version.clone(),
            size: package.size,
        };
        let options: Vec<VersionOption> = packages.iter().map(option).collect();
        let keep = options.iter().all(|option| !option.chosen);
        Self { name: module.name.clone(), current: module.current_version.clone(), options, keep }
    }
}

/// Step 2.
#[derive(Debug, Serialize)]
pub struct Confirm {
    /// The form, hidden.
    pub carried: Vec<Carried>,
    pub packages: Vec<Chosen>,
    pub target: TargetWords,
    pub policy: PolicyWords,
    pub allow_rollback: bool,
    pub devices: usize,
    pub offline: usize,
    pub rollbacks: usize,
    pub bytes_to_send: u64,
    pub stages: Vec<StageWords>,
    /// At most [`SHOWN`] of `devices`.
    pub changes: Vec<ChangeRow>,
    pub excluded: usize,
    /// At most [`SHOWN`] of `excluded`.
    pub exclusions: Vec<ExclusionRow>,
    pub reasons: Vec<ReasonCount>,
}

impl View for Confirm {
    const TEMPLATE: &'static str = "rollout_plan";
}

#[derive(Debug, Serialize)]
pub struct Carried {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Serialize)]
pub struct Chosen {
    pub module: ModuleName,
    pub version: Version,
}

#[derive(Debug, Serialize)]
pub struct StageWords {
    pub number: usize,
    pub devices: u32,
}

#[derive(Debug, Serialize)]
pub struct ChangeRow {
    pub name: String,
    pub device_id: String,
    pub online: bool,
    pub stage: u32,
    pub modules: Vec<ChangedModule>,
}

#[derive(Debug, Serialize)]
pub struct ChangedModule {
    pub name: ModuleName,
    pub from: Option<Version>,
    pub to: Version,
    pub rollback: bool,
}

#[derive(Debug, Serialize)]
pub struct ExclusionRow {
    pub name: String,
    pub device_id: String,
    pub module: ModuleName,
    pub from: Option<Version>,
    pub reason: ExclusionReason,
    /// `needs app1 >= 1.2`
    pub detail: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct ReasonCount {
    pub reason: ExclusionReason,
    pub count: usize,
}

impl Confirm {
    /// The plan of a request, with the form that made it.
    #[must_use]
    pub fn new(plan: Plan, request: &RolloutRequest, carried: Vec<(String, String)>) -> Self {
        let rollbacks = |device: &&PlannedDevice| device.modules.iter().any(|module| module.rollback);
        Self {
            carried: carried.into_iter().map(|(name, value)| Carried { name, value }).collect(),
            packages: request
                .packages
                .iter()
                .map(|(module, version)| Chosen { module: module.clone(), version: version.clone() })
                .collect(),
            target: (&request.target).into(),
            policy: (&request.policy).into(),
            allow_rollback: request.allow_rollback,
            devices: plan.changes.len(),
            offline: plan.changes.iter().filter(|device| !device.online).count(),
            rollbacks: plan.changes.iter().filter(rollbacks).count(),
            bytes_to_send: plan.bytes,
            stages: (1..).zip(&plan.stages).map(|(number, n)| StageWords { number, devices: *n }).collect(),
            reasons: reasons(&plan.excluded),
            excluded: plan.excluded.len(),
            changes: plan.changes.into_iter().take(SHOWN).map(ChangeRow::from).collect(),
            exclusions: plan.excluded.into_iter().take(SHOWN).map(ExclusionRow::from).collect(),
        }
    }
}

/// Why modules are left out, and how many for each reason; the most frequent first.
fn reasons(excluded: &[Exclusion]) -> Vec<ReasonCount> {
    let mut counts: Vec<ReasonCount> = Vec::new();
    for exclusion in excluded {
        match counts.iter_mut().find(|known| known.reason == exclusion.reason) {
            Some(known) => known.count += 1,
            None => counts.push(ReasonCount { reason: exclusion.reason, count: 1 }),
        }
    }
    counts.sort_by_key(|known| std::cmp::Reverse(known.count));
    counts
}

impl From<PlannedDevice> for ChangeRow {
    fn from(device: PlannedDevice) -> Self {
        let module = |m: PlannedModule| ChangedModule { name: m.name, from: m.from, to: m.to, rollback: m.rollback };
        Self {
            name: shown(&device.name),
            device_id: device.device_id.to_string(),
            online: device.online,
            stage: device.stage,
            modules: device.modules.into_iter().map(module).collect(),
        }
    }
}

impl From<Exclusion> for ExclusionRow {
    fn from(exclusion: Exclusion) -> Self {
        Self {
            name: shown(&exclusion.name),
            device_id: exclusion.device_id.to_string(),
            module: exclusion.module,
            from: exclusion.from,
            reason: exclusion.reason,
            detail: exclusion.detail.as_deref().map(shown),
        }
    }
}

/// `GET /rollouts/new`: step 1; a query of the form's fields fills it.
///
/// # Errors
/// 503 without the database.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Operator) -> Answer {
    let form = RolloutForm::typed(&Pairs::of_query(&request), &usual(&state));
    show(&request, choose(&state, form, None).await?)
}

/// `POST /rollouts/new`: back from the plan to step 1, with everything typed.
///
/// # Errors
/// 503 without the database.
pub async fn back(request: HttpRequest, state: web::Data<WebState>, _: Operator, body: web::Bytes) -> Answer {
    let form = RolloutForm::typed(&Pairs::of_form(&body), &usual(&state));
    show(&request, choose(&state, form, None).await?)
}

/// `POST /rollouts/plan`: step 2; creates nothing.
///
/// # Errors
/// 503; what is wrong with the form is said at its fields.
pub async fn plan(request: HttpRequest, state: web::Data<WebState>, operator: Operator, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let mut form = RolloutForm::typed(&pairs, &usual(&state));
    let Some(wanted) = form.request(&operator.name, &state.store.groups().await?) else {
        return again(&request, choose(&state, form, None).await?);
    };
    match state.fleet.plan(wanted.clone()).await {
        Ok(plan) => show(&request, Confirm::new(plan, &wanted, carried(&pairs))),
        Err(error) => refused(&request, &state, form, error).await,
    }
}

/// `POST /rollouts`: starts it.
///
/// # Errors
/// 503; what is wrong with the form is said at its fields.
pub async fn start(request: HttpRequest, state: web::Data<WebState>, operator: Operator, body: web::Bytes) -> Answer {
    let mut form = RolloutForm::typed(&Pairs::of_form(&body), &usual(&state));
    let Some(wanted) = form.request(&operator.name, &state.store.groups().await?) else {
        return again(&request, choose(&state, form, None).await?);
    };
    let details = start_details(&wanted);
    match state.fleet.start(wanted).await {
        Ok(id) => {
            state.tell(&operator, "rollout.start", &id.to_string(), &details).await;
            Ok(go_done(&format!("/rollouts/{id}"), "rollout_started"))
        }
        Err(error) => refused(&request, &state, form, error).await,
    }
}

/// The policy of a form that says nothing else.
fn usual(state: &WebState) -> Policy {
    Policy { health_window_s: state.config.health_window_s, ..Policy::default() }
}

async fn refused(request: &HttpRequest, state: &WebState, mut form: RolloutForm, error: RolloutError) -> Answer {
    match error {
        RolloutError::Invalid(fields) => {
            for wrong in fields {
                form.refuse(&wrong.field, &wrong.message);
            }
            again(request, choose(state, form, None).await?)
        }
        RolloutError::Conflict(reason) => again(request, choose(state, form, Some(reason)).await?),
        other => Err(other.into()),
    }
}

async fn choose(state: &WebState, mut form: RolloutForm, problem: Option<String>) -> Result<Choose, ApiError> {
    let mut modules = Vec::new();
    for module in recent_modules(state).await?.iter() {
        let packages = state.store.packages(Some(module.name.clone()), None, VERSIONS).await??.items;
        let typed = form.chosen.iter().find(|(name, _)| *name == module.name.as_str()).map(|(_, v)| v.as_str());
        // Once anything was chosen, what was not chosen stays as it is.
        let typed = typed.or_else(|| (!form.chosen.is_empty()).then_some(""));
        modules.push(Choice::new(module, packages, typed));
    }
    if modules.iter().all(|module| module.options.is_empty()) {
        modules.clear();
    }
    let tags = state.store.tag_values().await?;
    let groups = state.store.groups().await?;
    let fits = fits(state, &mut form, &groups).await?;
    Ok(Choose {
        modules,
        form,
        groups: groups.into_keys().collect(),
        fitting: fits,
        devices: fitting(state, None).await?,
        known_tags: tags.iter().take(TAGS).map(|(name, value)| shown(&format!("{name}={value}"))).collect(),
        problem,
    })
}

/// How many devices fit what is chosen; `None` where that is everybody, or can't be read.
async fn fits(state: &WebState, form: &mut RolloutForm, groups: &Groups) -> Result<Option<u64>, ApiError> {
    let target = match form.target.value.as_str() {
        "filter" if !form.filter.is_empty() => form.read_filter(),
        "group" => groups.get(&form.group.value).cloned().map(Target::Filter),
        "tags" if !form.tags.is_empty() => form.read_tags(),
        "device_ids" if !form.device_ids.is_empty() => form.read_device_ids().map(Target::DeviceIds),
        _ => None,
    };
    let Some(filter) = target.as_ref().and_then(written_filter) else { return Ok(None) };
    Ok(Some(fitting(state, Some(filter)).await?))
}

/// The filter that means the same; `None` where it would be too long.
fn written_filter(target: &Target) -> Option<Filter> {
    let quoted = |text: &str| if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") };
    match target {
        Target::Filter(filter) => Some(filter.clone()),
        Target::Tags(tags) => {
            let parts: Vec<String> =
                tags.iter().map(|(name, value)| format!("tag.{name} = {}", quoted(value))).collect();
            Filter::parse(&parts.join(" and ")).ok()
        }
        Target::DeviceIds(ids) => {
            let ids: Vec<String> = ids.iter().map(|id| quoted(id.as_str())).collect();
            Filter::parse(&format!("id in ({})", ids.join(", "))).ok()
        }
        Target::All | Target::Static(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DeviceId, Tags};

    #[test]
    fn tags_and_names_are_counted_by_the_filter_that_means_the_same() {
        let tags = Target::Tags(Tags::from([("region".into(), "north east".into()), ("kind".into(), "b\"us".into())]));
        let expected = "tag.kind = 'b\"us' and tag.region = \"north east\"";
        assert_eq!(written_filter(&tags).unwrap().as_str(), expected);
        let ids = Target::DeviceIds(["t-1", "and"].map(|id| DeviceId::new(id).unwrap()).into());
        assert_eq!(written_filter(&ids).unwrap().as_str(), "id in (\"t-1\", \"and\")");
    }
}
