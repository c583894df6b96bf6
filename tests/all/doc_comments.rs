//! A doc comment is read alone: in rustdoc, in an editor, and in the published schema.

use std::path::Path;

use serde_json::Value;

use crate::layers::files;

/// How a text begins that needs the one before it.
const NEEDS_ANOTHER: &str = "The same";

/// Whether a text cannot be understood alone.
fn needs_another(text: &str) -> bool {
    let behind = text.strip_prefix(NEEDS_ANOTHER);
    behind.is_some_and(|behind| !behind.starts_with(char::is_alphanumeric))
}

/// The first lines of the doc comments of a file, with their numbers.
fn first_lines(code: &str) -> Vec<(usize, &str)> {
    let mut before = None;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let line = line.trim_start();
        let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim);
        // A paragraph begins anew behind an empty line.
        if let Some(text) = text.filter(|_| before.is_none_or(str::is_empty)) {
            found.push((number, text));
        }
        before = text;
    }
    found
}

#[test]
fn each_doc_comment_names_its_subject() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let code = std::fs::read_to_string(&path).unwrap();
        let lines = first_lines(&code).into_iter().filter(|(_, text)| needs_another(text));
        let place = |(number, text)| format!("{}:{number}: {text}", path.display());
        wrong.extend(lines.map(place));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        first_lines("/// One.\n/// The same\n///\n/// The same.\nfn f() {}\n/// Two.").len(),
        3
    );
    assert!(needs_another("The same.") && !needs_another("The sameness of both."));
}

#[test]
fn each_description_that_is_published_names_its_subject() {
    fn wrong(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                let described = fields.get("description").and_then(Value::as_str);
                found.extend(described.filter(|text| needs_another(text)).map(|_| at.to_owned()));
                for (key, value) in fields {
                    wrong(value, &format!("{at}/{key}"), found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| wrong(item, at, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let mut found = Vec::new();
    for name in ["openapi.json", "larder.schema.json"] {
        let text = std::fs::read_to_string(schemas.join(name)).unwrap();
        wrong(&serde_json::from_str(&text).unwrap(), name, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
