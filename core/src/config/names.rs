//! The names of the old program's files, mapped to ours before anything else reads them.
//!
//! Source: the Spanish plugin guide and its `corec_config.json`. A pre-pass over the JSON, because aliases in the
//! types would also be taken where they are not meant, and could not say that both names are present.

use serde_json::{Map, Value, json};

use super::ConfigError;

/// Keys of a scenario.
const SCENARIO: &[(&str, &str)] =
    &[("bloques", "blocks"), ("rol", "role"), ("db_config", "store"), ("redis_config", "bus")];
/// Keys of a group of blocks.
const GROUP: &[(&str, &str)] = &[
    ("canal", "channel"),
    ("carga", "load"),
    ("entidades", "entities"),
    ("entidades_por_bloque", "entities_per_block"),
    ("autoreparacion", "repair"),
    ("max_size_mb", "block_bytes_max"),
];
/// Keys of a plugin's config.json that a group of blocks does not have.
const PLUGIN: &[(&str, &str)] = &[("nombre", "name"), ("intervalo", "interval")];
/// Keys of a repair policy.
const REPAIR: &[(&str, &str)] = &[("max_errores", "fault_ratio_max"), ("min_fitness", "fitness_min")];

/// Renames the old keys of a scenario in place and gives old values their new shape.
///
/// # Errors
/// A key that is there in both languages, or an old value of the wrong shape.
pub fn translate(source: &str, root: &mut Value, warnings: &mut Vec<String>) -> Result<(), ConfigError> {
    let Value::Object(scenario) = root else { return Ok(()) };
    // An old file names itself by its shape; it also gets what it always had: every enabled plugin.
    let old_file = scenario.contains_key("bloques");
    rename(source, "", scenario, SCENARIO)?;
    if let Some(modules) = scenario.remove("modules") {
        warnings.push(format!("{source}: modules: ignored, {modules} are built in"));
    }
    if old_file && !scenario.contains_key("plugins") {
        scenario.insert("plugins".into(), json!("auto"));
    }
    if old_file && !scenario.contains_key("name") {
        scenario.insert("name".into(), json!(stem(source)));
    }
    if let Some(role) = scenario.get_mut("role") {
        match role.as_str() {
            Some("generica") => *role = json!("generic"),
            Some("generic") | None => {}
            Some(other) => warnings.push(format!(
                "{source}: role: '{}' is not a known role, kept as a label",
                other.escape_debug()
            )),
        }
    }
    for (key, to_url) in [("store", postgres_url as ToUrl), ("bus", redis_url as ToUrl)] {
        if let Some(Value::Object(parts)) = scenario.get(key) {
            let url = to_url(parts).map_err(|(part, found)| ConfigError::Value {
                source_name: source.into(),
                path: format!("{key}.{part}"),
                found,
                allowed: "a text, or for a port a number or numeric text".into(),
            })?;
            scenario.insert(key.into(), json!(url));
        }
    }
    let Some(Value::Array(groups)) = scenario.get_mut("blocks") else { return Ok(()) };
    for (i, group) in groups.iter_mut().enumerate() {
        let Value::Object(group) = group else { continue };
        translate_group(source, &format!("blocks[{i}]."), group)?;
    }
    Ok(())
}

/// Renames the old keys of a plugin's config.json in place.
///
/// # Errors
/// As [`translate`].
pub fn translate_plugin(source: &str, config: &mut Map<String, Value>) -> Result<(), ConfigError> {
    rename(source, "", config, PLUGIN)?;
    translate_group(source, "", config)
}

pub(super) fn translate_group(
    source: &str,
    path: &str,
    group: &mut Map<String, Value>,
) -> Result<(), ConfigError> {
    let megabytes = group.contains_key("max_size_mb");
    rename(source, path, group, GROUP)?;
    if megabytes && let Some(size) = group.get_mut("block_bytes_max").filter(|v| v.is_number()) {
        *size = json!((size.as_f64().unwrap_or(0.0) * 1e6) as u64);
    }
    if let Some(Value::Object(repair)) = group.get_mut("repair") {
        rename(source, &format!("{path}repair."), repair, REPAIR)?;
    }
    Ok(())
}

fn rename(
    source: &str,
    path: &str,
    object: &mut Map<String, Value>,
    names: &[(&str, &str)],
) -> Result<(), ConfigError> {
    for (old, new) in names {
        if !object.contains_key(*old) {
            continue;
        }
        if object.contains_key(*new) {
            return Err(ConfigError::Value {
                source_name: source.into(),
                path: format!("{path}{old}"),
                found: format!("both '{old}' and '{new}'"),
                allowed: format!("one of the two, preferably '{new}'"),
            });
        }
        // Rebuilt to keep the order: the key's place is what an error's path and a person's eye go by.
        *object = std::mem::take(object)
            .into_iter()
            .map(|(key, value)| if key == *old { ((*new).to_string(), value) } else { (key, value) })
            .collect();
    }
    Ok(())
}

type Wrong = (String, String);
type ToUrl = fn(&Map<String, Value>) -> Result<String, Wrong>;

fn postgres_url(parts: &Map<String, Value>) -> Result<String, Wrong> {
    let known = ["dbname", "user", "password", "host", "port"];
    check_known(parts, &known)?;
    let [db, user, password, host, port] = known.map(|key| part(parts, key));
    Ok(format!(
        "postgres://{}{}/{}",
        credentials(user?, password?),
        address(host?, port?, "5432"),
        encode(&db?.unwrap_or_default())
    ))
}

fn redis_url(parts: &Map<String, Value>) -> Result<String, Wrong> {
    let known = ["username", "password", "host", "port"];
    check_known(parts, &known)?;
    let [user, password, host, port] = known.map(|key| part(parts, key));
    Ok(format!("redis://{}{}", credentials(user?, password?), address(host?, port?, "6379")))
}

fn check_known(parts: &Map<String, Value>, known: &[&str]) -> Result<(), Wrong> {
    match parts.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => {
            Err((key.escape_debug().to_string(), format!("an unknown key (known: {})", known.join(", "))))
        }
        None => Ok(()),
    }
}

fn part(parts: &Map<String, Value>, key: &str) -> Result<Option<String>, Wrong> {
    match parts.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if key != "port" || text.parse::<u16>().is_ok() => Ok(Some(text.clone())),
        Some(Value::Number(n)) if key == "port" && n.as_u64().is_some_and(|n| n <= 65535) => {
            Ok(Some(n.to_string()))
        }
        // A wrong password must not be shown.
        Some(_) if key == "password" => Err((key.into(), "something that is not a text".into())),
        Some(found) => Err((key.into(), found.to_string())),
    }
}

fn credentials(user: Option<String>, password: Option<String>) -> String {
    match (user, password) {
        (None, None) => String::new(),
        (user, None) => format!("{}@", encode(&user.unwrap_or_default())),
        (user, Some(password)) => format!("{}:{}@", encode(&user.unwrap_or_default()), encode(&password)),
    }
}

fn address(host: Option<String>, port: Option<String>, default_port: &str) -> String {
    format!("{}:{}", host.unwrap_or_else(|| "localhost".into()), port.unwrap_or_else(|| default_port.into()))
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (b as char).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// A file's name without folder and extension.
fn stem(source: &str) -> &str {
    let name = source.rsplit('/').next().unwrap_or(source);
    name.strip_suffix(".json").unwrap_or(name)
}
