//! The languages against each other, and against the templates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fluent_syntax::ast::Entry;
use regex::Regex;
use serde_json::json;

use super::*;
use crate::domain::{AssignmentState, Role, RolloutState};

/// Every message of a language with the variables that it wants and the markup that it has.
fn messages(language: Language) -> BTreeMap<String, (BTreeSet<String>, Vec<String>)> {
    let variable = Regex::new(r"\$([a-z_]+)").unwrap();
    let markup = Regex::new(r"</?[a-z][^>]*>").unwrap();
    let mut found = BTreeMap::new();
    for file in Files::iter().filter(|file| file.starts_with(&format!("{}/", language.tag()))) {
        let text = String::from_utf8(Files::get(&file).unwrap().data.into_owned()).unwrap();
        let resource = fluent_syntax::parser::parse(text.as_str()).unwrap_or_else(|(_, why)| panic!("{file}: {why:?}"));
        for entry in resource.body {
            let Entry::Message(message) = entry else { continue };
            let name = message.id.name.to_owned();
            let only = fluent_syntax::ast::Resource { body: vec![Entry::Message(message)] };
            let text = fluent_syntax::serializer::serialize(&only);
            let variables = variable.captures_iter(&text).map(|found| found[1].to_owned()).collect();
            // Plural forms repeat the markup.
            let tags: BTreeSet<String> = markup.find_iter(&text).map(|found| found.as_str().to_owned()).collect();
            let before = found.insert(name.clone(), (variables, tags.into_iter().collect()));
            assert!(before.is_none(), "{name} stands twice in {}", language.tag());
        }
    }
    found
}

fn texts(folder: &str, extension: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|own| own == extension) {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), extension, &mut found);
    found
}

/// The names before `=` in what follows a message's name in a template, up to the end of the expression.
fn given(rest: &str) -> BTreeSet<String> {
    let (mut depth, mut quoted, mut word, mut names) = (0, false, String::new(), BTreeSet::new());
    for c in rest.chars() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => continue,
            '(' => depth += 1,
            ')' | '}' if depth == 0 => break,
            ')' => depth -= 1,
            '=' if depth == 0 => _ = names.insert(std::mem::take(&mut word)),
            c if c.is_ascii_lowercase() || c == '_' => word.push(c),
            _ => {}
        }
        if c.is_whitespace() {
            word.clear();
        }
    }
    names
}

#[test]
fn both_languages_have_the_same_messages_with_the_same_variables() {
    let [english, chinese] = Language::ALL.map(messages);
    let names = |all: &BTreeMap<String, _>| all.keys().cloned().collect::<BTreeSet<_>>();
    let lacking: Vec<_> = names(&english).symmetric_difference(&names(&chinese)).cloned().collect();
    assert!(lacking.is_empty(), "in one language alone: {lacking:?}");
    for (name, parts) in &english {
        assert_eq!(*parts, chinese[name], "{name}");
    }
}

