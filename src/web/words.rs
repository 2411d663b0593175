//! What people read: every sentence of the pages, in each language, from `locales/LANGUAGE/*.ftl`.
//!
//! Templates name a message, `{{t "rollouts-title"}}`; code that has to say something gives its page a [`Phrase`].
//! A message that is not there, or that wants what it was not given, is a fault of the program, never a blank.
//!
//! What the rest of the program says in English (why a rollout paused, what is wrong with a field) is known here by
//! its English message, `sentence-NAME`, and said by the same message of the page's language.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::Value;

mod sentences;
#[cfg(test)]
mod tests;

use sentences::Sentences;

#[derive(RustEmbed)]
#[folder = "locales/"]
#[include = "*.ftl"]
struct Files;

/// A language that the pages speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Language {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "zh-CN")]
    Chinese,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// As `<html lang>`, the cookie and the folder below `locales` have it.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The language of a cookie.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The first language of a browser's list, best first, that is spoken here: `zh-TW` and `zh` are Chinese too.
    #[must_use]
    pub fn first_of<T: AsRef<str>>(tags: impl IntoIterator<Item = T>) -> Option<Self> {
        let main = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        tags.into_iter()
            .find_map(|tag| Self::ALL.into_iter().find(|language| main(language.tag()) == main(tag.as_ref())))
    }
}

/// A sentence for people that code decides on and the page's language words: the name of a message with what goes
/// into it, or a text that is the same in every language, such as one that a device wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Phrase {
    Message { message: Cow<'static, str>, with: BTreeMap<&'static str, Value> },
    Text(String),
}

impl Phrase {
    /// The message of this name.
    #[must_use]
    pub fn new(message: &'static str) -> Self {
        Self::Message { message: Cow::Borrowed(message), with: BTreeMap::new() }
    }

    /// With something that goes into the sentence: a text, a number, or another phrase.
    #[must_use]
    pub fn with<T: Serialize>(mut self, name: &'static str, value: T) -> Self {
        if let Self::Message { with, .. } = &mut self {
            with.insert(name, serde_json::to_value(value).unwrap_or_default());
        }
        self
    }
}

/// Why a sentence can't be said: a fault of the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    #[error("{file} can't be read: {why}")]
    Broken { file: String, why: String },
    #[error("there is no message `{0}`")]
    Missing(String),
    #[error("the message `{message}` can't be written: {why}")]
    Unfit { message: String, why: String },
}

/// All messages of one language.
pub struct Words {
    bundle: FluentBundle<FluentResource>,
    /// `None` in English, which needs no other words for an English sentence.
    sentences: Option<Sentences>,
}

impl Words {
    /// Reads every file of a language.
    ///
    /// # Errors
    /// [`WordsError::Broken`] with the file and the place.
    pub fn new(language: Language) -> Result<Self, WordsError> {
        let broken = |file: &str, why: String| WordsError::Broken { file: file.to_owned(), why };
        let tag = language.tag().parse().map_err(|_| broken(language.tag(), "is no language".to_owned()))?;
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        bundle.set_use_isolating(false);
        bundle.set_formatter(Some(written));
        for (file, text) in files(language)? {
            let resource = FluentResource::try_new(text).map_err(|(_, why)| broken(&file, format!("{why:?}")))?;
            bundle.add_resource(resource).map_err(|why| broken(&file, format!("{why:?}")))?;
        }
        let sentences = match language {
            Language::English => None,
            Language::Chinese => Some(Sentences::new(&files(Language::English)?)),
        };
        Ok(Self { bundle, sentences })
    }

    /// When the newest of the files was changed; `None` where that is not known.
    #[must_use]
    pub fn changed() -> Option<u64> {
        Files::iter().filter_map(|file| Files::get(&file)?.metadata.last_modified()).max()
    }

    /// Whether there is a message of this name.
    #[must_use]
    pub fn has(&self, message: &str) -> bool {
        self.bundle.get_message(message).is_some_and(|message| message.value().is_some())
    }

    /// Says a message. What is called `id` is a name, though it may be made of digits.
    ///
    /// # Errors
    /// [`WordsError`] for a message that is not there or wants something else.
    pub fn say<'a>(
        &self,
        message: &str,
        with: impl IntoIterator<Item = (&'a str, &'a Value)>,
    ) -> Result<String, WordsError> {
        let unfit = |why: String| WordsError::Unfit { message: message.to_owned(), why };
        let pattern = self.bundle.get_message(message).and_then(|message| message.value());
        let pattern = pattern.ok_or_else(|| WordsError::Missing(message.to_owned()))?;
        let mut args = FluentArgs::new();
        for (name, value) in with {
            let value = match value {
                Value::Number(number) if name == "id" => FluentValue::from(number.to_string()),
                Value::Number(number) => FluentValue::from(number.as_f64().unwrap_or_default()),
                Value::String(text) => FluentValue::from(text.as_str()),
                Value::Object(_) => FluentValue::from(self.phrase(value)?),
                Value::Null | Value::Bool(_) | Value::Array(_) => return Err(unfit(format!("{name} is {value}"))),
            };
            args.set(name, value);
        }
        let mut errors = Vec::new();
        let said = self.bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned();
        if errors.is_empty() { Ok(said) } else { Err(unfit(format!("{errors:?}"))) }
    }

    /// Says what a [`Phrase`] became in a page's data.
    ///
    /// # Errors
    /// As [`Words::say`].
    pub fn phrase(&self, phrase: &Value) -> Result<String, WordsError> {
        match (phrase, phrase["message"].as_str(), phrase["with"].as_object()) {
            (Value::String(text), ..) => Ok(self.sentence(text)),
            (_, Some(message), Some(with)) => {
                self.say(message, with.iter().map(|(name, value)| (name.as_str(), value)))
            }
            _ => Err(WordsError::Unfit { message: phrase.to_string(), why: "is no phrase".to_owned() }),
        }
    }

    /// An English sentence of the program in this language; any other text as it is.
    #[must_use]
    pub fn sentence(&self, text: &str) -> String {
        let Some(found) = self.sentences.as_ref().and_then(|known| known.find(text)) else { return text.to_owned() };
        // A part of a sentence may be a sentence: what is expected, in what is wrong with a filter.
        let with: Vec<(&str, Value)> =
            found.with.into_iter().map(|(name, part)| (name, self.sentence(part).into())).collect();
        self.say(found.message, with.iter().map(|(name, part)| (*name, part))).unwrap_or_else(|_| text.to_owned())
    }
}

/// The files of a language, by path, with their text.
fn files(language: Language) -> Result<Vec<(String, String)>, WordsError> {
    let folder = format!("{}/", language.tag());
    let read = |file: Cow<'static, str>| {
        let broken = |why: String| WordsError::Broken { file: file.to_string(), why };
        let bytes = Files::get(&file).ok_or_else(|| broken("is not there".to_owned()))?.data;
        let text = String::from_utf8(bytes.into_owned()).map_err(|error| broken(error.to_string()))?;
        Ok((file.to_string(), text))
    };
    Files::iter().filter(|file| file.starts_with(&folder)).map(read).collect()
}

/// How numbers are written; `None`: as usual.
fn written<M>(value: &FluentValue<'_>, _: &M) -> Option<String> {
    match value {
        FluentValue::Number(number) => whole(number.value).map(grouped),
        _ => None,
    }
}

/// The number where it has no fraction and fits.
fn whole(n: f64) -> Option<i64> {
    (n.fract() == 0.0 && n.abs() < 9e15).then_some(n as i64)
}

/// `1,234,567`: both languages group by three, with commas.
#[must_use]
pub fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::from(if n < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
