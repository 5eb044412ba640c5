//! What a schema may leave to the host, since a policy cannot know it.
//!
//! | In the schema | Holds for |
//! |---|---|
//! | `"format": "app"` | the name of a configured app |
//! | `"format": "region"` | a region that a number's facts may name |
//! | `"format": "iana-zone"` | a time zone that limits may count by |
//! | `"format": "intent"` | an intent that a message may have; none (`""`) is one too |

use std::sync::Arc;

use jiff::tz::TimeZone;
use jsonschema::ValidationOptions;
use message::facts::is_region;
use message::is_intent;

/// What the host knows of the settings' surroundings.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The configured apps; any name is one where absent.
    pub(crate) apps: Option<Arc<[Arc<str>]>>,
}

impl Known {
    /// Makes `options` assert the formats above.
    pub(super) fn teach<'a>(&self, options: ValidationOptions<'a>) -> ValidationOptions<'a> {
        let apps = self.apps.clone();
        let is_app = move |name: &str| {
            apps.as_ref().is_none_or(|apps| apps.iter().any(|app| **app == *name))
        };
        options
            .should_validate_formats(true)
            .with_format("app", is_app)
            .with_format("region", is_region)
            .with_format("iana-zone", |name: &str| TimeZone::get(name).is_ok())
            .with_format("intent", is_intent)
    }
}

/// What is wrong with a value that is not of `format`, where that is one of ours.
pub(super) fn detail(format: &str) -> Option<&'static str> {
    Some(match format {
        "app" => "is no app that is configured",
        "region" => {
            "is no region that numbers belong to; give two upper-case letters (ISO 3166), such as US, or GB for the \
             United Kingdom"
        }
        "iana-zone" => {
            "is not an IANA time zone; write it as that database does, such as America/Los_Angeles"
        }
        "intent" => {
            "is no intent that a message can have; use at most 64 letters, digits, `_` and `-`"
        }
        _ => return None,
    })
}
