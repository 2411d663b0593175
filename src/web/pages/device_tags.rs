//! `/device-tags`: tags of the terminals that were ticked in the fleet table, or of all that match.

use actix_web::{HttpRequest, web};

use super::answer::{again, go_done};
use super::device::read_tags;
use super::devices::{self, Devices};
use super::fleet_query::Asked;
use super::form::{Field, Pairs};
use crate::domain::DeviceId;
use crate::store::{DeviceQuery, Tagged};
use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::api::device_tags::{Whose, tag};
use crate::web::api::devices::watched;
use crate::web::error::{Answer, ApiError};

/// `POST /device-tags`: form `scope` (`ticked` or `matching`), `id` any number of times, `query`, `after`, `set`
/// (`name=value`), `remove` (a name).
///
/// # Errors
/// 503 without the database; tags that can't be, and that nothing was ticked, are said at their fields of the list.
pub async fn change(request: HttpRequest, state: web::Data<WebState>, operator: Operator, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let asked = Asked::of(&Pairs::of_text(pairs.raw("query")));
    let error = match tagged(&state, &operator, &pairs, &asked).await {
        Ok(tagged) => {
            let done = if tagged.full > 0 { "devices_tagged_some" } else { "devices_tagged" };
            return Ok(go_done(&asked.page(None), done));
        }
        Err(error) if error.fields.is_empty() => return Err(error),
        Err(error) => error,
    };
    let mut page = devices::read(&state, asked, pairs.text("after")).await?;
    page.refuse_tags(&pairs, &error);
    again(&request, page)
}

async fn tagged(
    state: &web::Data<WebState>,
    operator: &Operator,
    pairs: &Pairs,
    asked: &Asked,
) -> Result<Tagged, ApiError> {
    let set = read_tags(pairs.text("set")).map_err(|_| ApiError::field("set", "tag"))?;
    let remove = Some(pairs.text("remove").to_owned()).filter(|name| !name.is_empty()).into_iter().collect();
    let whose = match pairs.text("scope") {
        "matching" if asked.impossible || asked.filter.fault.is_some() => Whose::Named(Vec::new()),
        "matching" => {
            let attention = asked.trouble().map(|what| watched(state, what));
            Whose::Matching(Box::new(DeviceQuery { attention, ..asked.query(None) }))
        }
        _ => {
            let ids: Vec<DeviceId> = ticked(pairs).collect();
            if ids.is_empty() {
                return Err(ApiError::field("id", "choose"));
            }
            Whose::Named(ids)
        }
    };
    tag(state, operator, whose, set, remove).await
}

fn ticked(pairs: &Pairs) -> impl Iterator<Item = DeviceId> {
    pairs.every("id").filter_map(|id| DeviceId::new(id).ok())
}

impl Devices {
    /// Gives back what was ticked and typed to change tags with, and says what is wrong with it.
    fn refuse_tags(&mut self, pairs: &Pairs, error: &ApiError) {
        let tagging = &mut self.tagging;
        tagging.again = true;
        tagging.matching = pairs.text("scope") == "matching";
        tagging.set = Field::typed(pairs, "set");
        tagging.remove = Field::typed(pairs, "remove");
        for (name, message) in &error.fields {
            match name.as_str() {
                "set" => tagging.set.refuse(message),
                "remove" => tagging.remove.refuse(message),
                _ => tagging.whose.refuse(message),
            }
        }
        for id in ticked(pairs) {
            match self.rows.iter_mut().find(|row| row.device_id == id) {
                Some(row) => row.ticked = true,
                None => tagging.elsewhere.push(id),
            }
        }
    }
}
