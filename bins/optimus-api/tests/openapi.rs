//! The API's document is held as a snapshot, so that no route and no field changes by accident.

use std::{env, fs, path::Path};

use optimus_api::Settings;
use optimus_common::submission::Submission;
use serde_json::{Value, json};

#[test]
fn the_document_is_the_one_in_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let document = serde_json::to_string_pretty(&optimus_api::document()).unwrap() + "\n";
    if env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        fs::write(&path, &document).unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        document == held,
        "the API differs from docs/openapi.json; if that is meant, run\n\n    \
         UPDATE_SNAPSHOTS=1 cargo test -p optimus-api\n\nand commit the difference"
    );
}

/// Whether an object keeps what a schema says besides the types of single fields: the fields that are required, and the
/// alternatives of which exactly one has to hold.
fn keeps(schema: &Value, object: &Value) -> bool {
    let required = schema["required"].as_array().into_iter().flatten();
    let typed = schema["properties"].as_object().into_iter().flatten();
    let alternatives = schema["oneOf"].as_array();
    required
        .map(|field| field.as_str().expect("names of fields"))
        .all(|field| object.get(field).is_some())
        && typed
            .filter_map(|(field, property)| Some((property, object.get(field)?)))
            .all(|(property, value)| match value {
                Value::Array(items) => items.len() as u64 >= property["minItems"].as_u64().unwrap_or(0),
                Value::Null => allows_null(property),
                _ => true,
            })
        && alternatives.is_none_or(|some| some.iter().filter(|schema| keeps(schema, object)).count() == 1)
}

fn allows_null(property: &Value) -> bool {
    let types = property["type"].as_array();
    types.is_some_and(|types| types.contains(&json!("null")))
}

#[test]
fn the_document_tells_of_which_fields_one_is_required() {
    let document = serde_json::to_value(optimus_api::document()).unwrap();
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let test = json!({ "id": 1, "expected_output": "x" });
    let submission = |sources: Value, test: &Value| {
        let mut submission = sources;
        submission["language"] = json!("python");
        submission["test_cases"] = json!([test]);
        submission
    };
    let is_taken = |submission: &Value| {
        serde_json::from_value(submission.clone())
            .is_ok_and(|submission: Submission| submission.validate(&Settings::defaults().limits.max).is_ok())
    };
    let file = json!({ "name": "a.py", "content": "" });
    let program = json!({ "source_code": "" });
    let digest = "ab".repeat(32);

    // Whether it is right, and what it is.
    let tests = [
        (false, json!({ "id": 1 })),
        (true, test.clone()),
        (true, json!({ "id": 1, "expected_output_base64": "eA==" })),
        (
            false,
            json!({ "id": 1, "expected_output": "x", "expected_output_base64": "eA==" }),
        ),
        (false, json!({ "id": 1, "expected_output": null })),
        (true, json!({ "id": 1, "expected_output_sha256": digest })),
        (
            false,
            json!({ "id": 1, "expected_output": "x", "expected_output_sha256": digest }),
        ),
        (
            true,
            json!({ "id": 1, "expected_output": "x", "expected_output_base64": null }),
        ),
    ];
    for (right, test) in tests {
        assert_eq!(keeps(&schema("TestCase"), &test), right, "{test}");
        assert_eq!(is_taken(&submission(program.clone(), &test)), right, "{test}");
    }
    let programs = [
        (false, json!({})),
        (true, program.clone()),
        (true, json!({ "files": [file] })),
        (false, json!({ "source_code": "", "files": [file] })),
        (false, json!({ "files": [] })),
        (true, json!({ "source_code": "", "files": [] })),
        (true, json!({ "source_code": null, "files": [file] })),
    ];
    for (right, sources) in programs {
        let submission = submission(sources, &test);
        assert_eq!(keeps(&schema("Submission"), &submission), right, "{submission}");
        assert_eq!(is_taken(&submission), right, "{submission}");
    }
    let files = [
        (false, json!({ "name": "a.py" })),
        (true, file),
        (true, json!({ "name": "a.py", "content_base64": "" })),
        (true, json!({ "name": "a.py", "content_sha256": digest })),
        (
            false,
            json!({ "name": "a.py", "content": "", "content_sha256": digest }),
        ),
        (
            false,
            json!({ "name": "a.py", "content": "", "content_base64": "" }),
        ),
    ];
    for (right, file) in files {
        assert_eq!(keeps(&schema("SourceFile"), &file), right, "{file}");
        let submission = submission(json!({ "files": [file] }), &test);
        assert_eq!(is_taken(&submission), right, "{submission}");
    }
}
