//! OpenAPI: what the API takes and gives, for machines; docs/openapi.json is the same.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::told::{
    AlertsTold, BlocksTold, LayoutTold, Order, PluginsTold, RowsTold, SortBy, SummaryTold, SystemsTold,
};

/// The document, version 3.1.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for (path, what, schema) in [
        ("summary", "How the run is", reference::<SummaryTold>(&mut schemas)),
        ("systems", "What each system has cost", reference::<SystemsTold>(&mut schemas)),
        ("plugins", "The plugins", reference::<PluginsTold>(&mut schemas)),
        ("alerts", "Alerts that are up, and the last ones", reference::<AlertsTold>(&mut schemas)),
        ("layout", "Which blocks a frame has", reference::<LayoutTold>(&mut schemas)),
    ] {
        paths.insert(format!("/api/v1/{path}"), get(what, json!([]), schema, &[]));
    }
    paths.insert("/api/v1/blocks".into(), blocks(&mut schemas));
    paths.insert("/api/v1/blocks/{id}".into(), rows(&mut schemas));
    paths.insert("/api/v1/stream".into(), stream());
    paths.insert("/api/v1/plugins/{name}/{change}".into(), json!({ "post": change() }));
    json!({
        "openapi": "3.1.0",
        "info": { "title": "CoreC", "version": "1", "description": "A run as it goes." },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn blocks(schemas: &mut SchemaGenerator) -> Value {
    let number = |default: u64, maximum: u64| json!({ "type": "integer", "minimum": 0, "maximum": maximum, "default": default });
    let parameters = json!([
        query("group", "Those of one group", json!({ "type": "string" })),
        query("sort", "In which order", reference::<SortBy>(schemas)),
        query("order", "From which end", reference::<Order>(schemas)),
        query("offset", "How many are left out first", number(0, u32::MAX.into())),
        query("limit", "How many at most; more than 1000 are 1000", number(100, 1000)),
    ]);
    let errors = [("400", "A parameter that is none"), ("404", "No such group")];
    get("Blocks as last measured", parameters, reference::<BlocksTold>(schemas), &errors)
}

fn rows(schemas: &mut SchemaGenerator) -> Value {
    let id = in_path("id", json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }));
    let errors = [
        ("400", "No whole number"),
        ("404", "No such block"),
        ("429", "Rows of 16 other blocks were asked for in the last seconds"),
        ("503", "The run is in a long tick, or has ended"),
    ];
    get("A block and its rows", json!([id]), reference::<RowsTold>(schemas), &errors)
}

fn stream() -> Value {
    let rate = json!({ "type": "number", "minimum": 0.1, "maximum": 10, "default": 10 });
    let hz = json!([query("hz", "Frames a second at most", rate)]);
    let errors = [("400", "No such rate"), ("503", "64 viewers are there already")];
    let content = json!({ "text/event-stream": { "schema": { "type": "string" } } });
    answers("Server-sent events: summary, frame, end; see docs/http.md", hz, content, &errors)
}

fn change() -> Value {
    json!({
        "summary": "Pause a plugin, or let it go on",
        "parameters": [
            in_path("name", json!({ "type": "string" })),
            in_path("change", json!({ "enum": ["pause", "resume"] })),
        ],
        "security": [{ "token": [] }],
        "responses": {
            "202": { "description": "It is asked for, and done before the next tick" },
            "401": { "description": "No token, or another" },
            "404": { "description": "No such plugin" },
            "409": { "description": "A failure has stopped the plugin, or the run has ended" },
            "429": { "description": "Too many changes wait for the next tick" },
        },
    })
}

fn get(what: &str, parameters: Value, schema: Value, errors: &[(&str, &str)]) -> Value {
    answers(what, parameters, json!({ "application/json": { "schema": schema } }), errors)
}

fn answers(what: &str, parameters: Value, content: Value, errors: &[(&str, &str)]) -> Value {
    let mut responses = Map::new();
    responses.insert("200".into(), json!({ "description": what, "content": content }));
    for (status, why) in errors {
        responses.insert((*status).into(), json!({ "description": why }));
    }
    json!({ "get": { "summary": what, "parameters": parameters, "responses": responses } })
}

fn query(name: &str, what: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "required": false, "description": what, "schema": schema })
}

fn in_path(name: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn reference<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `COREC_BLESS=1 cargo test -p corec_live openapi` writes the file anew.
    #[test]
    fn the_file_in_docs_is_the_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let now = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("COREC_BLESS").is_some() {
            std::fs::write(path, &now).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap();
        assert!(there == now, "docs/openapi.json is of another version: COREC_BLESS=1 writes it anew");
    }
}