#[test]
fn every_message_that_a_template_or_the_code_names_exists_and_gets_what_it_wants() {
    let known = messages(Language::English);
    let in_templates = Regex::new(r#"[{(](?:t|html) "([^"]+)""#).unwrap();
    let mut wrong = Vec::new();
    for (file, text) in texts("templates", "hbs") {
        for found in in_templates.captures_iter(&text) {
            match known.get(&found[1]) {
                None => wrong.push(format!("{file}: there is no {}", &found[1])),
                Some((wanted, _)) if *wanted != given(&text[found.get(0).unwrap().end()..]) => {
                    wrong.push(format!("{file}: {} wants {wanted:?}", &found[1]));
                }
                Some(_) => {}
            }
        }
    }
    let in_code = Regex::new(r#"Phrase::new\(\s*"([^"]+)"((?s:.)*?)(?:;|\n\n)"#).unwrap();
    let with = Regex::new(r#"\.with\("([^"]+)""#).unwrap();
    for (file, text) in texts("src", "rs").iter().filter(|(file, _)| !file.ends_with("tests.rs")) {
        for found in in_code.captures_iter(text) {
            let given: BTreeSet<String> = with.captures_iter(&found[2]).map(|found| found[1].to_owned()).collect();
            match known.get(&found[1]) {
                None => wrong.push(format!("{file}: there is no {}", &found[1])),
                Some((wanted, _)) if !wanted.is_subset(&given) => {
                    wrong.push(format!("{file}: {} wants {wanted:?}", &found[1]));
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The program's own text: without its tests, and with every text on one line and without escapes.
fn program() -> String {
    let own = |file: &str| !file.ends_with("tests.rs") && !file.contains("/samples");
    let code = |text: &str| text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
    let files = texts("src", "rs").into_iter().filter(|(file, _)| own(file)).map(|(_, text)| code(&text));
    let files: Vec<String> = files.chain(texts("templates", "hbs").into_iter().map(|(_, text)| text)).collect();
    Regex::new("\\\\\n *").unwrap().replace_all(&files.join("\n"), "").replace("\\\"", "\"")
}

/// What a message stands for that no template and no code can name: `timed_out` is `"timed_out"` or `TimedOut`.
fn is_a_code(rest: &str, program: &str, variants: &BTreeSet<&str>) -> bool {
    let upper = |word: &str| word[..1].to_uppercase() + &word[1..];
    let variant: String = rest.split(['_', '-']).filter(|word| !word.is_empty()).map(upper).collect();
    program.contains(&format!("\"{rest}\"")) || variants.contains(variant.as_str())
}

/// Whether the code has the longest words that a sentence has of its own.
fn is_a_sentence(sentence: &str, program: &str) -> bool {
    let gaps = Regex::new(r"\{ \$[a-z_]+ \}").unwrap();
    let longest = gaps.split(sentence).max_by_key(|part| part.len()).unwrap_or_default().trim();
    // These the code puts together from the name of what there is not, of what is another, and of what has a limit.
    let parts =
        [("There is no such ", "."), ("the manifest is for another ", ""), ("cpu ", ""), ("load ", ""), ("disk ", "")];
    let is_said = |words: &str| match parts.iter().find_map(|(begin, end)| words.strip_prefix(begin)?.strip_suffix(end))
    {
        Some(what) if !what.contains(' ') => {
            program.contains(&format!("such {what}\"")) || program.contains(&format!("\"{what}\""))
        }
        limit => program.contains(limit.unwrap_or(words)),
    };
    // Before a colon stands a code.
    longest.split(": ").all(is_said)
}

#[test]
fn every_message_is_said_somewhere() {
    let program = program();
    let words = Regex::new(r#"[{(]word "([^"]+)""#).unwrap();
    let prefixes: BTreeSet<String> = words.captures_iter(&program).map(|found| format!("{}-", &found[1])).collect();
    let variant = Regex::new(r"\b[A-Z]\w*\b").unwrap();
    let variants: BTreeSet<&str> = variant.find_iter(&program).map(|found| found.as_str()).collect();
    let mut unused = Vec::new();
    for (_, text) in texts("locales/en", "ftl") {
        for line in text.lines() {
            let Some((name, sentence)) = line.split_once(" = ").filter(|(name, _)| !name.starts_with([' ', '#']))
            else {
                continue;
            };
            let by_code = || prefixes.iter().filter_map(|prefix| name.strip_prefix(prefix.as_str()));
            let said = match name.starts_with("sentence-") {
                true => is_a_sentence(sentence, &program),
                false => {
                    program.contains(&format!("\"{name}\""))
                        || by_code().any(|rest| is_a_code(rest, &program, &variants))
                }
            };
            if !said {
                unused.push(name.to_owned());
            }
        }
    }
    assert!(unused.is_empty(), "nobody says {unused:?}");
}

#[test]
fn every_state_and_role_has_a_word() {
    for language in Language::ALL {
        let words = Words::new(language).unwrap();
        let assignments = AssignmentState::ALL.map(|state| format!("assignment-{}", state.as_str()));
        let rollouts = RolloutState::ALL.map(|state| format!("rollout-state-{}", state.as_str()));
        let roles = [Role::Viewer, Role::Operator, Role::Admin].map(|role| format!("role-{role}"));
        for message in assignments.iter().chain(&rollouts).chain(&roles) {
            assert!(words.has(message), "{}: {message}", language.tag());
        }
    }
}

#[test]
fn chinese_keeps_to_the_glossary() {
    let glossary = include_str!("../../../locales/glossary.md");
    let rows = glossary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let shunned: Vec<&str> = rows
        .skip(1)
        .flat_map(|row| row.split('|').nth(3).unwrap_or_default().split('、'))
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    assert!(!shunned.is_empty());
    for (file, text) in texts("locales/zh-CN", "ftl") {
        for (number, line) in text.lines().enumerate() {
            let strays: Vec<_> = shunned.iter().filter(|word| line.contains(**word)).collect();
            assert!(strays.is_empty(), "{file}:{}: {strays:?} in: {line}", number + 1);
        }
    }
}

#[test]
fn a_browser_gets_the_first_of_its_languages_that_is_spoken() {
    assert_eq!(Language::first_of(["de-CH", "zh-TW", "en"]), Some(Language::Chinese));
    assert_eq!(Language::first_of(["de", "en-GB"]), Some(Language::English));
    assert_eq!(Language::first_of(["de", "*"]), None);
    assert_eq!(Language::of_tag("zh-CN"), Some(Language::Chinese));
    assert_eq!(Language::of_tag("zh"), None);
}

#[test]
fn a_message_is_said_with_what_it_wants_or_not_at_all() {
    let words = Words::new(Language::English).unwrap();
    let n = json!(1234);
    assert_eq!(words.say("count-devices", [("n", &n)]).as_deref(), Ok("1,234 terminals"));
    assert_eq!(words.say("count-devices", [("n", &json!(1))]).as_deref(), Ok("1 terminal"));
    assert!(words.say("count-devices", []).is_err());
    assert!(words.say("count-devices", [("n", &json!(null))]).is_err());
    assert_eq!(words.say("no-such", []), Err(WordsError::Missing("no-such".to_owned())));
    let id = json!(1234);
    assert_eq!(words.say("rollout-name", [("id", &id)]).as_deref(), Ok("Update 1234"));
}

#[test]
fn a_phrase_is_said_in_each_language() {
    let phrase = serde_json::to_value(Phrase::new("count-devices").with("n", 2)).unwrap();
    let said = Language::ALL.map(|language| Words::new(language).unwrap().phrase(&phrase).unwrap());
    assert_eq!(said, ["2 terminals", "2 台终端"]);
    let text = serde_json::to_value(Phrase::Text("<as it is>".to_owned())).unwrap();
    assert_eq!(Words::new(Language::Chinese).unwrap().phrase(&text).as_deref(), Ok("<as it is>"));
}

#[test]
fn sentences_of_the_program_are_said_in_chinese() {
    let words = Words::new(Language::Chinese).unwrap();
    assert_eq!(words.sentence("in stage 1, 1 of 2 failed"), "第 1 阶段中，2 个里有 1 个失败");
    assert_eq!(words.sentence("paused by anna"), "由 anna 暂停");
    for said in [
        "in stage 2, no terminal was seen to run it well",
        "its bytes went out too slowly",
        "it went away while it installed, and came back without it",
        "the rollout was taken back, or ended, a moment ago",
        "the updater has ended by a defect: restart the server",
    ] {
        assert_ne!(words.sentence(said), said);
    }
    assert_eq!(words.sentence("what a device says"), "what a device says");
    let paused = "The rollout is paused (2 failed, and the limit is 2). Resume it to go on.";
    assert_eq!(words.sentence(paused), "升级任务已暂停（已有 2 个失败，上限为 2），继续后才会下发。");
    assert_eq!(Words::new(Language::English).unwrap().sentence(paused), paused);
    let fault = crate::domain::Filter::parse("online and").unwrap_err().to_string();
    assert_ne!(words.sentence(&fault), fault);
}

#[test]
fn what_is_wrong_with_a_policy_is_said_in_chinese() {
    use crate::domain::{HealthRules, Policy, Stage};
    let words = Words::new(Language::Chinese).unwrap();
    let policy = Policy {
        max_in_flight: 0,
        attempts: 0,
        max_failure_percent: 101,
        bytes_per_second: Some(1),
        starts_per_minute: Some(0),
        priority: 101,
        minimum_sample: 0,
        stages: vec![Stage::Percent(50.0), Stage::Percent(10.0)],
        health_window_s: 900,
        health: HealthRules { max_temperature: Some(0.0), ..HealthRules::default() },
        ..Policy::default()
    };
    let errors = policy.errors();
    assert!(errors.len() >= 9);
    for error in errors {
        assert_ne!(words.sentence(&error.message), error.message, "{}", error.field);
    }
}

#[test]
fn what_is_wrong_with_a_name_a_tag_or_a_manifest_is_said_in_chinese() {
    use crate::domain::{Distrust, Tags, check_account_name, check_password};
    use crate::web::api::devices::{check_name, check_tags};
    let tags = |name: &str, value: &str| Tags::from([(name.to_owned(), value.to_owned())]);
    let many: Tags = (0..51).map(|n| (n.to_string(), String::new())).collect();
    let distrust = [
        Distrust::BadSignature,
        Distrust::TooFewSignatures { have: 1, need: 2 },
        Distrust::BadDocument("EOF".to_owned()),
        Distrust::WeakKey,
        Distrust::Mismatch("module"),
        Distrust::Mismatch("version"),
        Distrust::Mismatch("file"),
        Distrust::WrongEpoch { found: 1, trusted: 2 },
        Distrust::TrustExpired,
    ];
    let refused = [check_name(""), check_account_name(""), check_password("short"), check_tags(&many)];
    let tags = [check_tags(&tags("a b", "")), check_tags(&tags("a", &"x".repeat(191)))];
    let fields = refused.into_iter().chain(tags).map(Result::unwrap_err);
    let words = Words::new(Language::Chinese).unwrap();
    for english in fields.chain(distrust.map(|error| format!("{}: {error}", error.code()))) {
        assert_ne!(words.sentence(&english), english);
    }
}
