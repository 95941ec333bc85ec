//! Changed settings: what `--set PATH=VALUE` changes of a recorded run, in its scenario or in a plugin's config.

use serde_json::Value;

use crate::manifest::PluginRecord;

/// Settings that change nothing in a future, and why.
const WITHOUT_EFFECT: [(&str, &str); 8] = [
    ("ticks", "whose end --ticks says"),
    ("threads", "whose results do not depend on it"),
    ("tick_seconds_max", "whose results do not depend on it"),
    ("memory_max", "whose results do not depend on it"),
    ("snapshot_memory_max", "whose results do not depend on it"),
    ("name", "which is called as the run is"),
    ("role", "which nothing reads"),
    ("bus", "which has one of its own"),
];
/// Keys of a plugin's config that are its group's: the run has the group by now.
const OF_GROUP: [&str; 12] = [
    "entities",
    "entidades",
    "entities_per_block",
    "entidades_por_bloque",
    "channel",
    "canal",
    "load",
    "carga",
    "block_bytes_max",
    "max_size_mb",
    "repair",
    "autoreparacion",
];
/// Keys of a plugin's config that say which plugins and groups a run has.
const OF_RUN: [&str; 3] = ["enabled", "name", "groups"];

/// The settings of a run, and the configs of its plugins.
pub(crate) struct Changed {
    pub settings: Value,
    pub plugins: Vec<PluginRecord>,
}

impl Changed {
    /// Changes one setting: `path=value`, the path as errors have it, the value JSON or a text; `plugins.NAME.key` is of a plugin's
    /// config.
    ///
    /// # Errors
    /// A path that is not there, a value that it has already or that has no effect. A text.
    pub fn set(&mut self, set: &str) -> Result<(), String> {
        let Some((path, value)) = set.split_once('=') else {
            return Err(format!("--set: found '{set}', must be PATH=VALUE: blocks[0].load=0.9"));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        if path == "plugins" {
            return Err("--set: plugins: has no effect on a future, which has the plugins that the run had: plugins.NAME.key=value"
                .into());
        }
        if let Some(of_plugin) = path.strip_prefix("plugins.") {
            return self.set_of_plugin(path, of_plugin, value);
        }
        let at = find(&mut self.settings, path, path)?;
        let whole = path.split(['.', '[']).next().unwrap_or(path);
        if let Some((_, why)) = WITHOUT_EFFECT.iter().find(|(key, _)| *key == whole) {
            return Err(format!("--set: {path}: has no effect on a future, {why}"));
        }
        replace(at, path, value)
    }

    /// A key that a config has not stands at its default: whether the plugin knows it, the plugin says.
    fn set_of_plugin(&mut self, path: &str, of_plugin: &str, value: Value) -> Result<(), String> {
        let names: Vec<String> = self.plugins.iter().map(|plugin| plugin.name.clone()).collect();
        let wrong = || {
            let there = if names.is_empty() { "none".into() } else { names.join(", ") };
            format!("--set: {path}: must be plugins.NAME.key of a plugin of the run: {there}")
        };
        // A name may have dots of its own.
        let rest = |name: &str| of_plugin.strip_prefix(name)?.strip_prefix('.').map(str::to_string);
        let found = self.plugins.iter_mut().find_map(|plugin| Some((rest(&plugin.name)?, plugin)));
        let (within, plugin) = found.ok_or_else(wrong)?;
        let within = match plugin.config.get("intervalo") {
            Some(_) if within == "interval" => "intervalo",
            _ => &within,
        };
        let key = within.split(['.', '[']).next().unwrap_or(within);
        if OF_RUN.contains(&key) {
            return Err(format!(
                "--set: {path}: has no effect on a future, which has the plugins and the groups that the run had"
            ));
        }
        if OF_GROUP.contains(&key) {
            return Err(format!(
                "--set: {path}: is a setting of the plugin's group, must be blocks[N].{key}"
            ));
        }
        if let (Value::Object(config), true) = (&mut plugin.config, key == within) {
            let at = config.entry(key).or_insert(Value::Null);
            return replace(at, path, value);
        }
        replace(find(&mut plugin.config, within, path)?, path, value)
    }
}

/// What stands at `within`, a part of the path that is told in errors.
fn find<'v>(mut at: &'v mut Value, within: &str, path: &str) -> Result<&'v mut Value, String> {
    for part in within.split('.') {
        let (key, indices) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
        let known =
            at.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default();
        at = at
            .get_mut(key)
            .ok_or_else(|| format!("--set: {path}: found no key '{key}', must be one of: {known}"))?;
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            let number = index.strip_suffix(']').and_then(|index| index.parse::<usize>().ok());
            let length = at.as_array().map_or(0, Vec::len);
            let item = number.and_then(|number| at.get_mut(number));
            at = item.ok_or_else(|| format!("--set: {path}: found [{index}, must be below {length}"))?;
        }
    }
    Ok(at)
}

fn replace(at: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if *at == value {
        return Err(format!("--set: {path}: found {value}, which it is already, must be another value"));
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_setting_is_changed_by_its_path() {
        let settings = json!({"name": "a", "blocks": [{"load": 0.5}, {"load": 0.5}]});
        let config = json!({"name": "tired", "gain": 0.1, "rules": [{"enter": 1}]});
        let plugins = vec![PluginRecord { name: "tired".into(), folder: None, config }];
        let mut changed = Changed { settings, plugins };
        for set in [
            "blocks[1].load=0.9",
            "plugins.tired.gain=0.2",
            "plugins.tired.floor=1",
            "plugins.tired.rules[0].enter=2",
        ] {
            changed.set(set).unwrap();
        }
        assert_eq!(changed.settings, json!({"name": "a", "blocks": [{"load": 0.5}, {"load": 0.9}]}));
        let config = json!({"name": "tired", "gain": 0.2, "rules": [{"enter": 2}], "floor": 1});
        assert_eq!(changed.plugins[0].config, config);
        for (set, wanted) in [
            ("blocks[2].load=1", "must be below 2"),
            ("blocks[0].lod=1", "found no key 'lod', must be one of: load"),
            ("name", "must be PATH=VALUE"),
            ("name=b", "has no effect on a future"),
            ("blocks[0].load=0.5", "which it is already"),
            ("plugins=[]", "plugins.NAME.key=value"),
            ("plugins.lazy.gain=1", "of a plugin of the run: tired"),
            ("plugins.tired.enabled=false", "which has the plugins and the groups that the run had"),
            ("plugins.tired.entities=5", "is a setting of the plugin's group"),
            ("plugins.tired.rules[1].enter=2", "must be below 1"),
        ] {
            let error = changed.set(set).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
