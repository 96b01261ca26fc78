//! The OpenAPI document: what it lists, and schemas to hold answers against.

use std::collections::BTreeSet;
use std::path::Path;

use rehearsal_api::openapi;
use serde_json::{Value, json};

/// The document's paths with methods and the statuses that each may answer.
pub struct Document(Value);

/// One operation: method, path with `{…}`.
pub type Operation = (String, String);

impl Document {
    /// The document of this version.
    pub fn new() -> Self {
        Self(serde_json::to_value(openapi()).unwrap())
    }

    /// All operations, in order.
    pub fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().unwrap();
        let methods = |path: &str| paths[path].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        paths.keys().flat_map(|path| methods(path).into_iter().map(|method| (method, path.clone()))).collect()
    }

    /// The statuses that an operation may answer.
    pub fn statuses(&self, operation: &Operation) -> BTreeSet<u16> {
        let responses = self.at(operation)["responses"].as_object().unwrap();
        responses.keys().map(|status| status.parse().unwrap()).collect()
    }

    /// Whether an operation takes a body.
    pub fn takes_body(&self, operation: &Operation) -> bool {
        !self.at(operation)["requestBody"].is_null()
    }

    /// Holds an answer against what the document says of it.
    pub fn check(&self, operation: &Operation, status: u16, content_type: Option<&str>, body: &str) {
        let response = &self.at(operation)["responses"][status.to_string()];
        assert!(!response.is_null(), "{operation:?} answers {status}, which is not documented: {body}");
        let Some(content) = response["content"].as_object() else {
            assert_eq!(body, "", "{operation:?} {status} is documented without a body");
            return;
        };
        let content_type = content_type.unwrap_or_else(|| panic!("{operation:?} {status} has no content type"));
        let entry = content
            .get(content_type)
            .unwrap_or_else(|| panic!("{operation:?} {status} answers {content_type}, documented: {content:?}"));
        if content_type == "application/json" && entry["schema"]["type"] != "string" {
            self.check_schema(&entry["schema"], body, &format!("{operation:?} {status}"));
        }
    }

    /// Holds a JSON text against one of the document's named schemas.
    pub fn check_named(&self, name: &str, body: &str) {
        self.check_schema(&json!({"$ref": format!("#/components/schemas/{name}")}), body, name);
    }

    fn check_schema(&self, schema: &Value, body: &str, what: &str) {
        let mut components = self.0["components"].clone();
        // What an answer holds must be documented: nothing more is allowed either.
        for schema in components["schemas"].as_object_mut().unwrap().values_mut() {
            if schema["properties"].is_object() {
                schema["additionalProperties"] = json!(false);
            }
        }
        let whole = json!({"allOf": [schema], "components": components});
        let validator = jsonschema::validator_for(&whole).unwrap();
        let value: Value = serde_json::from_str(body).unwrap_or_else(|wrong| panic!("{what}: {wrong}: {body}"));
        let wrong: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{what}: {wrong:?} in {body}");
    }

    fn at(&self, (method, path): &Operation) -> &Value {
        &self.0["paths"][path][method]
    }
}

#[test]
fn the_committed_document_is_the_one_of_this_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let text = serde_json::to_string_pretty(&openapi()).unwrap() + "\n";
    if std::env::var_os("REHEARSAL_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/openapi.json is of another version: REHEARSAL_BLESS=1 writes it anew");
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document = Document::new();
    let known = document.0["components"]["schemas"].as_object().unwrap();
    let text = document.0.to_string();
    let named: BTreeSet<&str> =
        text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let lost: Vec<_> = named.iter().filter(|name| !known.contains_key(**name)).collect();
    assert!(!named.is_empty() && lost.is_empty(), "not in the document: {lost:?}");
}

#[test]
fn every_answer_is_described() {
    let document = Document::new();
    for operation in document.operations() {
        for (status, response) in document.at(&operation)["responses"].as_object().unwrap() {
            assert!(response["description"].is_string(), "{operation:?} {status}");
        }
    }
}

#[test]
fn everything_but_the_page_needs_the_token() {
    let document = Document::new();
    for operation in document.operations() {
        let is_page = operation.1 == "/" || operation.1.starts_with("/assets/");
        assert_eq!(document.at(&operation)["security"].is_null(), is_page, "{operation:?}");
    }
}
