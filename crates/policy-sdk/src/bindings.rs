//! Everything generated from the contract. Only this crate and [`export!`](crate::export) name it.

wit_bindgen::generate!({
    path: "../policy-wit/wit",
    world: "policy",
    pub_export_macro: true,
    export_macro_name: "export_guest",
    default_bindings_module: "policy_sdk::bindings",
    additional_derives: [Clone, PartialEq],
    generate_unused_types: true,
});

/// The optional export `outcomes` alone, so that a policy opts in by its export line.
pub mod outcomes {
    wit_bindgen::generate!({
        path: "../policy-wit/wit",
        inline: "package sendgate:sdk-outcomes; world tell-outcomes { export sendgate:policy/outcomes@0.1.0; }",
        pub_export_macro: true,
        export_macro_name: "export_outcomes",
        default_bindings_module: "policy_sdk::bindings::outcomes",
        with: { "sendgate:policy/types@0.1.0": crate::bindings::sendgate::policy::types },
    });
}

/// The optional export `reports` alone.
pub mod reports {
    wit_bindgen::generate!({
        path: "../policy-wit/wit",
        inline: "package sendgate:sdk-reports; world tell-reports { export sendgate:policy/reports@0.1.0; }",
        pub_export_macro: true,
        export_macro_name: "export_reports",
        default_bindings_module: "policy_sdk::bindings::reports",
        with: { "sendgate:policy/types@0.1.0": crate::bindings::sendgate::policy::types },
    });
}

/// The optional export `receipts` alone.
pub mod receipts {
    wit_bindgen::generate!({
        path: "../policy-wit/wit",
        inline: "package sendgate:sdk-receipts; world tell-receipts { export sendgate:policy/receipts@0.1.0; }",
        pub_export_macro: true,
        export_macro_name: "export_receipts",
        default_bindings_module: "policy_sdk::bindings::receipts",
        with: { "sendgate:policy/types@0.1.0": crate::bindings::sendgate::policy::types },
        additional_derives: [Clone, PartialEq],
    });
}

/// The optional export `inbound` alone.
pub mod inbound {
    wit_bindgen::generate!({
        path: "../policy-wit/wit",
        inline: "package sendgate:sdk-inbound; world tell-inbound { export sendgate:policy/inbound@0.1.0; }",
        pub_export_macro: true,
        export_macro_name: "export_inbound",
        default_bindings_module: "policy_sdk::bindings::inbound",
        with: { "sendgate:policy/types@0.1.0": crate::bindings::sendgate::policy::types },
        additional_derives: [Clone, PartialEq],
    });
}
