//! Where a key stands that parsed well and cannot be used all the same.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use crate::config::Location;

/// The place of `key`, written `SECTION.KEY`: its value's, else its section's, else the beginning of the file.
pub(super) fn of(file: &Path, key: &str) -> Location {
    // The file was good a moment ago; where it is gone since, its beginning is as good a place as any.
    let text = fs::read_to_string(file).unwrap_or_default();
    let (line, column) = line_and_column(&text, offset(&text, key));
    Location { file: Arc::from(file), line, column }
}

fn offset(text: &str, key: &str) -> usize {
    let (section, key) = key.split_once('.').unwrap_or((key, ""));
    let (root, _broken) = DeTable::parse_recoverable(text);
    let Some(section) = root.get_ref().get(section) else { return 0 };
    let value = section.get_ref().as_table().and_then(|table| table.get(key));
    value.unwrap_or(section).span().start
}

/// Both from 1; the column counts characters.
fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..text.floor_char_boundary(offset)];
    let (above, left) = before.rsplit_once('\n').unwrap_or(("", before));
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let lines_above = if before.contains('\n') { above.matches('\n').count() + 1 } else { 0 };
    (count(lines_above + 1), count(left.chars().count() + 1))
}

#[cfg(test)]
mod tests {
    use super::{line_and_column, offset};

    #[test]
    fn a_key_is_found_by_its_value_its_section_or_not_at_all() {
        let text = "# é\n[listen]\napps = \"a\"\n\n[store]\n\"é\".x = 1\npath = \"b\"\n";
        for (key, place) in [
            ("listen.apps", (3, 8)),
            ("listen.admin", (2, 1)),
            ("store.path", (7, 8)),
            ("reload.x", (1, 1)),
        ] {
            assert_eq!(line_and_column(text, offset(text, key)), place, "{key}");
        }
        assert_eq!(line_and_column("", offset("", "listen.apps")), (1, 1));
    }
}
