//! Whether what two logs tell of a policy comes to the same.

use serde_json::Value;

use crate::decisions::form::Policy;

/// Whether both may be the same, of which one has words hidden that the other has not: in words and names they may differ.
pub(super) fn are_of_one_shape(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(_), Value::String(_)) => true,
        (Value::Array(one), Value::Array(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| are_of_one_shape(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let differs = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|own| !are_of_one_shape(value, own))
            };
            one.len() == other.len() && !one.iter().any(differs)
        }
        _ => one == other,
    }
}

/// Whether a module would be configured for both alike.
pub(super) fn is_like(one: &Policy, other: &Policy) -> bool {
    let what = |policy: &Policy| (policy.memory_bytes, policy.host_calls, policy.mode.clone());
    one.name == other.name
        && one.settings == other.settings
        && one.grants == other.grants
        && what(one) == what(other)
}
