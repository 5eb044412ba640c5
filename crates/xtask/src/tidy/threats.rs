//! The threat model names the tests that hold each of its lines, or says that it was read: those tests must be there.

use super::SourceFile;

const PAGE: &str = "crates/ARCHITECTURE.md";
const HEADING: &str = "## 12. Threats";

/// Every test that the threat model names and no source has, and every line of it that nothing holds.
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
            let missing = missing.map(|test| format!("{PAGE}: no test is called {test}"));
            missing.chain(unheld(&page.text)).collect()
        }
    }
}

/// The names of tests in the section's tables.
fn tests(page: &str) -> Vec<&str> {
    rows(page).flat_map(tests_of).collect()
}

/// The lines of the tables that name no test, and do not say that they hold by reading.
fn unheld(page: &str) -> impl Iterator<Item = String> {
    let is_rule = |row: &&str| row.contains("---");
    let heads = rows(page).zip(rows(page).skip(1)).filter(move |(_, next)| is_rule(next));
    let heads: Vec<&str> = heads.map(|(head, _)| head).collect();
    let lines = rows(page).filter(move |row| !is_rule(row) && !heads.contains(row));
    let unheld = lines.filter(|row| tests_of(row).next().is_none() && !row.contains("by reading"));
    unheld.map(|row| {
        let what = row.split('|').nth(1).unwrap_or_default().trim();
        format!("{PAGE}: no test holds the line `{what}`")
    })
}

fn rows(page: &str) -> impl Iterator<Item = &str> {
    let section = page.split_once(HEADING).map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter(|line| line.starts_with('|'))
}

/// Sentences, in back quotes.
fn tests_of(row: &str) -> impl Iterator<Item = &str> {
    let quoted = row.split('`').skip(1).step_by(2);
    quoted.filter(|word| word.matches('_').count() > 2)
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
    fn a_line_that_no_test_holds_is_named() {
        let page = "## 12. Threats\n\n| Who | Held by |\n|---|---|\n| **He** asks | `it_holds_for_all` |\n\
                    | waits | by reading |\n| forges | `Host` |\n";
        let source = file("crates/x/src/lib.rs", "fn it_holds_for_all() {}");
        let found = faults(&[file(PAGE, page), source]);
        assert_eq!(found, [format!("{PAGE}: no test holds the line `forges`")]);
    }

    #[test]
    fn a_page_without_the_section_is_told() {
        assert_eq!(faults(&[file(PAGE, "## 11. Invariants\n")]).len(), 1);
    }
}
