//! `/api/v1/devices`: every terminal, what it runs and how it is.

use actix_web::{HttpResponse, web};
use chrono::TimeDelta;
use serde_json::json;

use super::device_views::{DeviceView, Known, SampleView};
use super::{done, found, from_path, list};
use crate::domain::{Attention, Device, DeviceId, Tags, millis_rfc3339};
use crate::store::{DeviceQuery, DeviceSort, Watched};
use crate::web::WebState;
use crate::web::access::{Admin, Operator, Viewer};
use crate::web::error::{Answer, ApiError};
use crate::web::fleet_counts::limits;
use crate::web::params::{JsonBody, Params};

/// The close code of a device that may not be one any more.
const REVOKED: u16 = 4003;
/// A chart has about this many points when nobody says how many.
const POINTS: i64 = 1000;

/// The filters, order and place of a list of devices, as the API and the pages take them.
pub fn query(params: &mut Params) -> DeviceQuery {
    let (sort, descending) = params.take_with("sort", parse_sort).unwrap_or_default();
    DeviceQuery {
        q: params.take_with("q", |text| short(text, 200).map(|()| text.to_owned())),
        online: params.take_with("online", |text| text.parse().map_err(|_| "must be true or false".to_owned())),
        tag: params.take_with("tag", parse_tag),
        module: params.take("module"),
        version: params.take("version"),
        filter: params.take("filter"),
        sort,
        descending,
        attention: None,
        after: params.text("after"),
        limit: params.limit(),
    }
}

/// The same with what needs the clock and the configuration: `attention`.
pub(super) fn asked(state: &WebState, params: &mut Params) -> DeviceQuery {
    let attention = params.take("attention").map(|what| watched(state, what));
    DeviceQuery { attention, ..query(params) }
}

/// A kind of trouble as it is now.
pub fn watched(state: &WebState, what: Attention) -> Watched {
    Watched { what, now: state.clock.now(), limits: limits(state) }
}

fn parse_sort(text: &str) -> Result<(DeviceSort, bool), String> {
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let sort = match name {
        "name" => DeviceSort::Name,
        "device_id" => DeviceSort::DeviceId,
        "online" => DeviceSort::Online,
        "last_report" => DeviceSort::LastReport,
        _ => return Err("must be name, device_id, online or last_report, with a - before it to turn it".to_owned()),
    };
    Ok((sort, descending))
}

fn parse_tag(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    if name.is_empty() {
        return Err("must be NAME or NAME=VALUE".to_owned());
    }
    short(text, 300)?;
    Ok((name.to_owned(), value.map(str::to_owned)))
}

fn short(text: &str, most: usize) -> Result<(), String> {
    if text.chars().count() > most { Err(format!("must be at most {most} characters")) } else { Ok(()) }
}

/// `GET /api/v1/devices?q=&online=&tag=&module=&version=&filter=&attention=&sort=&limit=&after=`
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Viewer, mut params: Params) -> Answer {
    let query = asked(&state, &mut params);
    params.finish()?;
    let page = state.store.devices(query).await??;
    let newest = state.store.newest_assignments(page.items.iter().map(|device| device.key_id).collect()).await?;
    Ok(list(&DeviceView::all(&page.items, &newest), page.next.as_deref()))
}

/// `GET /api/v1/devices/{device_id}`
///
/// # Errors
/// 404
pub async fn one(state: web::Data<WebState>, _: Viewer, id: web::Path<String>) -> Answer {
    let device = find(&state, &id).await?;
    Ok(HttpResponse::Ok().json(Known::read(&state, device).await?.page()))
}

/// `GET /api/v1/devices/{device_id}/history?from=&to=&step=`: the last day, when nothing is said. `step` is in
/// seconds, 0 for every sample.
///
/// # Errors
/// 404, 422
pub async fn history(state: web::Data<WebState>, _: Viewer, id: web::Path<String>, mut params: Params) -> Answer {
    let now = state.clock.now();
    let to = params.time("to").unwrap_or(now);
    let from = params.time("from").unwrap_or(to - TimeDelta::days(1));
    let step: Option<u32> = params.take_with("step", |text| match text.parse() {
        Ok(step @ 0..=604_800) => Ok(step),
        _ => Err("must be 0 to 604800 seconds".to_owned()),
    });
    if from > to {
        params.complain("from", "must not be after `to`");
    }
    params.finish()?;
    let step_s = step.unwrap_or_else(|| u32::try_from((to - from).num_seconds() / POINTS).unwrap_or(604_800));
    let device = find(&state, &id).await?;
    let samples = state.store.history(device.key_id, from, to, step_s).await?;
    let items: Vec<SampleView> = samples.into_iter().map(|(at, sample)| SampleView { at, sample }).collect();
    let (from, to) = (millis_rfc3339::text(from), millis_rfc3339::text(to));
    Ok(HttpResponse::Ok().json(json!({"items": items, "next": null, "from": from, "to": to, "step": step_s})))
}

/// `PATCH /api/v1/devices/{device_id}`: `{"name","tags"}`; the tags take the place of those there are.
///
/// # Errors
/// 404, 422
pub async fn change(
    state: web::Data<WebState>,
    operator: Operator,
    id: web::Path<String>,
    mut body: JsonBody,
) -> Answer {
    let name: Option<String> = body.take("name");
    let tags: Option<Tags> = body.take("tags");
    body.check("name", name.as_ref(), |name| check_name(name));
    body.check("tags", tags.as_ref(), check_tags);
    body.finish()?;
    let device = find(&state, &id).await?;
    let device_id = &device.device_id;
    let acting = state.acting(&operator, "device.change", device_id.as_str(), &json!({ "name": name, "tags": tags }));
    found(acting.update_device(device_id, name, tags).await?, "device")?;
    state.fleet.device_changed(device.key_id).await;
    let device = find(&state, device_id.as_str()).await?;
    Ok(HttpResponse::Ok().json(Known::read(&state, device).await?.page()))
}

