//! The pages' templates: Handlebars in strict mode (a name that a page does not have is an error, not a blank), with
//! HTML escaping. A build for development follows changes on the disk.

use chrono::DateTime;
use handlebars::{Handlebars, handlebars_helper};
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::Value;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use super::assets::Assets;
use super::words::{Language, Words, WordsError, grouped};

mod said;

#[derive(RustEmbed)]
#[folder = "templates/"]
#[include = "*.hbs"]
struct Files;

/// Why pages can't be made: told at start, or logged with the page.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A template can't be read: a fault of the program.
    #[error("template {name}: {why}")]
    Broken { name: String, why: String },
    /// The languages can't be read: a fault of the program.
    #[error("languages: {0}")]
    Words(#[from] WordsError),
    /// A template asks for what its page does not have: a fault of the program.
    #[error("a page cannot be written: {0}")]
    Render(#[from] handlebars::RenderError),
}

/// All templates, by their path without `.hbs`: `devices`, `parts/layout`.
pub struct Templates {
    assets: Arc<Assets>,
    loaded: RwLock<Loaded>,
    /// Whether a template that changed on the disk is read again.
    follows: bool,
}

struct Loaded {
    /// One for each language, in the order of [`Language::ALL`].
    registries: Arc<[Handlebars<'static>; 2]>,
    words: [Arc<Words>; 2],
    /// When the newest of the files was changed; `None` where that is not known.
    changed: Option<u64>,
    /// When that was looked at.
    looked: Instant,
}

/// How often a change on the disk is looked for: it takes reading every file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Templates {
    /// Reads all templates. In a build for development, they are read again when one of them changed.
    ///
    /// # Errors
    /// [`TemplateError::Broken`] with the template's name and place.
    pub fn new(assets: Arc<Assets>) -> Result<Self, TemplateError> {
        let (registries, words) = read_all(&assets)?;
        let loaded = Loaded { registries, words, changed: changed(), looked: Instant::now() };
        Ok(Self { assets, loaded: RwLock::new(loaded), follows: cfg!(debug_assertions) })
    }

    /// Writes a page in a language.
    ///
    /// # Errors
    /// [`TemplateError::Render`] when the template wants something that `page` or the language has not.
    pub fn render<T: Serialize>(&self, language: Language, name: &str, page: &T) -> Result<String, TemplateError> {
        self.follow()?;
        let registries = self.loaded().registries.clone();
        Ok(registries[language as usize].render(name, page)?)
    }

    /// An English sentence of the program in a language; any other text as it is.
    #[must_use]
    pub fn sentence(&self, language: Language, text: &str) -> String {
        self.loaded().words[language as usize].sentence(text)
    }

    fn loaded(&self) -> RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads again what changed on the disk.
    fn follow(&self) -> Result<(), TemplateError> {
        if self.follows {
            let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
            if loaded.looked.elapsed() > LOOK_EVERY {
                let changed = changed();
                loaded.looked = Instant::now();
                if loaded.changed != changed {
                    (loaded.registries, loaded.words) = read_all(&self.assets)?;
                    loaded.changed = changed;
                }
            }
        }
        Ok(())
    }

    /// The names of all templates that are pages, not parts of pages.
    #[must_use]
    pub fn names() -> Vec<String> {
        let names = Files::iter().map(|file| file.trim_end_matches(".hbs").to_owned());
        names.filter(|name| !name.contains('/')).collect()
    }
}

fn changed() -> Option<u64> {
    let templates = Files::iter().filter_map(|file| Files::get(&file)?.metadata.last_modified()).max();
    templates.max(Words::changed())
}

type Everything = (Arc<[Handlebars<'static>; 2]>, [Arc<Words>; 2]);

fn read_all(assets: &Arc<Assets>) -> Result<Everything, TemplateError> {
    let [english, chinese] = Language::ALL.map(Words::new);
    let words = [Arc::new(english?), Arc::new(chinese?)];
    let [english, chinese] = words.each_ref().map(|words| read(assets, words.clone()));
    Ok((Arc::new([english?, chinese?]), words))
}

fn read(assets: &Arc<Assets>, words: Arc<Words>) -> Result<Handlebars<'static>, TemplateError> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.set_prevent_indent(true);
    add_helpers(&mut registry, assets.clone());
    said::add_helpers(&mut registry, words);
    for file in Files::iter() {
        let name = file.trim_end_matches(".hbs");
        let broken = |why: String| TemplateError::Broken { name: name.to_owned(), why };
        let bytes = Files::get(&file).ok_or_else(|| broken("is not there".to_owned()))?.data;
        let text = std::str::from_utf8(&bytes).map_err(|error| broken(error.to_string()))?;
        registry.register_template_string(name, text).map_err(|error| broken(error.to_string()))?;
    }
    Ok(registry)
}

fn add_helpers(registry: &mut Handlebars<'static>, assets: Arc<Assets>) {
    // {{utc since}}: `2026-11-22 08:48:00`; nothing for null.
    handlebars_helper!(utc: |at: Value| written_time(&at));
    // {{bytes size}}: `4.0 MiB`; nothing for null.
    handlebars_helper!(bytes: |n: Value| n.as_f64().map(written_bytes).unwrap_or_default());
    // {{plural n "terminal" "terminals"}}: `1 terminal`, `1,200 terminals`.
    handlebars_helper!(plural: |n: u64, one: str, many: str| {
        format!("{} {}", written_number(n), if n == 1 { one } else { many })
    });
    // {{number n}}: `1,200`.
    handlebars_helper!(number: |n: u64| written_number(n));
    // {{fixed x 1}}: `12.5`; nothing for null.
    handlebars_helper!(fixed: |x: Value, digits: u64| {
        x.as_f64().map(|x| format!("{x:.*}", digits as usize)).unwrap_or_default()
    });
    // {{url name}}: text as part of an address.
    handlebars_helper!(url: |text: str| crate::web::sign_in::query_value(text).replace('/', "%2F"));
    // {{concat "Update " id}}
    handlebars_helper!(concat: |one: Value, other: Value| format!("{}{}", plain(&one), plain(&other)));
    registry.register_helper("url", Box::new(url));
    registry.register_helper("concat", Box::new(concat));
    registry.register_helper("utc", Box::new(utc));
    registry.register_helper("bytes", Box::new(bytes));
    registry.register_helper("plural", Box::new(plural));
    registry.register_helper("number", Box::new(number));
    registry.register_helper("fixed", Box::new(fixed));
    registry.register_helper("asset", Box::new(AssetUrl { assets }));
}

/// `{{asset "css/app.css"}}`
struct AssetUrl {
    assets: Arc<Assets>,
}

impl handlebars::HelperDef for AssetUrl {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &handlebars::Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc handlebars::Context,
        _: &mut handlebars::RenderContext<'reg, 'rc>,
    ) -> Result<handlebars::ScopedJson<'rc>, handlebars::RenderError> {
        let path = helper.param(0).and_then(|path| path.value().as_str()).unwrap_or_default();
        Ok(handlebars::ScopedJson::Derived(self.assets.url(path).into()))
    }
}

