//! Names that the host knows and a policy cannot: settings that hold one are checked when they are loaded.
//!
//! A field keeps its own type and takes its schema from here. What is no such name is refused at its place in the file,
//! before the policy is configured; [`Case`](crate::testing::Case) knows no names and checks none.
//!
//! ```
//! use policy_sdk::known;
//! use schemars::JsonSchema;
//!
//! #[derive(serde::Deserialize, JsonSchema)]
//! struct Settings {
//!     #[schemars(with = "Vec<known::Region>")]
//!     regions: Vec<String>,
//!     /// Only `link` changes the message, so only that needs the operator's grant.
//!     #[schemars(extend("x-needs-grant" = {"amend": ["link"]}))]
//!     fallback: String,
//! }
//! # let schema = serde_json::to_string(&schemars::schema_for!(Settings)).unwrap();
//! # assert!(schema.contains(r#""format":"region""#) && schema.contains("x-needs-grant"), "{schema}");
//! ```
//!
//! The keyword `x-needs-grant`, as on `fallback` there, has a table: for each grant the values that need it. A setting
//! with one of them is refused where the grant is missing. What a setting is when it is left out must need none. `true`
//! in place of the values is for all of them: on the settings as a whole, for a policy that does nothing without it.
//!
//! Another keyword stands at the top of a schema and is about no setting: `x-asked-again`, for a policy that wants to be
//! asked again before a late call. Write [`Policy::ASKED_AGAIN`](crate::Policy::ASKED_AGAIN) instead of it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! known {
    ($($(#[$doc:meta])* $name:ident = $format:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format })
            }
        }
    )*};
}

known! {
    /// The name of a configured app, as in [`Context::app`](crate::Context::app).
    App = "app";
    /// A region as in [`NumberFacts::region`](crate::NumberFacts::region): ISO 3166, or `001`.
    Region = "region";
    /// A time zone that [`Calendar`](crate::state::Calendar) limits take, such as `America/Los_Angeles`.
    Zone = "iana-zone";
    /// A sender as in [`Sender::value`](crate::Sender::value): a number in E.164, a short code, a name, a pool's UUID.
    Sender = "sender";
    /// An intent that a message may have; none (`""`) is one too.
    Intent = "intent";
}
