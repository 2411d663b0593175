//! What templates say in the page's language.
//!
//! | written | becomes |
//! | --- | --- |
//! | `{{t "devices-count" n=total}}` | the message, with what goes into it |
//! | `{{html "devices-empty" name=name}}` | a message with markup of its own; what goes into it is escaped |
//! | `{{word "assignment" state}}` | the message `assignment-STATE`; for what has no message, the text as a sentence |
//! | `{{sentence why}}` | what the program says in English, in the page's language; any other text as it is |
//! | `{{say reason}}` | a `Phrase` that the page made; nothing for null |
//! | `{{html "rollout-begun" at=(moment created_at)}}` | a time within a sentence |

use std::sync::Arc;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError, RenderErrorReason,
    ScopedJson, html_escape,
};
use serde_json::{Map, Value, json};

use crate::web::words::{Words, WordsError};

pub(super) fn add_helpers(registry: &mut Handlebars<'static>, words: Arc<Words>) {
    registry.register_helper("t", Box::new(Text(words.clone())));
    registry.register_helper("html", Box::new(Markup(words.clone())));
    registry.register_helper("word", Box::new(Word(words.clone())));
    registry.register_helper("sentence", Box::new(Said(words.clone())));
    registry.register_helper("say", Box::new(Said(words)));
    registry.register_helper("moment", Box::new(Moment));
}

struct Text(Arc<Words>);
struct Markup(Arc<Words>);
struct Word(Arc<Words>);
struct Said(Arc<Words>);
struct Moment;

fn failed(error: WordsError) -> RenderError {
    RenderErrorReason::NestedError(Box::new(error)).into()
}

/// A helper's parameter as text; nothing for null.
fn parameter(helper: &Helper<'_>, index: usize) -> String {
    match helper.param(index).map(handlebars::PathAndJson::value) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(value) => value.to_string(),
    }
}

impl HelperDef for Text {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let with = helper.hash().iter().map(|(name, value)| (*name, value.value()));
        Ok(ScopedJson::Derived(self.0.say(&parameter(helper, 0), with).map_err(failed)?.into()))
    }
}

impl HelperDef for Markup {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let mut with = Map::new();
        for (name, value) in helper.hash() {
            let value = match value.value() {
                Value::String(text) => html_escape(text).into(),
                Value::Object(object) if object.contains_key("html") => object["html"].clone(),
                phrase @ Value::Object(_) => html_escape(&self.0.phrase(phrase).map_err(failed)?).into(),
                other => other.clone(),
            };
            with.insert((*name).to_owned(), value);
        }
        let with = with.iter().map(|(name, value)| (name.as_str(), value));
        out.write(&self.0.say(&parameter(helper, 0), with).map_err(failed)?)?;
        Ok(())
    }
}

impl HelperDef for Word {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let code = parameter(helper, 1);
        let message = format!("{}-{code}", parameter(helper, 0));
        let said =
            if self.0.has(&message) { self.0.say(&message, []).map_err(failed)? } else { self.0.sentence(&code) };
        Ok(ScopedJson::Derived(said.into()))
    }
}

impl HelperDef for Said {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let said = match helper.param(0).map(handlebars::PathAndJson::value) {
            None | Some(Value::Null) => String::new(),
            Some(phrase) => self.0.phrase(phrase).map_err(failed)?,
        };
        Ok(ScopedJson::Derived(said.into()))
    }
}

impl HelperDef for Moment {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let at = html_escape(&parameter(helper, 0));
        let utc = super::written_time(&Value::from(at.as_str()));
        let html = format!("<time datetime=\"{at}\" title=\"{utc} UTC\">{utc}<span class=\"zone\"> UTC</span></time>");
        Ok(ScopedJson::Derived(json!({ "html": html })))
    }
}