/// What people may call a device.
///
/// # Errors
/// A sentence that says what would be valid.
pub fn check_name(name: &str) -> Result<(), String> {
    let good = (1..=190).contains(&name.chars().count()) && name.trim() == name && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err("must be 1 to 190 printable characters, without a space at either end".to_owned()) }
}

/// The tags a device may have: at most 50, named like devices, with values of up to 190 characters.
///
/// # Errors
/// A sentence that says what would be valid.
pub fn check_tags(tags: &Tags) -> Result<(), String> {
    if tags.len() > 50 {
        return Err("must be at most 50 tags".to_owned());
    }
    for (name, value) in tags {
        if DeviceId::new(name).is_err() {
            let shown: String = name.chars().take(80).collect();
            return Err(format!("the tag name {shown:?} must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"));
        }
        if value.chars().count() > 190 || value.chars().any(char::is_control) {
            return Err(format!("the value of {name:?} must be at most 190 printable characters"));
        }
    }
    Ok(())
}

/// `DELETE /api/v1/devices/{device_id}`: the device, its data and its token.
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let device_id: DeviceId = from_path(&id, "device")?;
    let acting = state.acting(&admin, "device.delete", device_id.as_str(), &json!({}));
    let deleted = acting.delete_device(&device_id).await?;
    let key_id = deleted.ok_or_else(|| ApiError::not_found("such device"))?;
    tracing::info!(%device_id, %key_id, by = admin.name, "device deleted");
    state.fleet.device_deleted(key_id).await;
    Ok(done())
}

/// `POST /api/v1/devices/{device_id}/allow-enrolment`: lets an enrolment token in for this `device_id` once more,
/// after a device lost its own.
///
/// # Errors
/// 404
pub async fn allow_enrolment(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let device = find(&state, &id).await?;
    let details = json!({ "allowed": true });
    let acting = state.acting(&admin, "device.allow_enrolment", device.device_id.as_str(), &details);
    found(acting.allow_enrolment(&device.device_id, true).await?, "device")?;
    tracing::info!(device_id = %device.device_id, by = admin.name, "device may enrol again");
    show(&state, &device.device_id).await
}

/// `POST /api/v1/devices/{device_id}/revoke-token`: the device's token is void, its connection ends.
///
/// # Errors
/// 404
pub async fn revoke_token(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let device = find(&state, &id).await?;
    let acting = state.acting(&admin, "device.revoke_token", device.device_id.as_str(), &json!({}));
    found(acting.set_device_token(&device.device_id, None).await?, "device")?;
    tracing::info!(device_id = %device.device_id, by = admin.name, "device token revoked");
    state.fleet.disconnect(device.key_id, REVOKED, "revoked").await;
    show(&state, &device.device_id).await
}

/// `GET /api/v1/devices/{device_id}/connections?limit=`: how it came and went, newest first.
///
/// # Errors
/// 404, 422
pub async fn connections(state: web::Data<WebState>, _: Viewer, id: web::Path<String>, mut params: Params) -> Answer {
    let limit = params.limit();
    params.finish()?;
    let device = find(&state, &id).await?;
    Ok(list(&state.store.connections_of(device.key_id, limit).await?, None))
}

async fn show(state: &WebState, device_id: &DeviceId) -> Answer {
    let device = find(state, device_id.as_str()).await?;
    Ok(HttpResponse::Ok().json(Known::read(state, device).await?.page()))
}

pub(super) async fn find(state: &WebState, id: &str) -> Result<Device, ApiError> {
    let device_id: DeviceId = from_path(id, "device")?;
    state.store.device(&device_id).await?.ok_or_else(|| ApiError::not_found("such device"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_filtered_as_asked() {
        let mut params = Params::read("q=bus&online=true&tag=region%3Deast&module=app1&sort=-last_report&limit=7");
        let query = query(&mut params);
        assert_eq!(params.finish(), Ok(()));
        assert_eq!(query.tag, Some(("region".to_owned(), Some("east".to_owned()))));
        assert_eq!((query.sort, query.descending, query.limit), (DeviceSort::LastReport, true, 7));
    }

    #[test]
    fn a_filter_that_is_wrong_is_named() {
        let mut params = Params::read("online=1&tag=%3Dx&module=a%20b&version=%2F&sort=up&limit=501&colour=red");
        query(&mut params);
        let error = params.finish().unwrap_err();
        let fields: Vec<&str> = error.fields.keys().map(String::as_str).collect();
        assert_eq!(fields, ["colour", "limit", "module", "online", "sort", "tag", "version"]);
    }

    #[test]
    fn names_and_tags_are_plain() {
        let tags = |name: &str, value: &str| check_tags(&[(name.to_owned(), value.to_owned())].into());
        assert!(tags("region", "east 1 é").is_ok() && tags("region", "").is_ok());
        assert!(tags("a b", "x").is_err() && tags("", "x").is_err() && tags("a", "x\ny").is_err());
        assert!(tags("a", &"x".repeat(191)).is_err());
        assert!(check_tags(&(0..51).map(|n| (n.to_string(), String::new())).collect()).is_err());
        assert!(check_name("Bus 7").is_ok() && check_name("").is_err() && check_name(" a").is_err());
    }
}
