//! `/api/v1/devices.csv`: the fleet table as a file, written while it is read.

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::web::{self, Bytes};
use futures_util::stream::{Stream, unfold};

use super::devices::asked;
use crate::domain::{Device, KeyId, ModuleName, Sample, Timestamp, millis_rfc3339};
use crate::store::DeviceQuery;
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::api::device_views::Newest;
use crate::web::error::Answer;
use crate::web::fleet_counts::counted;
use crate::web::params::Params;

/// Rows read at once.
const ROWS: u32 = 500;
/// Modules that have columns.
const MODULES: usize = 50;

/// `GET /api/v1/devices.csv?q=&online=&tag=&module=&version=&filter=&attention=&sort=`: every device that matches.
///
/// # Errors
/// 422
pub async fn export(state: web::Data<WebState>, _: Viewer, mut params: Params) -> Answer {
    let query = DeviceQuery { limit: ROWS, ..asked(&state, &mut params) };
    params.finish()?;
    // The first page is read now: a filter or a place that can't be is an answer, and not half a file.
    let first = state.store.devices(query.clone()).await??;
    let counted = counted(&state).await?;
    let modules: Vec<ModuleName> = counted
        .modules
        .iter()
        .filter(|module| !module.devices.is_empty())
        .map(|module| module.name.clone())
        .take(MODULES)
        .collect();
    let begin =
        Position { state: state.clone(), query, modules, next: Some(None), first: Some((first.items, first.next)) };
    let name = format!("terminals-{}.csv", state.clock.now().format("%Y-%m-%d"));
    let file = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(name)],
    };
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, file))
        .streaming(rows(begin)))
}

/// Where the writing stands.
struct Position {
    state: web::Data<WebState>,
    query: DeviceQuery,
    modules: Vec<ModuleName>,
    /// The place of the next page; `None` at the end.
    next: Option<Option<String>>,
    first: Option<(Vec<Device>, Option<String>)>,
}

fn rows(begin: Position) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    unfold(begin, |mut at| async move {
        let after = at.next.take()?;
        let piece = match piece(&mut at, after).await {
            Ok(text) => Ok(Bytes::from(text)),
            // The file is cut off, which the browser says: what was written can't be taken back.
            Err(error) => Err(actix_web::Error::from(error)),
        };
        Some((piece, at))
    })
}

async fn piece(at: &mut Position, after: Option<String>) -> Result<String, crate::web::error::ApiError> {
    let mut text = String::new();
    let (devices, next) = match at.first.take() {
        Some(first) => {
            // Spreadsheets take a file for UTF-8 by this mark alone.
            text.push('\u{feff}');
            line(&mut text, &heads(&at.modules));
            first
        }
        None => {
            let page = at.state.store.devices(DeviceQuery { after, ..at.query.clone() }).await??;
            (page.items, page.next)
        }
    };
    let newest = at.state.store.newest_assignments(devices.iter().map(|device| device.key_id).collect()).await?;
    for device in &devices {
        line(&mut text, &cells(device, &at.modules, &newest));
    }
    at.next = next.map(Some);
    Ok(text)
}

fn heads(modules: &[ModuleName]) -> Vec<String> {
    let fixed = ["name", "device_id", "state", "since", "last_report", "tags"].map(String::from);
    let of_modules = modules.iter().flat_map(|module| [format!("{module}_version"), format!("{module}_state")]);
    let numbers = ["cpu_percent", "load", "temperature_celsius", "disk_percent", "speed_km_h", "latitude", "longitude"];
    let all = fixed.into_iter().chain(of_modules).chain(numbers.map(String::from));
    all.map(|head| inert(&head)).collect()
}

fn cells(device: &Device, modules: &[ModuleName], newest: &Newest) -> Vec<String> {
    let time = |at: Option<Timestamp>| at.map(millis_rfc3339::text).unwrap_or_default();
    let tags: Vec<String> = device.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let state = if device.online { "online" } else { "offline" };
    let mut cells = vec![
        inert(&device.name),
        inert(device.device_id.as_str()),
        state.to_owned(),
        time(Some(device.since)),
        time(device.status.as_ref().map(|status| status.received_at)),
        inert(&tags.join("; ")),
    ];
    for module in modules {
        let key: (KeyId, ModuleName) = (device.key_id, module.clone());
        cells.push(device.modules.get(module).map(|version| inert(version.as_str())).unwrap_or_default());
        cells.push(newest.get(&key).map(|assignment| assignment.state.to_string()).unwrap_or_default());
    }
    let sample = device.status.as_ref().map_or_else(Sample::default, |status| status.report.sample());
    let numbers = [
        sample.cpu_utilization,
        sample.load_average,
        sample.temperature,
        sample.disk_used_percent,
        sample.speed,
        sample.latitude,
        sample.longitude,
    ];
    // A number of ours may begin with a minus: it is a number, and no formula.
    cells.extend(numbers.map(|number| number.map(|number| number.to_string()).unwrap_or_default()));
    cells
}

/// A text that no spreadsheet takes for a formula.
fn inert(text: &str) -> String {
    let formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

fn line(text: &mut String, cells: &[String]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r', ';', '\t']) || cell.starts_with(' ') || cell.ends_with(' ') {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_every_cell_is_read_back_as_one() {
        let mut text = String::new();
        let cells = ["=HYPERLINK(\"x\")", "+1", "-1", "@x", "\tx", "\rx", "a,b", "say \"no\"", "two\nlines", "plain"];
        line(&mut text, &cells.map(inert));
        let wanted = "\"'=HYPERLINK(\"\"x\"\")\",'+1,'-1,'@x,\"'\tx\",\"'\rx\",\"a,b\",\"say \"\"no\"\"\",\"two\nlines\",plain\r\n";
        assert_eq!(text, wanted);
    }
}
