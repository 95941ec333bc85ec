//! `corec schema`: a scenario's JSON schema, for editors and checks.

use std::process::ExitCode;

use corec::prelude::Scenario;
use corec::prelude::schemars::schema_for;

/// Prints it.
pub fn main() -> ExitCode {
    let schema = serde_json::to_string_pretty(&schema_for!(Scenario)).expect("a schema is JSON");
    super::print(&format!("{schema}\n"))
}
