//! Every setting, in the order the layers apply: the defaults written in `config/optimus.toml`, a file, the
//! environment, and then the flags of each binary, which it applies itself.
//!
//! The environment names a setting as `OPTIMUS__SECTION__KEY`; `REDIS_URL`, `API_HOST`, `API_PORT`,
//! `WORKER_LANGUAGE` and `WORKER_CONCURRENCY` work beside that.
//!
//! A section is a type of the crate whose behaviour it sets, and each process reads the sections that it needs, as one type of
//! its own. The sections of others are looked at all the same, by their defaults: whoever reads a file refuses what no process
//! would know, and values of another kind.
#![forbid(unsafe_code)]

use std::{env, path::Path};

use config::{Config, ConfigError, Environment, File, FileFormat, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

/// The commented file that ships with Optimus is itself the defaults, so the two cannot differ.
const DEFAULTS: &str = include_str!("../../../config/optimus.toml");

/// The short names kept from the original description.
const SHORT_NAMES: [(&str, &str); 5] = [
    ("REDIS_URL", "redis.url"),
    ("API_HOST", "api.host"),
    ("API_PORT", "api.port"),
    ("WORKER_LANGUAGE", "worker.languages"),
    ("WORKER_CONCURRENCY", "worker.concurrency"),
];

#[derive(Debug, thiserror::Error)]
#[error("invalid configuration")]
pub struct SettingsError(#[source] ConfigError);

type Read<T> = Result<T, ConfigError>;

/// Reads all layers. Without `file`, `config/optimus.toml` is used where it exists.
pub fn load<T: DeserializeOwned>(file: Option<&Path>) -> Result<T, SettingsError> {
    let default_file = Path::new("config/optimus.toml");
    let file = match file {
        Some(path) => Some(File::from(path).format(FileFormat::Toml)),
        None => default_file
            .exists()
            .then(|| File::from(default_file).format(FileFormat::Toml)),
    };
    let vars: Vec<_> = env::vars().collect();
    read(file, &vars).map_err(SettingsError)
}

/// The defaults alone, for tests.
pub fn defaults<T: DeserializeOwned>() -> T {
    shipped()
        .and_then(Config::try_deserialize)
        .expect("the shipped defaults are valid")
}

/// The defaults of one section alone, for tests.
pub fn defaults_of<T: DeserializeOwned>(section: &str) -> T {
    shipped()
        .and_then(|defaults| defaults.get(section))
        .expect("the shipped defaults are valid")
}

fn shipped() -> Read<Config> {
    Config::builder()
        .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
        .build()
}

/// What the process needs is read first: its types say best what is wrong with it.
fn read<T, F>(file: Option<F>, vars: &[(String, String)]) -> Read<T>
where
    T: DeserializeOwned,
    F: Source + Send + Sync + 'static,
{
    let shipped = shipped()?;
    let defaults = shipped.collect()?;
    let layers = layers(shipped, &defaults, file, vars)?;
    let given = layers.collect()?;
    let settings = layers.try_deserialize()?;
    check(&defaults, given, "")?;
    Ok(settings)
}

fn layers<F>(
    shipped: Config,
    defaults: &Map<String, Value>,
    file: Option<F>,
    vars: &[(String, String)],
) -> Read<Config>
where
    F: Source + Send + Sync + 'static,
{
    let mut builder = Config::builder().add_source(shipped);
    if let Some(file) = file {
        builder = builder.add_source(file);
    }
    for (short, key) in SHORT_NAMES {
        if let Some((_, value)) = vars
            .iter()
            .find(|(name, value)| name == short && !value.is_empty())
        {
            builder = builder.set_override(key, value.as_str())?;
        }
    }
    let mut environment = Environment::with_prefix("OPTIMUS")
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true)
        .list_separator(",");
    for list in lists(defaults, "") {
        environment = environment.with_list_parse_key(&list);
    }
    let vars = vars.iter().cloned().collect();
    builder.add_source(environment.source(Some(vars))).build()
}

/// The settings that are lists, which the environment gives with commas between their parts.
fn lists(defaults: &Map<String, Value>, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in defaults {
        match &value.kind {
            ValueKind::Table(table) => found.extend(lists(table, &format!("{place}{name}."))),
            ValueKind::Array(_) => found.push(format!("{place}{name}")),
            _ => {}
        }
    }
    found
}

/// Every setting has a default, which says of what kind it is.
fn check(defaults: &Map<String, Value>, given: Map<String, Value>, place: &str) -> Read<()> {
    for (name, value) in given {
        let key = format!("{place}{name}");
        let Some(default) = defaults.get(&name) else {
            return Err(ConfigError::Message(format!("unknown setting `{key}`")));
        };
        let checked = match &default.kind {
            ValueKind::Table(defaults) => match value.kind {
                ValueKind::Table(given) => {
                    check(defaults, given, &format!("{key}."))?;
                    continue;
                }
                _ => value.into_table().map(drop),
            },
            ValueKind::Array(_) => value.into_array().map(drop),
            ValueKind::Boolean(_) => value.into_bool().map(drop),
            ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::I128(_) | ValueKind::U128(_) => {
                value.into_uint().map(drop)
            }
            ValueKind::Float(_) => value.into_float().map(drop),
            ValueKind::String(_) | ValueKind::Nil => value.into_string().map(drop),
        };
        checked.map_err(|error| ConfigError::At {
            error: Box::new(error),
            origin: None,
            key: Some(key),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// What one process needs of it.
    #[derive(Debug, Deserialize)]
    struct Own {
        api: Api,
        redis: Redis,
        worker: Worker,
        native: Native,
    }

    #[derive(Debug, Deserialize)]
    struct Api {
        port: u16,
        tokens: Vec<String>,
        allowed_hosts: Vec<String>,
        allow_anonymous: bool,
    }

    #[derive(Debug, Deserialize)]
    struct Redis {
        url: String,
    }

    #[derive(Debug, Deserialize)]
    struct Worker {
        concurrency: u32,
    }

    #[derive(Debug, Deserialize)]
    struct Native {
        allow_missing: Vec<String>,
    }

    fn with<T: DeserializeOwned>(vars: &[(&str, &str)]) -> Read<T> {
        let vars: Vec<_> = vars
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        read(None::<File<config::FileSourceFile, FileFormat>>, &vars)
    }

    fn in_file(text: &str) -> Read<Own> {
        read(Some(File::from_str(text, FileFormat::Toml)), &[])
    }

    #[test]
    fn the_environment_overrides_the_defaults() {
        let settings: Own = with(&[
            ("REDIS_URL", "redis://elsewhere:1"),
            ("API_PORT", "9"),
            ("WORKER_CONCURRENCY", "7"),
            ("OPTIMUS__API__TOKENS", "a,b"),
            ("OPTIMUS__API__ALLOWED_HOSTS", "api,judge.example"),
            ("OPTIMUS__API__ALLOW_ANONYMOUS", "true"),
            ("OPTIMUS__NATIVE__ALLOW_MISSING", "landlock,guest-uids"),
        ])
        .unwrap();
        assert_eq!(settings.redis.url, "redis://elsewhere:1");
        assert_eq!(settings.api.port, 9);
        assert_eq!(settings.worker.concurrency, 7);
        assert_eq!(settings.api.tokens, ["a", "b"]);
        assert_eq!(settings.api.allowed_hosts, ["api", "judge.example"]);
        assert!(settings.api.allow_anonymous && !defaults::<Own>().api.allow_anonymous);
        assert_eq!(settings.native.allow_missing, ["landlock", "guest-uids"]);
    }

    #[test]
    fn a_file_goes_before_the_defaults_and_after_the_environment() {
        assert_eq!(in_file("api.port = 7").unwrap().api.port, 7);
        let file = File::from_str("api.port = 7", FileFormat::Toml);
        let vars = [("OPTIMUS__API__PORT".to_owned(), "8".to_owned())];
        let settings: Own = read(Some(file), &vars).unwrap();
        assert_eq!(settings.api.port, 8);
    }

    /// Whether the process that reads it needs them or not.
    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        for (name, told) in [
            ("OPTIMUS__QUEUE__LEASE", "`queue.lease`"),
            ("OPTIMUS__API__PROT", "`api.prot`"),
            ("OPTIMUS__LIMITS__MAX__TESTS", "`limits.max.tests`"),
            ("OPTIMUS__CUE__LEASE_MS", "`cue`"),
        ] {
            let error = with::<Own>(&[(name, "1")]).unwrap_err().to_string();
            assert!(error.contains(told), "{name}: {error}");
        }
    }

    #[test]
    fn a_value_of_another_kind_is_refused_by_name() {
        for (text, told) in [
            ("queue.lease_ms = 'long'", "queue.lease_ms"),
            ("queue.lease_ms = -1", "queue.lease_ms"),
            ("log = ['info', false]", "log"),
            ("log.json = 'perhaps'", "log.json"),
            ("native.paths = 7", "native.paths"),
            ("limits.max = [1, 2]", "limits.max"),
            ("docker.scope = []", "docker.scope"),
        ] {
            let error = in_file(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn each_list_of_the_defaults_can_be_given_by_the_environment() {
        let mut found = lists(&shipped().unwrap().collect().unwrap(), "");
        found.sort();
        let listed = [
            "api.allowed_hosts",
            "api.tokens",
            "native.allow_missing",
            "native.paths",
        ];
        assert_eq!(found, listed);
    }

    #[test]
    fn a_section_has_its_defaults() {
        let redis: Redis = defaults_of("redis");
        assert_eq!(redis.url, defaults::<Own>().redis.url);
    }
}
