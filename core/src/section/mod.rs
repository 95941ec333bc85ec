//! Sections: parts of a scenario, or of each of its groups, that are read by whoever they belong to.
//!
//! The engine reads the frame of a scenario ([`Scenario`], [`BlockGroup`]); a key that is not of the frame is a section. Its owner
//! registers it by name ([`AddSection`]), with a type, which has a schema and a check. When a run is built each section becomes a
//! resource, [`ScenarioSettings`] or [`GroupSettings`]; one that nobody has registered is refused.

mod read;

use std::any::type_name;

use bevy_app::App;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use read::{check_keys, read, written};

use crate::block::GroupId;
use crate::config::{BlockGroup, ConfigError, GROUP_KEYS, SCENARIO_KEYS, Scenario, SectionValues, unknown};

/// A part of a scenario, or of a group of blocks, with a type of its own.
///
/// ```
/// use corec_core::{config::load, section::Section};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// How a group of entities tires.
/// #[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
/// #[serde(default)]
/// struct Fatigue {
///     /// Tiredness gained per tick, 0..=1.
///     gain: f32,
/// }
///
/// impl Section for Fatigue {
///     const NAME: &'static str = "fatigue";
/// }
///
/// let text = r#"{"blocks": [{"id": "a", "entities": 10, "fatigue": {"gain": 0.5}}]}"#;
/// let scenario = load("s.json", text, &|_| None)?.scenario;
/// assert_eq!(scenario.blocks[0].section::<Fatigue>()?, Fatigue { gain: 0.5 });
/// # Ok::<(), corec_core::config::ConfigError>(())
/// ```
pub trait Section:
    Serialize + DeserializeOwned + JsonSchema + Default + Clone + Send + Sync + 'static
{
    /// Its key in a scenario or a group.
    const NAME: &'static str;

    /// Keys that allow less than their types do, and what: told where a value does not even fit the type. The key of the section itself
    /// is empty.
    const RANGES: &'static [(&'static str, &'static str)] = &[];

    /// Whether a scenario that has none is written down with its default, so that a run which was recorded keeps it, whatever the default
    /// of a later version is.
    const IS_WRITTEN: bool = false;

    /// Whether its values make sense, beside what their types say.
    ///
    /// # Errors
    /// The first that does not: its key within the section (empty for the section itself), what was found, what is allowed.
    fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        Ok(())
    }
}

/// A section of the scenario as the run has it; none where it is missing or null.
#[derive(Resource, Clone, Debug, Default)]
pub struct ScenarioSettings<T: Section>(pub Option<T>);

/// A section of every group as the run has it, by [`GroupId`]; its default where a group has none.
#[derive(Resource, Clone, Debug, Default)]
pub struct GroupSettings<T: Section>(Vec<T>);

impl<T: Section> GroupSettings<T> {
    /// A group's.
    ///
    /// # Panics
    /// On an id of another run.
    pub fn of(&self, group: GroupId) -> &T {
        &self.0[usize::from(group.0)]
    }

    /// Those of all groups, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

/// Registers sections with an app.
pub trait AddSection {
    /// Reads the key `T::NAME` of the scenario as a `T`, for [`ScenarioSettings`].
    fn add_section<T: Section>(&mut self) -> &mut Self;

    /// Reads the key `T::NAME` of every group of blocks as a `T`, for [`GroupSettings`].
    fn add_group_section<T: Section>(&mut self) -> &mut Self;
}

impl AddSection for App {
    fn add_section<T: Section>(&mut self) -> &mut Self {
        self.world_mut().get_resource_or_init::<Sections>().add::<T>(false, insert_of_scenario::<T>);
        self
    }

