//! Where values come from, weakest first: defaults, the file, the environment, flags.

use std::path::Path;

use toml::{Table, Value};

use super::{Config, ConfigError, Environment, SETTINGS, Setting};

/// Loads the configuration. `flags` are settings by name with the text given for them.
///
/// # Errors
/// [`ConfigError`] for the first thing that can't be taken.
pub fn load(
    file: Option<&Path>,
    environment: &Environment,
    flags: &[(&'static str, String)],
) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    if let Some(path) = file {
        take_file(&mut config, path)?;
    }
    for setting in SETTINGS {
        let variable = setting.variable();
        if let Some(text) = environment.get(variable.trim_start_matches("FLEETWARD_")) {
            take(&mut config, setting, text, &variable)?;
        }
    }
    for (name, text) in flags {
        if let Some(setting) = Setting::find(name) {
            take(&mut config, setting, text, &format!("--{}", name.replace('_', "-")))?;
        }
    }
    config.check()?;
    Ok(config)
}

fn take(config: &mut Config, setting: &Setting, text: &str, from: &str) -> Result<(), ConfigError> {
    (setting.set)(config, text).map_err(|message| ConfigError::Wrong {
        name: setting.name.to_owned(),
        from: from.to_owned(),
        message,
    })
}

fn take_file(config: &mut Config, path: &Path) -> Result<(), ConfigError> {
    let unreadable = |error: String| ConfigError::Unreadable(path.display().to_string(), error);
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| unreadable(one_line(&error.to_string())))?;
    take_table(config, "", &table, &path.display().to_string())
}

fn take_table(config: &mut Config, prefix: &str, table: &Table, file: &str) -> Result<(), ConfigError> {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        let is_table = SETTINGS.iter().any(|setting| setting.name.starts_with(&format!("{name}.")));
        match value {
            Value::Table(inner) if is_table => take_table(config, &format!("{name}."), inner, file)?,
            value => {
                let Some(setting) = Setting::find(&name) else {
                    return Err(ConfigError::Unknown { hint: hint(&name), name, from: file.to_owned() });
                };
                take(config, setting, &plain(value), file)?;
            }
        }
    }
    Ok(())
}

/// A value's text, as the environment would have it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => one_line(&other.to_string()),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What was probably meant: a setting with the same last word.
fn hint(name: &str) -> String {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let near = SETTINGS.iter().find(|setting| last(setting.name) == last(name));
    near.map_or_else(
        || "docs/configuration.md lists every setting".to_owned(),
        |setting| format!("{} is one", setting.name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeviceAuthMode;

    fn with_file(text: &str, variables: &[(&str, &str)], flags: &[(&'static str, String)]) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let environment = Environment::of(variables.iter().map(|(name, value)| (*name, *value)));
        load(Some(file.path()), &environment, flags).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_beats_the_environment_and_that_beats_the_file() {
        let file = "listen = \"0.0.0.0:1\"\nreport_interval_s = 5\ndevice_auth = \"open\"\n[log]\nbody = false\n";
        let variables = [("FLEETWARD_LISTEN", "0.0.0.0:2"), ("FLEETWARD_REPORT_INTERVAL_S", "6"), ("PATH", "/bin")];
        let config = with_file(file, &variables, &[("listen", "0.0.0.0:3".to_owned())]).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.report_interval_s, 6);
        assert_eq!(config.device_auth, DeviceAuthMode::Open);
        assert!(!config.log.body);
    }

    #[test]
    fn nonsense_is_refused_in_a_sentence_that_names_the_setting() {
        let cases = [
            ("lissten = 1", "lissten (in"),
            ("[limits]\nkeep_days = 1", "log.keep_days is one"),
            ("limits = 3", "limits (in"),
            ("[log.body]\na = 1", "log.body (from"),
            ("report_interval_s = 0", "from 1 to 86400, not \"0\""),
            ("[limits]\nping_s = 80", "limits.dead_after_s (75) must be longer than limits.ping_s (80)"),
            ("listen = \"localhost\"", "must be an address with a port"),
            ("database_url = \"postgres://u:secret@h/d\"", "must begin with sqlite: or mysql://"),
            ("public_url = \"fleet\"", "public_url"),
            ("trusted_proxies = [\"10.0.0.0/8\", \"proxy\"]", "trusted_proxies (from"),
            ("[limits]\nmessages_burst = 5", "limits.messages_burst (5) must be at least limits.messages_per_s (10)"),
            ("a = = 1", "configuration file"),
        ];
        for (file, part) in cases {
            let error = with_file(file, &[], &[]).unwrap_err();
            assert!(error.contains(part), "{file:?}: {error}");
            assert!(!error.contains('\n') && !error.contains("secret"), "{error}");
        }
        let error = with_file("", &[("FLEETWARD_LIMITS_HELLO_S", "x")], &[]).unwrap_err();
        assert!(error.contains("FLEETWARD_LIMITS_HELLO_S"), "{error}");
    }

    #[test]
    fn every_default_is_a_value_that_its_setting_takes() {
        assert_eq!(Config::default().check(), Ok(()));
        let text = "\
            listen = \"127.0.0.1:8080\"\nreport_interval_s = 30\nhealth_window_s = 60\n\
            [history]\nkeep_days = 30\nthin_after_h = 48\nthin_step_s = 600\n\
            [limits]\nintake_bytes = 16_777_216\npackage_bytes = 1073741824\ndisk_reserve_bytes = 1073741824\n";
        let config = with_file(text, &[], &[]).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }
}
