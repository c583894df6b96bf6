//! The description of the API and of the generated files: fresh, complete, and true.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use larder::{api, publish};

use crate::configuration::is_fresh;

mod exercised;
mod fuzz;
mod scale;
mod schemathesis;

#[test]
fn the_document_that_is_checked_in_is_the_one_that_is_generated() {
    is_fresh("schema/openapi.json", api::openapi_text());
}

#[test]
fn the_schemas_of_the_generated_files_that_are_checked_in_are_the_ones_that_are_generated() {
    let schemas = publish::schemas();
    assert_eq!(schemas.len(), 6);
    for (name, schema) in schemas {
        jsonschema::meta::validate(&schema).unwrap();
        is_fresh(&format!("schema/{name}.schema.json"), &publish::schema_text(&schema));
    }
}
