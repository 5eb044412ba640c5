//! The threat model names the test that holds each of its lines: that test must be there.

use super::SourceFile;

const PAGE: &str = "crates/ARCHITECTURE.md";
const HEADING: &str = "## 12. Threats";

/// Every test that the threat model names and no source has.
pub(super) fn faults(files: &[SourceFile]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else { return Vec::new() };
    let sources: Vec<&str> =
        files.iter().filter(|file| file.path.ends_with(".rs")).map(|file| &*file.text).collect();
    let is_there = |test: &&str| {
        let heads = [format!("fn {test}("), format!("fn {test} (")];
        sources.iter().any(|text| heads.iter().any(|head| text.contains(head)))
    };
    match tests(&page.text)[..] {
        [] => vec![format!("{PAGE} names no test under `{HEADING}`")],
        ref named => {
            let missing = named.iter().filter(|test| !is_there(test));
            missing.map(|test| format!("{PAGE}: no test is called {test}")).collect()
        }
    }
}

/// The names of tests in the section's table: sentences, in back quotes.
fn tests(page: &str) -> Vec<&str> {
    let section = page.split_once(HEADING).map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    quoted.filter(|word| word.matches('_').count() > 2).collect()
}

#[cfg(test)]
mod tests {
    use super::{PAGE, SourceFile, faults};

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_test_that_was_renamed_is_named() {
        let page = "## 12. Threats\n\n| Who | What | `it_holds_for_all`, `it_was_renamed_since`, `Host` |\n\n## 13. Else\n\n\
                    | `not_of_this_section` |\n";
        let source = file("crates/x/src/lib.rs", "async fn it_holds_for_all() {}");
        let found = faults(&[file(PAGE, page), source]);
        assert_eq!(found, [format!("{PAGE}: no test is called it_was_renamed_since")]);
    }

    #[test]
    fn a_page_without_the_section_is_told() {
        assert_eq!(faults(&[file(PAGE, "## 11. Invariants\n")]).len(), 1);
    }
}
