//! A plugin's config.json: the keys that every plugin has, and those that are its own.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::load::{deserialize, parse, split};
use super::messages::unknown;
use super::scenario::GROUP_KEYS;
use super::{BlockGroup, ConfigError, check, names, variables};

/// Keys of the plugin's group of blocks.
const GROUP: [&str; 6] = ["channel", "entities", "entities_per_block", "load", "block_bytes_max", "repair"];
/// Keys of the plugin itself.
const PLUGIN: [&str; 5] = ["name", "enabled", "interval", "budget_ms", "groups"];

/// A plugin's settings: what the engine takes care of, and what only the plugin knows.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// The file, for errors.
    pub source: String,
    /// The plugin's name or an alias of it.
    #[doc(alias = "nombre")]
    pub name: String,
    /// Whether it is loaded.
    pub enabled: bool,
    /// Simulated seconds between two runs of its systems, 1e-6..=1e9; none for every tick.
    #[doc(alias = "intervalo")]
    pub interval: Option<f64>,
    /// Milliseconds that its systems may take in a tick, on average, before the summary warns; none for any.
    pub budget_ms: Option<f64>,
    /// The folder of the file, with the plugin's `models/` and `data/`; none for a text that is no file.
    pub folder: Option<PathBuf>,
    /// Its group of blocks, without a kind; none if the file has no `entities`.
    pub group: Option<BlockGroup>,
    /// Groups of its other kinds: the key `groups`, an object with a group for each kind's name.
    pub groups: Vec<BlockGroup>,
    /// As it was given, `${VAR}` not expanded, passwords left out.
    pub given: Value,
    /// The plugin's own keys.
    own: Map<String, Value>,
}

impl PluginConfig {
    /// The plugin's own keys as its settings. `known` are their names.
    ///
    /// # Errors
    /// A key that is not known, or a value that does not fit.
    pub fn own<T: serde::de::DeserializeOwned>(&self, known: &[&str]) -> Result<T, ConfigError> {
        if let Some(key) = self.own.keys().find(|key| !known.contains(&key.as_str())) {
            let all: Vec<&str> = PLUGIN.iter().chain(&GROUP).chain(known).copied().collect();
            let (source_name, path) = (self.source.clone(), key.escape_debug().to_string());
            return Err(ConfigError::Text { source_name, path, message: unknown("key", key, &all) });
        }
        deserialize(&self.source, Value::Object(self.own.clone()), &[])
    }
}

/// Reads a plugin's config.json: our own keys or the guide's, `${VAR}` expanded by `lookup`.
///
/// # Errors
/// See [`ConfigError`]; `source` names the text in it. The plugin's own keys are checked by [`PluginConfig::own`].
///
/// ```
/// use corec_core::config::load_plugin;
/// let text = r#"{"nombre": "mi_plugin", "enabled": true, "canal": 6, "entidades": 100, "carga": 0.5, "intervalo": 60}"#;
/// let config = load_plugin("config.json", text, &|_| None)?;
/// let group = config.group.expect("it has entities");
/// assert_eq!((config.name.as_str(), config.interval), ("mi_plugin", Some(60.0)));
/// assert_eq!((group.entities, group.channel.0, group.load), (100, 6, 0.5));
/// # Ok::<(), corec_core::config::ConfigError>(())
/// ```
pub fn load_plugin(
    source: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<PluginConfig, ConfigError> {
    let mut root = parse(source, text, "a JSON object with the key 'name'")?;
    let given = variables::redacted(&root);
    variables::expand(source, "", &mut root, lookup)?;
    let Value::Object(mut own) = root else { unreachable!("parse gives an object") };
    names::translate_plugin(source, &mut own)?;
    let fail = |path: &str, found: String, allowed: &str| ConfigError::Value {
        source_name: source.into(),
        path: path.into(),
        found,
        allowed: allowed.into(),
    };
    let name = match own.shift_remove("name") {
        Some(Value::String(name)) if !name.is_empty() => name,
        found => {
            let found = found.map_or("nothing".into(), |found| found.to_string());
            return Err(fail("name", found, "the plugin's name"));
        }
    };
    let enabled = match own.shift_remove("enabled") {
        None => true,
        Some(Value::Bool(enabled)) => enabled,
        Some(found) => return Err(fail("enabled", found.to_string(), "true or false")),
    };
    let mut number = |key: &str, unit: &str| match own.shift_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => match found.as_f64().filter(|number| (1e-6..=1e9).contains(number)) {
            None => Err(fail(key, found.to_string(), &format!("within 1e-6..=1e9 {unit}"))),
            number => Ok(number),
        },
    };
    let (interval, budget_ms) = (number("interval", "seconds")?, number("budget_ms", "milliseconds")?);
    let group: Map<String, Value> =
        GROUP.iter().filter_map(|key| Some(((*key).to_string(), own.shift_remove(*key)?))).collect();
    let has_entities = group.contains_key("entities");
    let mut group = group_of(source, "", group)?;
    let groups = groups_of(source, own.shift_remove("groups"))?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.chars().count() > 64 || !name.chars().all(plain) {
        let found = format!("'{}'", name.escape_debug());
        return Err(fail("name", found, "1 to 64 letters, digits, '_', '-' or '.'"));
    }
    group.id.clone_from(&name);
    group.check(source, "")?;
    group.place = Some((source.into(), String::new()));
    // The guide's plugins may have none: they only listen.
    let group = (has_entities && group.entities > 0).then_some(group);
    let source = source.into();
    Ok(PluginConfig { source, name, enabled, interval, budget_ms, folder: None, group, groups, given, own })
}

