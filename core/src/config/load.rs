//! From a scenario's text to checked settings.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ConfigError;
use super::messages::{plain, printable};
use super::scenario::{BLOCKS, GROUP_KEYS, SCENARIO_KEYS};
use super::{Scenario, check, names, parse_json, variables};

/// Bytes a scenario's text may have.
pub const TEXT_BYTES_MAX: u64 = 16 << 20;

/// A scenario and what its reader should know.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The settings, checked.
    pub scenario: Scenario,
    /// What was taken with a grain of salt, for the log.
    pub warnings: Vec<String>,
    /// As it was given, `${VAR}` not expanded, passwords left out.
    pub given: Value,
}

/// Reads a scenario: our own keys or the old file's, `${VAR}` expanded by `lookup`.
///
/// # Errors
/// See [`ConfigError`]; `source` names the text in it.
///
/// ```
/// use corec_core::config::load;
/// let text = r#"{"bloques": [{"id": "a", "entidades": 10, "carga": 0.5}]}"#;
/// let scenario = load("old.json", text, &|_| None)?.scenario;
/// assert_eq!(scenario.blocks[0].entities, 10);
/// let text = r#"{"blocks": [{"id": "a", "entities": 10, "load": 1.7}]}"#;
/// let error = load("new.json", text, &|_| None).unwrap_err();
/// assert_eq!(error.to_string(), "new.json: blocks[0].load: found 1.7, must be within 0..=1");
/// # Ok::<(), corec_core::config::ConfigError>(())
/// ```
pub fn load(
    source: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigError> {
    let mut root = parse(source, text, "a JSON object with the key 'blocks'")?;
    let mut warnings = Vec::new();
    let given = variables::redacted(&root);
    // First, so that what a variable brings into a URL is encoded like the rest.
    variables::expand(source, "", &mut root, lookup)?;
    names::translate(source, &mut root, &mut warnings)?;
    set_sections_apart(source, &mut root)?;
    let mut scenario: Scenario = deserialize(source, root, check::RANGES)?;
    scenario.source = source.into();
    scenario.check(source)?;
    for (i, group) in scenario.blocks.iter().enumerate() {
        if let Some(plugin) = &group.plugin {
            warnings.push(format!(
                "{source}: blocks[{i}].plugin: there is no plugin '{}', '{}' runs the default dynamics",
                plugin.escape_debug(),
                group.id
            ));
        }
    }
    let warnings = warnings.iter().map(|warning| printable(warning).into_owned()).collect();
    Ok(Loaded { scenario, warnings, given })
}

/// Reads a JSON object; `allowed` says what should be there.
pub(super) fn parse(source: &str, text: &str, allowed: &str) -> Result<Value, ConfigError> {
    let fail = |found: String, allowed: String| {
        Err(ConfigError::Value { source_name: source.into(), path: "the file".into(), found, allowed })
    };
    if text.len() as u64 > TEXT_BYTES_MAX {
        return fail(format!("{} bytes", text.len()), format!("at most {TEXT_BYTES_MAX} bytes"));
    }
    let root = parse_json(source, text)?;
    if root.is_object() { Ok(root) } else { fail(kind_of(&root).into(), allowed.into()) }
}

/// Puts what is not of the frame under the key of the sections, and refuses a list where an object belongs: serde would take its items
/// for the keys in their order.
fn set_sections_apart(source: &str, root: &mut Value) -> Result<(), ConfigError> {
    let Value::Object(scenario) = root else { return Ok(()) };
    let frame = |key: &str| SCENARIO_KEYS.contains(&key) || key == BLOCKS;
    split(scenario, frame);
    for (list, of_groups) in [("alerts", false), (BLOCKS, true)] {
        let items = scenario.get_mut(list).and_then(Value::as_array_mut);
        for (i, item) in items.into_iter().flatten().enumerate() {
            if item.is_array() {
                let (path, message) = (format!("{list}[{i}]"), "found a list, must be an object".into());
                return Err(ConfigError::Text { source_name: source.into(), path, message });
            }
            if let (Value::Object(group), true) = (item, of_groups) {
                split(group, |key| GROUP_KEYS.contains(&key));
            }
        }
    }
    Ok(())
}

/// Moves all keys that are not of the frame into an object of their own.
pub(super) fn split(object: &mut Map<String, Value>, is_of_frame: impl Fn(&str) -> bool) {
    let (frame, sections): (Map<String, Value>, Map<String, Value>) =
        std::mem::take(object).into_iter().partition(|(key, _)| is_of_frame(key));
    *object = frame;
    object.insert("sections".into(), Value::Object(sections));
}

/// Settings from JSON, with the path of what does not fit. `ranges` are the keys whose range is narrower than their type's.
pub(crate) fn deserialize<T: DeserializeOwned>(
    source: &str,
    root: Value,
    ranges: &[(&str, &str)],
) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(root).map_err(|e| {
        let path = e.path().to_string();
        // The whole of it is ".".
        let key = path.rsplit('.').next().unwrap_or_default();
        let range = ranges.iter().find(|(ranged, _)| *ranged == key).map(|(_, range)| *range);
        let message = plain(&e.inner().to_string(), range, variables::is_secret(key));
        ConfigError::Text { source_name: source.into(), path, message }
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        load("s.json", text, &|_| None).unwrap_err().to_string()
    }

    /// The configuration file of the program this one succeeds, unchanged.
    const OLD: &str = r#"{
  "instance_id": "corec1",
  "db_config": {"dbname": "corec_db", "user": "postgres", "password": "your_password", "host": "localhost", "port": "5432"},
  "redis_config": {"host": "localhost", "port": 6379, "username": "corec_user", "password": "secure_password"},
  "bloques": [
    {"id": "enjambre_sensor", "canal": 1, "entidades": 980000, "max_size_mb": 1, "entidades_por_bloque": 1000,
     "autoreparacion": {"max_errores": 0.05, "min_fitness": 0.2}},
    {"id": "nodo_seguridad", "canal": 2, "entidades": 1000, "max_size_mb": 1, "entidades_por_bloque": 1000,
     "autoreparacion": {"max_errores": 0.02, "min_fitness": 0.5}},
    {"id": "ia_analisis", "canal": 3, "entidades": 20000, "max_size_mb": 5, "entidades_por_bloque": 2000,
     "plugin": "procesador_inteligente"}
  ],
  "modules": ["registro", "ejecucion", "sincronización", "auditoria"],
  "rol": "generica"
}"#;

    #[test]
    fn the_old_file_loads_unchanged() {
        let Loaded { scenario, warnings, .. } = load("corec_config.json", OLD, &|_| None).unwrap();
        assert_eq!(scenario.name, "corec_config");
        assert_eq!(scenario.role, "generic");
        assert_eq!(scenario.blocks.iter().map(|g| g.entities).sum::<u64>(), 1_001_000);
        assert_eq!(scenario.blocks[0].block_bytes_max, Some(1_000_000));
        let repair = json!({ "fault_ratio_max": 0.02, "fitness_min": 0.5 });
        assert_eq!(scenario.blocks[1].sections["repair"], repair);
        assert_eq!(scenario.store, "postgres://postgres:your_password@localhost:5432/corec_db");
        assert_eq!(scenario.bus, "redis://corec_user:secure_password@localhost:6379");
        assert_eq!(warnings.len(), 2, "modules and the missing plugin: {warnings:?}");
        assert!(warnings[1].contains("procesador_inteligente"));
    }

    use serde_json::json;

    use super::super::redact_url;

    #[test]
    fn both_languages_at_once_are_refused() {
        let text = error(r#"{"blocks": [{"id": "a", "entities": 10, "entidades": 10}]}"#);
        assert!(text.contains("blocks[0].entidades: found both 'entidades' and 'entities'"), "{text}");
    }

    #[test]
    fn a_value_out_of_range_says_what_is_allowed() {
        for (json, path, allowed) in [
            (r#"{"blocks": []}"#, "blocks", "at least one group"),
            (r#"{"ticks": 0, "blocks": [{"id": "a", "entities": 1}]}"#, "ticks", "at least 1"),
            (r#"{"blocks": [{"id": "a/b", "entities": 1}]}"#, "blocks[0].id", "letters"),
            (
                r#"{"blocks": [{"id": "a", "entities": 1, "entities_per_block": 5000}]}"#,
                "blocks[0].entities_per_block",
                "1..=4096",
            ),
            (
                r#"{"blocks": [{"id": "a", "entities": 1, "channel": 300}]}"#,
                "blocks[0].channel",
                "-128..=127",
            ),
            (r#"{"blocks": [{"id": "a", "entities": -3}]}"#, "blocks[0].entities", "1,000,000,000"),
            (r#"{"threads": 0, "blocks": [{"id": "a", "entities": 1}]}"#, "threads", "1..=1024"),
            (r#"{"memory_max": "much", "blocks": [{"id": "a", "entities": 1}]}"#, "memory_max", "1GiB"),
            (
                r#"{"blocks": [{"id": "a", "entities": 1}, {"id": "a", "entities": 1}]}"#,
                "blocks[1].id",
                "no other group",
            ),
            (r#"[1]"#, "the file", "JSON object"),
            (r#"{"blocks": [{"id": "a",, }]}"#, "line 1, column 24", ""),
        ] {
            let text = error(json);
            assert!(text.contains(path) && text.contains(allowed), "{json}: {text}");
        }
    }

    #[test]
    fn variables_are_expanded_in_values_and_a_missing_one_is_named() {
        let text = r#"{"instance_id": "${NODE:-corec}-${RACK}", "blocks": [{"id": "a", "entities": 1}]}"#;
        let lookup = |name: &str| (name == "RACK").then(|| "7".to_string());
        assert_eq!(load("s.json", text, &lookup).unwrap().scenario.instance_id, "corec-7");
        let error = load("s.json", text, &|_| None).unwrap_err().to_string();
        assert_eq!(
            error,
            "s.json: instance_id: found ${RACK}, which is not set, must be a variable that is set, or ${VAR:-default}"
        );
    }

    #[test]
    fn a_secret_from_the_environment_is_encoded_and_redacted() {
        let text = r#"{"redis_config": {"host": "h", "port": 1, "username": "ana", "password": "${PW}"},
                       "blocks": [{"id": "a", "entities": 1}]}"#;
        let bus = load("s.json", text, &|_| Some("a/b@c?".into())).unwrap().scenario.bus;
        assert_eq!(bus, "redis://ana:a%2Fb%40c%3F@h:1");
        for url in [
            &bus,
            "redis://ana:a/b@c?d@h:1/0",
            "redis:/ana:a/b@c@h",
            "postgres://h/d?user=ana&password=a%2Fb",
        ] {
            let shown = redact_url(url);
            assert!(!shown.contains("a/b") && !shown.contains("a%2F") && shown.contains("***"), "{shown}");
        }
    }

    #[test]
    fn a_scenario_survives_its_own_json() {
        let loaded = load("s.json", OLD, &|_| None).unwrap().scenario;
        let text = serde_json::to_string(&loaded).unwrap();
        assert_eq!(load("s.json", &text, &|_| None).unwrap().scenario, loaded);
    }
}
