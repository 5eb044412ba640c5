//! What the doors say of themselves: a document of OpenAPI 3.1 for each listener, written by hand, and served as it is.

/// The apps' doors.
pub(crate) const APPS: &str = include_str!("openapi/apps.json");
/// The title of that.
pub(crate) const APPS_TITLE: &str = "Sendgate, the apps' doors";
/// The admin listener's paths, and Plivo's on the callback listener.
pub(crate) const ADMIN: &str = include_str!("openapi/admin.json");

#[cfg(test)]
pub(crate) mod testing {
    use std::collections::BTreeSet;

    use serde_json::Value;

    /// Each `METHOD PATH` of a document's paths.
    pub(crate) fn operations(document: &str) -> BTreeSet<String> {
        let document: Value = serde_json::from_str(document).expect("JSON");
        let mut operations = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            let methods = item.as_object().expect("operations").keys();
            let methods = methods.filter(|method| ["get", "post"].contains(&method.as_str()));
            operations.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
        }
        operations
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::testing::operations;
    use super::{ADMIN, APPS, APPS_TITLE};

    #[test]
    fn both_documents_have_the_version_of_the_program() {
        for document in [APPS, ADMIN] {
            let document: Value = serde_json::from_str(document).expect("JSON");
            assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        }
        let apps: Value = serde_json::from_str(APPS).expect("JSON");
        assert_eq!(apps["info"]["title"], APPS_TITLE);
    }

    #[test]
    fn every_operation_may_be_answered_that_there_are_too_many_connections() {
        for document in [APPS, ADMIN] {
            let document: Value = serde_json::from_str(document).expect("JSON");
            for operation in operations(&document.to_string()) {
                let (method, path) = operation.split_once(' ').expect("a method and a path");
                let mut shed = &document["paths"][path][method.to_lowercase()]["responses"]["503"];
                if let Some(place) = shed["$ref"].as_str() {
                    shed = document.pointer(&place[1..]).expect("a response");
                }
                let schema = &shed["content"]["application/problem+json"]["schema"];
                let of_code = schema["properties"]["code"]["enum"].as_array();
                let is_told = of_code.is_some_and(|codes| codes.contains(&"spool.full".into()))
                    || schema["$ref"] == "#/components/schemas/Busy";
                assert!(is_told, "{operation}: {shed}");
            }
        }
    }
}