/// A group of blocks from its keys.
fn group_of(source: &str, at: &str, mut keys: Map<String, Value>) -> Result<BlockGroup, ConfigError> {
    split(&mut keys, |key| GROUP_KEYS.contains(&key));
    deserialize(source, Value::Object(keys), check::RANGES)
        .map_err(|error: ConfigError| if at.is_empty() { error } else { error.below(at) })
}

/// The groups of a plugin's other kinds, by the kinds' names.
fn groups_of(source: &str, given: Option<Value>) -> Result<Vec<BlockGroup>, ConfigError> {
    let wrong = |path: String, found: Value| ConfigError::Value {
        source_name: source.into(),
        path,
        found: found.to_string(),
        allowed: "an object with the keys of a group of blocks for each kind's name".into(),
    };
    let kinds = match given {
        None => return Ok(Vec::new()),
        Some(Value::Object(kinds)) => kinds,
        Some(found) => return Err(wrong("groups".into(), found)),
    };
    let group = |(kind, keys): (String, Value)| {
        let at = format!("groups.{}", kind.escape_debug());
        let Value::Object(mut keys) = keys else { return Err(wrong(at, keys)) };
        names::translate_group(source, &format!("{at}."), &mut keys)?;
        if let Some(key) = keys.keys().find(|key| !GROUP.contains(&key.as_str())) {
            let (source_name, path) = (source.into(), format!("{at}.{}", key.escape_debug()));
            return Err(ConfigError::Text { source_name, path, message: unknown("key", key, &GROUP) });
        }
        let mut group = group_of(source, &at, keys)?;
        (group.id, group.kind) = (kind.clone(), kind);
        group.check(source, &format!("{at}."))?;
        group.place = Some((source.into(), format!("{at}.")));
        Ok(group)
    };
    kinds.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<PluginConfig, ConfigError> {
        load_plugin("p.json", text, &|name| (name == "KEY").then(|| "s3cret".to_string()))
    }

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Own {
        gain: f32,
        #[serde(default)]
        openrouter_api_key: String,
    }

    const KNOWN: [&str; 2] = ["gain", "openrouter_api_key"];

    #[test]
    fn the_guides_files_load_unchanged() {
        for (name, channel) in [("mi_plugin", 6), ("analizador_datos", 7)] {
            let text = format!(
                r#"{{"nombre": "{name}", "enabled": true, "canal": {channel}, "entidades": 100, "carga": 0.5, "intervalo": 60}}"#
            );
            let config = load(&text).unwrap();
            let group = config.group.clone().unwrap();
            assert_eq!((&config.name[..], &group.id[..], group.channel.0), (name, name, channel));
            assert!(config.enabled && config.own.is_empty());
        }
    }

    #[test]
    fn own_keys_go_to_the_plugin_with_variables_expanded() {
        let config = load(r#"{"name": "a", "gain": 0.5, "openrouter_api_key": "${KEY}"}"#).unwrap();
        let own: Own = config.own(&KNOWN).unwrap();
        assert_eq!(own, Own { gain: 0.5, openrouter_api_key: "s3cret".into() });
        assert_eq!(config.group, None);
        assert_eq!(config.given["openrouter_api_key"], "${KEY}");
        let given = load(r#"{"name": "a", "openrouter_api_key": "s3cret"}"#).unwrap().given;
        assert!(!given.to_string().contains("s3cret"), "{given}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_place() {
        for (text, expected) in [
            (r#"{}"#, "p.json: name: found nothing, must be the plugin's name"),
            (r#"{"nombre": "a", "name": "b"}"#, "p.json: nombre: found both 'nombre' and 'name'"),
            (r#"{"name": "a", "enabled": 1}"#, "p.json: enabled: found 1, must be true or false"),
            (
                r#"{"name": "a", "intervalo": 0}"#,
                "p.json: interval: found 0, must be within 1e-6..=1e9 seconds",
            ),
            (r#"{"name": "a", "carga": 1.7}"#, "p.json: load: found 1.7, must be within 0..=1"),
            (r#"{"name": "a/b"}"#, "p.json: name: found 'a/b'"),
            (r#"{"name": "a", "key": "${NONE}"}"#, "p.json: key: found ${NONE}, which is not set"),
            (r#"[]"#, "p.json: the file: found a list, must be a JSON object"),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let config = load(r#"{"name": "a", "gian": 0.5}"#).unwrap();
        let error = config.own::<Own>(&KNOWN).unwrap_err().to_string();
        assert!(error.starts_with("p.json: gian: unknown key 'gian': did you mean 'gain'?"), "{error}");
        let error = load(r#"{"name": "a", "gain": "much"}"#).unwrap().own::<Own>(&KNOWN).unwrap_err();
        assert!(error.to_string().starts_with("p.json: gain: found \"much\", must be a number"), "{error}");
    }
}
