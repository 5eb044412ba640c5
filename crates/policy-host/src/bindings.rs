//! The only module that sees types generated from the contract.

#[allow(missing_docs, unreachable_pub, dead_code, reason = "generated from documented WIT")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../policy-wit/wit",
        world: "policy",
        imports: {
            "sendgate:policy/state": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use generated::sendgate::policy::{log, media, metrics, state, telecom, types, zones};
pub(crate) use generated::{Policy as Guest, PolicyIndices as GuestIndices};