fn written_time(at: &Value) -> String {
    let at = at.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    at.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn written_bytes(n: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut n, mut unit) = (n, 0);
    while n >= 1024.0 && unit + 1 < UNITS.len() {
        n /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n:.0} {}", UNITS[unit]) } else { format!("{n:.1} {}", UNITS[unit]) }
}

fn written_number(n: u64) -> String {
    i64::try_from(n).map_or_else(|_| n.to_string(), grouped)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_times_are_written_for_people() {
        assert_eq!(written_bytes(1023.0), "1023 B");
        assert_eq!(written_bytes(4.0 * 1024.0 * 1024.0), "4.0 MiB");
        assert_eq!(written_number(1_234_567), "1,234,567");
        assert_eq!(written_number(12), "12");
        assert_eq!(written_time(&json!("2026-11-22T08:48:00.123Z")), "2026-11-22 08:48:00");
        assert_eq!(written_time(&Value::Null), "");
    }

    #[test]
    fn a_name_that_a_page_does_not_have_is_an_error() {
        let templates = Templates::new(Arc::new(Assets::new())).unwrap();
        let registry = &templates.loaded().registries[0];
        assert!(registry.render_template("{{missing}}", &json!({"there": 1})).is_err());
    }

    #[test]
    fn text_is_escaped() {
        let templates = Templates::new(Arc::new(Assets::new())).unwrap();
        let registry = &templates.loaded().registries[0];
        let written = registry.render_template("{{x}}", &json!({"x": "<script>\"'"})).unwrap();
        assert!(!written.contains('<') && !written.contains('"'), "{written}");
    }
}
