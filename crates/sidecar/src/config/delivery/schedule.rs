//! Lists of seconds.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::config::cursor::Section;

/// Reads one to `most` whole seconds, each in `range`; never empty, whatever is wrong.
pub(super) fn read(
    section: &mut Section<'_>,
    key: &'static str,
    default: &[u32],
    most: usize,
    range: RangeInclusive<u32>,
) -> Arc<[Duration]> {
    section.or_default(key, format_args!("{default:?}"));
    let items = section
        .get(key)
        .and_then(|item| item.filled_list(most, "leave the key out to have the default"));
    let seconds: Option<Vec<u32>> =
        items.map(|items| items.iter().filter_map(|item| item.number(range.clone())).collect());
    let seconds = seconds.filter(|seconds| !seconds.is_empty());
    let seconds = seconds.as_deref().unwrap_or(default);
    seconds.iter().map(|seconds| Duration::from_secs((*seconds).into())).collect()
}
