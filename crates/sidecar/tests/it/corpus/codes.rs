//! The codes, and the status of each on the native doors.

const README: &str = include_str!("../../../../../README.md");

/// Words of the corpus for what is no answer's code: what became of a message, of a report, or of a question that Plivo
/// was asked.
const OUTCOMES: [&str; 17] = [
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
    "upstream.auth",
];

/// Whether the README's section on codes names `code`, or it is no answer's code.
pub(super) fn is_known(code: &str) -> bool {
    // The app names its own limits.
    let named = code.starts_with("throttle.") && told("throttle.NAME");
    named || told(code) || OUTCOMES.contains(&code)
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
