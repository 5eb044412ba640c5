use message::facts::{DEFAULT_TYPES, MediaRules, NumberType};
use policy_sdk::{Problem, problem};
use schemars::JsonSchema;
use serde::Deserialize;

/// Longest file extension that the host takes for one.
const EXTENSION_BYTES: usize = 16;

/// What an operator may write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Members of the request that mean nothing: dropped with a warning, or refused.
    unknown_fields: UnknownFields,
    /// Most segments of a text; bounded by Plivo's limits alone where absent. An MMS is one.
    max_segments: Option<u32>,
    /// The types of numbers that may be texted: `mobile`, `fixed-line`, `fixed-line-or-mobile`, `toll-free`,
    /// `premium-rate`, `shared-cost`, `voip`, `personal`, `pager`, `uan`, `voicemail`, `unknown`.
    types: Vec<String>,
    /// Typographic quotes, dashes and spaces that cost segments: left alone, pointed out, or made plain.
    smart_encoding: SmartEncoding,
    /// Whether media must come by https.
    https_only: bool,
    /// The ports media may come from.
    ports: Vec<u16>,
    /// File extensions of pages, in lower case: Plivo wants the file itself.
    denied_extensions: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UnknownFields {
    Strip,
    Deny,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-needs-grant" = {"amend": ["apply"]}))]
pub(crate) enum SmartEncoding {
    Off,
    Suggest,
    Apply,
}

/// Checked settings.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) unknown_fields: UnknownFields,
    pub(crate) max_segments: Option<u32>,
    pub(crate) types: Vec<NumberType>,
    pub(crate) smart_encoding: SmartEncoding,
    pub(crate) media: MediaRules,
}

impl Default for Settings {
    fn default() -> Self {
        let MediaRules { ports, https_only, denied_extensions, .. } = MediaRules::default();
        Self {
            unknown_fields: UnknownFields::Strip,
            max_segments: None,
            types: DEFAULT_TYPES.map(|each| each.as_str().to_owned()).to_vec(),
            smart_encoding: SmartEncoding::Suggest,
            https_only,
            ports,
            denied_extensions,
        }
    }
}

impl Settings {
    /// # Errors
    ///
    /// Every type that is none, and what would refuse every message.
    pub(crate) fn check(self) -> Result<Rules, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut types = Vec::new();
        for (index, word) in self.types.iter().enumerate() {
            match NumberType::from_word(word) {
                Some(number_type) => types.push(number_type),
                None => {
                    let known = NumberType::ALL.map(NumberType::as_str).join(", ");
                    problems
                        .push(problem(format!("/types/{index}"), format!("is none of {known}")));
                }
            }
        }
        if self.types.is_empty() {
            problems.push(problem("/types", "is empty, so that no number could be texted"));
        }
        if self.max_segments == Some(0) {
            problems.push(problem("/max_segments", "is 0; leave it out for no bound of your own"));
        }
        for (index, _) in self.ports.iter().enumerate().filter(|(_, port)| **port == 0) {
            problems.push(problem(format!("/ports/{index}"), "is no port; give 1 to 65535"));
        }
        if self.ports.is_empty() {
            problems.push(problem("/ports", "is empty, so that no media could be sent"));
        }
        for (index, extension) in self.denied_extensions.iter().enumerate() {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            if extension.len() > EXTENSION_BYTES || !extension.bytes().all(fits) {
                let detail = "would match nothing: write at most 16 lower-case letters and digits, without the dot";
                problems.push(problem(format!("/denied_extensions/{index}"), detail));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let media = MediaRules {
            ports: self.ports,
            https_only: self.https_only,
            denied_extensions: self.denied_extensions,
            ..MediaRules::default()
        };
        Ok(Rules {
            unknown_fields: self.unknown_fields,
            max_segments: self.max_segments,
            types,
            smart_encoding: self.smart_encoding,
            media,
        })
    }
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::Case;

    use crate::Validation;

    #[test]
    fn a_list_of_types_without_any_is_a_problem() {
        assert_eq!(Case::<Validation>::problems(r#"{"types": []}"#)[0].pointer, "/types");
    }

    #[test]
    fn port_zero_is_a_problem() {
        let problems = Case::<Validation>::problems(r#"{"ports": [443, 0]}"#);
        assert_eq!(problems[0].pointer, "/ports/1", "{}", problems[0].detail);
    }

    #[test]
    fn every_port_that_is_none_is_named() {
        let problems = Case::<Validation>::problems(r#"{"ports": [0, 443, 0]}"#);
        let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, ["/ports/0", "/ports/2"]);
    }

    #[test]
    fn an_unknown_word_is_found_at_its_setting() {
        for (settings, pointer) in [
            (r#"{"unknown_fields": "drop"}"#, "/unknown_fields"),
            (r#"{"smart_encoding": "on"}"#, "/smart_encoding"),
            (r#"{"https": true}"#, "/https"),
        ] {
            let problems = Case::<Validation>::problems(settings);
            assert_eq!(problems[0].pointer, pointer, "{}", problems[0].detail);
        }
    }
}