    fn add_group_section<T: Section>(&mut self) -> &mut Self {
        self.world_mut().get_resource_or_init::<Sections>().add::<T>(true, insert_of_groups::<T>);
        self
    }
}

/// The sections that have been registered.
#[derive(Resource, Clone, Default)]
pub struct Sections(Vec<Registered>);

#[derive(Clone, Copy)]
struct Registered {
    name: &'static str,
    type_name: &'static str,
    is_of_groups: bool,
    is_written: bool,
    /// Reads it, checks it, and gives it back as it is written with every key.
    complete: fn(&str, &str, &Value) -> Result<Value, ConfigError>,
    default: fn() -> Value,
    insert: fn(&mut World, &Scenario) -> Result<(), ConfigError>,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Sections {
    fn add<T: Section>(
        &mut self,
        is_of_groups: bool,
        insert: fn(&mut World, &Scenario) -> Result<(), ConfigError>,
    ) {
        self.0.push(Registered {
            name: T::NAME,
            type_name: type_name::<T>(),
            is_of_groups,
            is_written: T::IS_WRITTEN,
            complete: |source, path, value| {
                let section = read::<T>(source, path, value)?;
                check_keys::<T>(source, path, value)?;
                Ok(written(&section))
            },
            default: || written(&T::default()),
            insert,
            schema: SchemaGenerator::subschema_for::<T>,
        });
    }

    fn known(&self, is_of_groups: bool) -> impl Iterator<Item = &Registered> {
        self.0.iter().filter(move |section| section.is_of_groups == is_of_groups)
    }

    /// Checks every section of a scenario and gives it every key that it may have; groups get the sections that they lack.
    ///
    /// # Errors
    /// A section that nobody has registered, or whose values don't fit; two of one name.
    pub fn complete(&self, scenario: &mut Scenario) -> Result<(), ConfigError> {
        let source = scenario.source_name().to_string();
        self.check_names(&source)?;
        self.complete_level(&source, "", &SCENARIO_KEYS, false, &mut scenario.sections)?;
        for section in self.known(false).filter(|section| section.is_written) {
            let value = scenario.sections.entry(section.name).or_insert_with(section.default);
            if value.is_null() {
                *value = (section.default)();
            }
        }
        for (i, group) in scenario.blocks.iter_mut().enumerate() {
            let of_scenario = || (source.clone(), format!("blocks[{i}]."));
            let (source, path) = group.place.clone().unwrap_or_else(of_scenario);
            self.complete_level(&source, &path, &GROUP_KEYS, true, &mut group.sections)?;
            for section in self.known(true) {
                group.sections.entry(section.name).or_insert_with(section.default);
            }
        }
        Ok(())
    }

    fn complete_level(
        &self,
        source: &str,
        path: &str,
        frame: &[&str],
        is_of_groups: bool,
        sections: &mut SectionValues,
    ) -> Result<(), ConfigError> {
        for (name, value) in sections.iter_mut() {
            let (at, section) = (format!("{path}{name}"), self.known(is_of_groups).find(|s| s.name == name));
            let Some(section) = section else {
                let own = self.known(is_of_groups).map(|section| section.name);
                let known: Vec<&str> = frame.iter().copied().chain(own).collect();
                let (source_name, message) = (source.into(), unknown("key", name, &known));
                return Err(ConfigError::Text { source_name, path: at, message });
            };
            if is_of_groups || !value.is_null() {
                *value = (section.complete)(source, &at, value)?;
            }
        }
        Ok(())
    }

    fn check_names(&self, source: &str) -> Result<(), ConfigError> {
        for (at, section) in self.0.iter().enumerate() {
            let frame = if section.is_of_groups { &GROUP_KEYS[..] } else { &SCENARIO_KEYS[..] };
            let others = self.0[..at].iter().filter(|other| other.is_of_groups == section.is_of_groups);
            let other =
                others.into_iter().find(|other| other.name == section.name).map(|other| other.type_name);
            let other = other.or(frame.contains(&section.name).then_some("the engine's own"));
            if let Some(other) = other {
                let message = format!(
                    "found two sections of that name, {} and {other}, must be one",
                    section.type_name
                );
                let (source_name, path) = (source.into(), section.name.into());
                return Err(ConfigError::Text { source_name, path, message });
            }
        }
        Ok(())
    }

    /// The JSON schema of a scenario with these sections.
    pub fn schema(&self) -> Schema {
        let mut generator = SchemaGenerator::default();
        let mut schema = generator.root_schema_for::<Scenario>();
        let mut of = |is_of_groups| -> Map<String, Value> {
            let schema = |section: &Registered| {
                let schema = (section.schema)(&mut generator).to_value();
                // A section of the scenario may be null, as if it were not there.
                let schema = if is_of_groups {
                    schema
                } else {
                    serde_json::json!({ "anyOf": [schema, { "type": "null" }] })
                };
                (section.name.to_string(), schema)
            };
            self.known(is_of_groups).map(schema).collect()
        };
        let (of_scenario, of_groups) = (of(false), of(true));
        let definitions = generator.take_definitions(true);
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.extend(of_scenario);
        }
        if let Some(Value::Object(all)) = schema.get_mut("$defs") {
            all.extend(definitions);
            if let Some(Value::Object(properties)) = all["BlockGroup"].get_mut("properties") {
                properties.extend(of_groups);
            }
        }
        schema
    }

    /// Makes a resource of every section, from a scenario that is complete.
    pub(crate) fn insert(world: &mut World, scenario: &Scenario) -> Result<(), ConfigError> {
        let sections = world.get_resource_or_init::<Self>().clone();
        sections.0.iter().try_for_each(|section| (section.insert)(world, scenario))
    }
}

fn insert_of_scenario<T: Section>(world: &mut World, scenario: &Scenario) -> Result<(), ConfigError> {
    let section = scenario.section::<T>()?;
    world.insert_resource(ScenarioSettings(section));
    Ok(())
}

fn insert_of_groups<T: Section>(world: &mut World, scenario: &Scenario) -> Result<(), ConfigError> {
    let of_groups: Result<Vec<T>, ConfigError> = scenario.blocks.iter().map(BlockGroup::section).collect();
    world.insert_resource(GroupSettings(of_groups?));
    Ok(())
}

impl Scenario {
    /// Whether the scenario has the section `name`, and it is not null.
    pub fn has_section(&self, name: &str) -> bool {
        self.sections.get(name).is_some_and(|section| !section.is_null())
    }

    /// A section of it; none where it is missing or null.
    ///
    /// # Errors
    /// Values that don't fit.
    pub fn section<T: Section>(&self) -> Result<Option<T>, ConfigError> {
        let value = self.sections.get(T::NAME).filter(|value| !value.is_null());
        value.map(|value| read(self.source_name(), T::NAME, value)).transpose()
    }

    /// Gives it a section.
    pub fn set_section<T: Section>(&mut self, section: &T) -> &mut Self {
        self.sections.insert(T::NAME.into(), written(section));
        self
    }
}

impl BlockGroup {
    /// A section of it; its default where it is missing.
    ///
    /// # Errors
    /// Values that don't fit.
    pub fn section<T: Section>(&self) -> Result<T, ConfigError> {
        match self.sections.get(T::NAME) {
            Some(value) => read(&format!("group '{}'", self.id), T::NAME, value),
            None => Ok(T::default()),
        }
    }

    /// Gives it a section.
    pub fn set_section<T: Section>(&mut self, section: &T) -> &mut Self {
        self.sections.insert(T::NAME.into(), written(section));
        self
    }
}
