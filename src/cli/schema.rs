//! `corec schema`: a scenario's JSON schema, for editors and checks.

use std::process::ExitCode;

/// Prints it.
pub fn main() -> ExitCode {
    let schema = serde_json::to_string_pretty(&corec_run::schema()).expect("a schema is JSON");
    super::print(&format!("{schema}\n"))
}
