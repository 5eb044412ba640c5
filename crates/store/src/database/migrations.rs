//! The schema's versions, each applied once and in order. A released step never changes.

use std::path::Path;

use rusqlite::Connection;

use crate::OpenError;

/// From version `n` to `n + 1`.
const STEPS: [&str; 13] = [
    include_str!("schema.sql"),
    include_str!("named.sql"),
    include_str!("clocks.sql"),
    include_str!("holds.sql"),
    include_str!("dropped.sql"),
    include_str!("accounts.sql"),
    include_str!("given_up.sql"),
    include_str!("confirmed.sql"),
    include_str!("doubts.sql"),
    include_str!("next_try.sql"),
    include_str!("revived.sql"),
    include_str!("made_room.sql"),
    include_str!("proved.sql"),
];

/// Whether this program may change the database.
///
/// # Errors
///
/// [`OpenError::Newer`], [`OpenError::Foreign`], [`OpenError::Database`]; nothing is changed.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let bad = |source| OpenError::Database { path: path.to_owned(), source };
    let (found, known) = (version(connection).map_err(bad)?, known());
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    // Whoever keeps tables without a version, or with one but without ours, is another program.
    let count = "SELECT count(*), count(CASE name WHEN 'messages' THEN 1 END) FROM sqlite_master";
    let (all, ours): (i64, i64) =
        connection.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(bad)?;
    if (found == 0 && all > 0) || (found > 0 && ours == 0) {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    Ok(())
}

/// Brings the database to the latest version, all steps or none.
///
/// # Errors
///
/// As [`check`].
pub(super) fn apply(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    check(connection, path)?;
    let bad = |source| OpenError::Database { path: path.to_owned(), source };
    let from = usize::try_from(version(connection).map_err(bad)?).unwrap_or(0);
    if from == STEPS.len() {
        return Ok(());
    }
    let step = connection.transaction().map_err(bad)?;
    for sql in &STEPS[from..] {
        step.execute_batch(sql).map_err(bad)?;
    }
    step.pragma_update(None, "user_version", known()).map_err(bad)?;
    step.commit().map_err(bad)
}

fn known() -> i64 {
    i64::try_from(STEPS.len()).expect("a handful of steps")
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(connection: &Connection) -> Vec<String> {
        let mut query = connection
            .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
            .unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn from_every_version_the_latest_is_reached_and_stays() {
        let mut fresh = Connection::open_in_memory().unwrap();
        apply(&mut fresh, Path::new("fresh")).unwrap();
        for from in 0..=STEPS.len() {
            let mut old = Connection::open_in_memory().unwrap();
            for sql in &STEPS[..from] {
                old.execute_batch(sql).unwrap();
            }
            old.pragma_update(None, "user_version", i64::try_from(from).unwrap()).unwrap();
            for _ in 0..2 {
                apply(&mut old, Path::new("old")).unwrap();
                assert_eq!(shape(&old), shape(&fresh), "from version {from}");
            }
        }
    }

    #[test]
    fn a_newer_schema_is_refused_and_not_touched() {
        let mut newer = Connection::open_in_memory().unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        let err = apply(&mut newer, Path::new("sendgate.db")).unwrap_err().to_string();
        assert!(err.contains("sendgate.db was written by a newer sendgate (schema 99"), "{err}");
        assert!(shape(&newer).is_empty());
    }

    #[test]
    fn the_database_of_another_program_is_refused_and_not_touched() {
        for version in [0, 1] {
            let mut foreign = Connection::open_in_memory().unwrap();
            foreign.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
            foreign.pragma_update(None, "user_version", version).unwrap();
            let before = shape(&foreign);
            let refused = apply(&mut foreign, Path::new("other.db"));
            assert!(matches!(refused, Err(OpenError::Foreign(_))), "{version}: {refused:?}");
            assert_eq!(shape(&foreign), before);
        }
    }
}
