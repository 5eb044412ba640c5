/// Makes a type that implements [`Policy`](crate::Policy) what this crate's wasm module exports.
///
/// `export!(MyPolicy)` exports the contract's `guest`. Words after the type opt in to more:
///
/// - `outcomes`: the type implements [`Outcomes`](crate::Outcomes) too;
/// - `reports`: the type implements [`Reports`](crate::Reports) too;
/// - `receipts`: the type implements [`Receipts`](crate::Receipts) too;
/// - `inbound`: the type implements [`Inbound`](crate::Inbound) too;
/// - `log_panics`: the text of a panic goes to the log, which needs the grant `log`;
/// - `cases = "../cases.toml"`: the cases in that file (a path from this one) become a test, and part of the module, as
///   its custom section `sendgate:cases`. A host runs them before the module comes into force.
///
/// Name and version in the manifest are the exporting crate's. Off wasm32 nothing is exported.
#[macro_export]
macro_rules! export {
    ($policy:ident $(, $option:ident $(= $value:literal)?)* $(,)?) => {
        const _: () = {
            ::std::thread_local! {
                static POLICY: ::std::cell::OnceCell<$policy> = const { ::std::cell::OnceCell::new() };
            }

            enum Export {}

            impl $crate::bindings::exports::sendgate::policy::guest::Guest for Export {
                fn describe() -> $crate::Manifest {
                    $crate::guest::describe::<$policy>(
                        env!("CARGO_PKG_NAME"),
                        env!("CARGO_PKG_VERSION"),
                    )
                }

                fn configure(settings: ::std::string::String) -> Result<(), ::std::vec::Vec<$crate::Problem>> {
                    $( $crate::__first!($option); )*
                    $crate::guest::configure(&POLICY, &settings)
                }

                fn check(
                    message: $crate::bindings::sendgate::policy::types::Message,
                    facts: $crate::Facts,
                    context: $crate::Context,
                ) -> Result<$crate::Decision, $crate::PolicyError> {
                    $crate::guest::check(&POLICY, message, &facts, &context)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::bindings::export_guest!(Export with_types_in $crate::bindings);

            $( $crate::__also!($option $(= $value)?, Export, POLICY); )*
        };

        #[cfg(test)]
        mod sendgate_cases {
            #[allow(dead_code, unused_mut, reason = "a policy may have no cases, or no hooks")]
            fn hooks() -> $crate::testing::Hooks<super::$policy> {
                let mut hooks = $crate::testing::Hooks::default();
                $( $crate::__hook!($option, hooks, super::$policy); )*
                hooks
            }

            $( $crate::__tested!($option $(= $value)?, super::$policy); )*
        }
    };
}

/// What an option of [`export!`] does before the settings are read.
#[doc(hidden)]
#[macro_export]
macro_rules! __first {
    (log_panics) => {
        $crate::guest::log_panics()
    };
    ($other:ident) => {};
}

/// What an option of [`export!`] exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __also {
    (outcomes, $export:ident, $slot:ident) => {
        impl $crate::bindings::outcomes::exports::sendgate::policy::outcomes::Guest for $export {
            fn on_outcome(
                id: ::std::string::String,
                outcome: ::std::string::String,
                context: $crate::Context,
            ) {
                $crate::guest::on_outcome(&$slot, &id, &outcome, &context);
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::outcomes::export_outcomes!($export with_types_in $crate::bindings::outcomes);
    };
    (reports, $export:ident, $slot:ident) => {
        impl $crate::bindings::reports::exports::sendgate::policy::reports::Guest for $export {
            fn on_delivery_report(
                id: ::std::string::String,
                state: ::std::string::String,
                error_code: ::std::string::String,
                context: $crate::Context,
            ) {
                $crate::guest::on_delivery_report(&$slot, &id, &state, &error_code, &context);
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::reports::export_reports!($export with_types_in $crate::bindings::reports);
    };
    (receipts, $export:ident, $slot:ident) => {
        impl $crate::bindings::receipts::exports::sendgate::policy::receipts::Guest for $export {
            fn on_receipt(
                receipt: $crate::Receipt,
                context: $crate::Context,
            ) -> Result<(), $crate::PolicyError> {
                $crate::guest::on_receipt(&$slot, &receipt, &context)
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::receipts::export_receipts!($export with_types_in $crate::bindings::receipts);
    };
    (inbound, $export:ident, $slot:ident) => {
        impl $crate::bindings::inbound::exports::sendgate::policy::inbound::Guest for $export {
            fn on_inbound(
                message: $crate::InboundMessage,
                context: $crate::Context,
            ) -> Result<::std::vec::Vec<$crate::Note>, $crate::PolicyError> {
                $crate::guest::on_inbound(&$slot, &message, &context)
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::inbound::export_inbound!($export with_types_in $crate::bindings::inbound);
    };
    (log_panics, $export:ident, $slot:ident) => {};
    (cases = $path:literal, $export:ident, $slot:ident) => {
        #[cfg(target_arch = "wasm32")]
        #[used]
        #[unsafe(link_section = "sendgate:cases")]
        static CASES: [u8; include_bytes!($path).len()] = *include_bytes!($path);
    };
    ($other:ident $(= $value:literal)?, $export:ident, $slot:ident) => {
        compile_error!(
            "after the policy's type come only `outcomes`, `reports`, `receipts`, `inbound`, `log_panics` and \
             `cases = \"FILE\"`"
        );
    };
}

/// What an option of [`export!`] has the cases tell the policy.
#[doc(hidden)]
#[macro_export]
macro_rules! __hook {
    (outcomes, $hooks:ident, $policy:path) => {
        $hooks.outcome = Some(<$policy as $crate::Outcomes>::on_outcome);
    };
    (reports, $hooks:ident, $policy:path) => {
        $hooks.report = Some(<$policy as $crate::Reports>::on_delivery_report);
    };
    (receipts, $hooks:ident, $policy:path) => {
        $hooks.receipt = Some(<$policy as $crate::Receipts>::on_receipt);
    };
    (inbound, $hooks:ident, $policy:path) => {
        $hooks.inbound = Some(<$policy as $crate::Inbound>::on_inbound);
    };
    ($other:ident, $hooks:ident, $policy:path) => {};
}

/// What an option of [`export!`] tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __tested {
    (cases = $path:literal, $policy:path) => {
        #[test]
        fn hold() {
            $crate::testing::cases_with::<$policy>(include_str!($path), &hooks());
        }
    };
    ($other:ident, $policy:path) => {};
}
