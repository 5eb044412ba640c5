//! The codes, and the status of each on the native doors.

use super::Line;

const README: &str = include_str!("../../../../../README.md");

/// Words of the corpus for what is no answer's code: what became of a message, of a report, or of a question that Plivo
/// was asked.
const OUTCOMES: [&str; 18] = [
    "dlr.bad_signature",
    "dlr.duplicate",
    "dlr.early",
    "dlr.out_of_order",
    "dlr.replay",
    "dry_run",
    "idem.key_unquoted",
    "idem.replayed",
    "ok",
    "policy.module_skipped",
    "reconcile.absent",
    "reconcile.found",
    "send.accepted_unknown_id",
    "send.multiple_ids",
    "send.queued",
    "send.retry",
    "throttle.deferred",
    "upstream.auth",
];

/// Whether the README's section on codes names the one of `line`, or it is no answer's code.
pub(super) fn is_known(line: &Line) -> bool {
    let code = line.code.as_str();
    // Operators name their limits.
    let limits = line.input["limits"].as_array().into_iter().flatten();
    let mut names = limits.filter_map(|limit| limit["name"].as_str());
    let of_a_limit =
        code.strip_prefix("throttle.").is_some_and(|named| names.any(|name| name == named));
    of_a_limit && told("throttle.NAME") || told(code) || OUTCOMES.contains(&code)
}

fn told(code: &str) -> bool {
    let section = README.split("\n## ").find(|section| section.starts_with("Statuses and codes\n"));
    section.expect("the README's section on codes").contains(&format!("`{code}`"))
}

/// The reference table of messaging semantics, section 3.9, written out a second time so that a slip in the program's
/// own shows.
pub(super) fn status(code: &str) -> u16 {
    match code {
        "phone.type_denied" | "mms.empty_after_fallback" | "idem.mismatch" => 422,
        "body.too_large" => 413,
        "body.content_type" => 415,
        "policy.module_failed" | "policy.fuel_exhausted" | "policy.illegal_transform" => 503,
        "idem.in_progress" | "dup.content" => 409,
        _ => match code.split('.').next().unwrap_or_default() {
            "body" | "phone" | "url" | "text" | "media" | "ttl" | "idem" => 400,
            "auth" => 401,
            "country" | "trial" | "http" | "optout" => 403,
            "throttle" | "fraud" => 429,
            other => panic!("{other} has no status in the reference table"),
        },
    }
}
