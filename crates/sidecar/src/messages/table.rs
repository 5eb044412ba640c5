//! Columns for people.

use serde_json::Value;

use crate::terminal::plain;

/// Rows under headings, each column as wide as its widest cell.
#[derive(Clone, Debug)]
pub(super) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(headings: [&str; COLUMNS]) -> Self {
        Self { rows: vec![headings.map(str::to_owned)] }
    }

    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    /// The lines, each after `indent`, without spaces at its end.
    pub(super) fn lines(&self, indent: &str) -> String {
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        let mut lines = String::new();
        for row in &self.rows {
            let mut line = indent.to_owned();
            for (cell, width) in row.iter().zip(widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
        lines
    }
}

/// A value as a cell: a dash where there is none, and nothing that a terminal would obey.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) if text.is_empty() => "-".into(),
        Value::String(text) => plain(text),
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Object(members) => {
            let there = members.iter().filter(|(_, value)| !value.is_null());
            let told = there.map(|(name, value)| format!("{} {}", plain(name), cell(value)));
            let told = told.collect::<Vec<_>>().join(", ");
            if told.is_empty() { "-".into() } else { told }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_with_their_text() {
        let mut table = Table::new(["ID", "STATUS", "CODE"]);
        table.row(["01a2".into(), "held".into(), "-".into()]);
        table.row(["1".into(), "in_doubt".into(), "•••".into()]);
        let wanted = "  ID    STATUS    CODE\n  01a2  held      -\n  1     in_doubt  •••\n";
        assert_eq!(table.lines("  "), wanted);
    }

    #[test]
    fn a_cell_has_nothing_that_a_terminal_would_obey() {
        for (value, wanted) in [
            (json!("a\u{1b}[31mb\nc\u{9b}d"), r"a\u{1b}[31mb\nc\u{9b}d"),
            (json!({"a\n": "b", "count": 2, "none": null}), r"a\n b, count 2"),
            (json!({}), "-"),
            (json!(null), "-"),
            (json!(""), "-"),
            (json!([]), "-"),
            (json!(["a", 1]), "a 1"),
            (json!(3), "3"),
        ] {
            assert_eq!(cell(&value), wanted);
        }
    }
}
