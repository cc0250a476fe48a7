//! Rules of the API's document that a structure of Rust does not tell: of which fields exactly one is given.

use serde_json::{Value, json};
use utoipa::openapi::{OpenApi as Document, RefOr, Schema};

/// By schema, as `Submission::validate` asks for them.
const ALTERNATIVES: [(&str, &[&str]); 3] = [
    ("Submission", &["source_code", "files"]),
    ("SourceFile", &["content", "content_base64", "content_sha256"]),
    (
        "TestCase",
        &[
            "expected_output",
            "expected_output_base64",
            "expected_output_sha256",
        ],
    ),
];

pub(crate) fn describe_alternatives(document: &mut Document) {
    let components = document.components.get_or_insert_default();
    for (name, fields) in ALTERNATIVES {
        let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get_mut(name) else {
            unreachable!("{name} is an object of the document");
        };
        let one_of: Value = fields.iter().map(|field| given(field)).collect();
        // utoipa's objects know no `oneOf` beside their properties; their extensions are written as they are.
        let extensions = schema.extensions.get_or_insert_default();
        extensions.insert("oneOf".to_owned(), one_of);
    }
}

/// That a field is there. What is null or an empty list counts as left out.
fn given(field: &str) -> Value {
    let value = match field {
        "files" => json!({ "type": "array", "minItems": 1 }),
        _ => json!({ "type": "string" }),
    };
    json!({ "required": [field], "properties": { field: value } })
}
