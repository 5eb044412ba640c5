//! What policies hold for messages, written down beside them.

use message::{Hold, MessageId, Settlement, Timestamp};
use rusqlite::{Connection, Row};

use crate::ledger::Prolonged;
use crate::messages::{from_db, to_db};
use crate::{Commit, Store, StoreError};

/// Of ended messages, what another ledger keeps and may not have heard of.
const UNTOLD: &str = "SELECT token, owner, name, kind FROM holds \
                      WHERE kind IN ('elsewhere-kept', 'elsewhere-given-back') LIMIT ?";
/// Keeps a window's charges for longer.
const PROLONG: &str =
    "UPDATE holds SET ends = ?3 WHERE owner = ?1 AND name = ?2 AND kind = 'window' AND ends < ?3";

/// The least token of another ledger's holds, such as one on a server that replicas share.
const OTHERS: i64 = 1 << 62;

/// One hold as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedHold {
    pub(crate) hold: Hold,
    pub(crate) message: MessageId,
    pub(crate) kind: HoldKind,
    /// When it was made; of a calendar's, when its period began.
    pub(crate) at: Timestamp,
    /// When it counts no more.
    pub(crate) ends: Timestamp,
}

/// What a hold is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HoldKind {
    Reservation,
    Window {
        cost: u32,
    },
    /// In nanoseconds: what it added, and the theoretical arrival time after it, less what was given back since.
    Gcra {
        amount: i64,
        level: i64,
    },
    Calendar {
        zone: String,
        period: &'static str,
        cost: u32,
    },
    /// Another ledger keeps it.
    Elsewhere,
}

/// A hold that was read again.
pub(crate) struct RestoredHold {
    pub(crate) saved: SavedHold,
    /// Its message's way has not ended, so it may still be given back.
    pub(crate) open: bool,
}

pub(crate) fn insert(connection: &Connection, holds: &[SavedHold]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO holds (token, message, owner, kind, name, at, ends, amount, level) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for SavedHold { hold, message, kind, at, ends } in holds {
        let (word, amount, level) = match kind {
            HoldKind::Reservation => ("reservation".to_owned(), 0, 0),
            HoldKind::Window { cost } => ("window".to_owned(), i64::from(*cost), 0),
            HoldKind::Gcra { amount, level } => ("gcra".to_owned(), *amount, *level),
            HoldKind::Calendar { zone, period, cost } => {
                (format!("calendar {zone} {period}"), i64::from(*cost), 0)
            }
            HoldKind::Elsewhere => ("elsewhere".to_owned(), 0, 0),
        };
        let token = i64::from_ne_bytes(hold.token.to_ne_bytes());
        insert.execute((
            token,
            &*message.0,
            &hold.owner,
            word,
            &hold.key,
            to_db(*at),
            to_db(*ends),
            amount,
            level,
        ))?;
    }
    Ok(())
}

/// Ends a message's holds. What another ledger keeps stays until that one is known to have heard. Of what is given back
/// nothing stays but, for later charges on the same pace, how much they were put off by it. Of what is kept by the
/// calendar a sum stays, since a period may be a month.
pub(crate) fn settle(
    connection: &Connection,
    id: &MessageId,
    settlement: Settlement,
) -> rusqlite::Result<()> {
    // Most have no hold that this is about, and each statement is a look at all of a message's.
    let concerns = match settlement {
        Settlement::Keep => {
            "SELECT 1 FROM holds WHERE message = ? AND (kind = 'elsewhere' OR kind LIKE 'calendar %')"
        }
        Settlement::GiveBack => "SELECT 1 FROM holds WHERE message = ?",
    };
    if !connection.prepare_cached(concerns)?.exists([&*id.0])? {
        return Ok(());
    }
    let statements: &[&str] = match settlement {
        Settlement::Keep => &[
            "UPDATE holds SET kind = 'elsewhere-kept' WHERE message = ? AND kind = 'elsewhere'",
            "INSERT INTO spent (owner, name, kind, at, ends, amount, token) \
             SELECT owner, name, kind, at, ends, amount, token FROM holds WHERE message = ? AND kind LIKE 'calendar %' \
             ON CONFLICT (owner, name, kind, at) DO UPDATE SET amount = amount + excluded.amount, \
             ends = max(ends, excluded.ends), token = max(token, excluded.token)",
            "DELETE FROM holds WHERE message = ? AND kind LIKE 'calendar %'",
        ],
        Settlement::GiveBack => &[
            "UPDATE holds SET kind = kind || '-given-back' WHERE message = ? AND kind IN ('gcra', 'elsewhere')",
            "DELETE FROM holds WHERE message = ? AND kind NOT IN ('gcra-given-back', 'elsewhere-given-back', \
             'elsewhere-kept')",
        ],
    };
    for sql in statements {
        connection.prepare_cached(sql)?.execute([&*id.0])?;
    }
    Ok(())
}

/// Keeps the charges of windows that were made longer for as long as they count by now.
pub(crate) fn prolong(connection: &Connection, prolonged: &[Prolonged]) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(PROLONG)?;
    for Prolonged { owner, key, ends } in prolonged {
        update.execute((owner, key, to_db(*ends)))?;
    }
    Ok(())
}

/// What is held for a message.
pub(crate) fn of(connection: &Connection, id: &MessageId) -> rusqlite::Result<Vec<Hold>> {
    let mut query = connection.prepare_cached(
        "SELECT token, owner, name FROM holds WHERE message = ? \
         AND kind NOT IN ('gcra-given-back', 'elsewhere-given-back', 'elsewhere-kept') ORDER BY token",
    )?;
    query.query_map([&*id.0], |row| hold(row, 0))?.collect()
}

/// At most `most` holds of ended messages that another ledger keeps and may not have heard of.
fn untold(connection: &Connection, most: u32) -> rusqlite::Result<Vec<(Hold, Settlement)>> {
    let mut query = connection.prepare_cached(UNTOLD)?;
    let each = |row: &Row<'_>| {
        let kept = row.get::<_, String>(3)? == "elsewhere-kept";
        Ok((hold(row, 0)?, if kept { Settlement::Keep } else { Settlement::GiveBack }))
    };
    query.query_map([most], each)?.collect()
}

impl Store {
    /// At most `most` holds of another ledger whose messages have ended, and how: that it has heard of them is not known.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn untold_holds(&self, most: u32) -> Result<Vec<(Hold, Settlement)>, StoreError> {
        self.database.list(move |connection| Ok(untold(connection, most)?)).await
    }

    /// Another ledger has heard of these, whose messages have ended. Those of this store's own are not touched.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn told_of_holds(&self, holds: Vec<Hold>) -> Commit<()> {
        self.database.write(move |connection| {
            let sql = "DELETE FROM holds WHERE token = ? AND kind IN ('elsewhere-kept', 'elsewhere-given-back')";
            let mut delete = connection.prepare_cached(sql)?;
            for hold in holds.iter().filter(|hold| is_anothers(hold)) {
                delete.execute([i64::from_ne_bytes(hold.token.to_ne_bytes())])?;
            }
            Ok(())
        })
    }
}

/// Whether `hold` was made by another ledger than the store's own.
pub(crate) fn is_anothers(hold: &Hold) -> bool {
    hold.token >= OTHERS.unsigned_abs()
}

/// The latest token that was written down of the policies' own ledger, whatever is known of its hold; another's are its
/// own.
pub(crate) fn last_token(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT max(coalesce((SELECT max(token) FROM holds WHERE token < ?), 0), \
     coalesce((SELECT max(token) FROM spent), 0))";
    let last: i64 = connection.query_row(sql, [OTHERS], |row| row.get(0))?;
    Ok(u64::from_ne_bytes(last.to_ne_bytes()))
}

/// Every hold that still counts at `now`, in the order they were made; what was spent of a period as one.
pub(crate) fn all(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<RestoredHold>> {
    let mut query = connection.prepare(
        "SELECT token, owner, name, message, kind, at, ends, amount, level - given_back, EXISTS (SELECT 1 FROM \
         messages \
         WHERE id = counting.message AND status IN ('accepted', 'waiting', 'sending', 'retry_wait', 'in_doubt', 'held')) \
         FROM (SELECT *, sum(CASE kind WHEN 'gcra-given-back' THEN amount ELSE 0 END) \
         OVER (PARTITION BY owner, name ORDER BY token) AS given_back FROM \
         (SELECT token, message, owner, kind, name, at, ends, amount, level FROM holds UNION ALL \
         SELECT token, '', owner, kind, name, at, ends, amount, 0 FROM spent) WHERE ends > ?) AS counting \
         WHERE kind NOT LIKE 'elsewhere%' AND kind != 'gcra-given-back' ORDER BY token",
    )?;
    let rows = query.query_map([to_db(now)], |row| {
        let saved = SavedHold {
            hold: hold(row, 0)?,
            message: MessageId(row.get::<_, String>(3)?.into()),
            kind: kind(row)?,
            at: from_db(row.get(5)?),
            ends: from_db(row.get(6)?),
        };
        Ok(RestoredHold { saved, open: row.get(9)? })
    })?;
    rows.collect()
}

fn kind(row: &Row<'_>) -> rusqlite::Result<HoldKind> {
    let (word, amount): (String, i64) = (row.get(4)?, row.get(7)?);
    let cost = u32::try_from(amount).unwrap_or(u32::MAX);
    Ok(match word.split(' ').collect::<Vec<_>>()[..] {
        ["window"] => HoldKind::Window { cost },
        ["gcra"] => HoldKind::Gcra { amount, level: row.get(8)? },
        ["calendar", zone, period] => {
            let period = ["day", "week", "month"].into_iter().find(|known| *known == period);
            HoldKind::Calendar { zone: zone.to_owned(), period: period.unwrap_or("month"), cost }
        }
        _ => HoldKind::Reservation,
    })
}

fn hold(row: &Row<'_>, from: usize) -> rusqlite::Result<Hold> {
    let token: i64 = row.get(from)?;
    Ok(Hold {
        token: u64::from_ne_bytes(token.to_ne_bytes()),
        owner: row.get(from + 1)?,
        key: row.get(from + 2)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{in_memory, open};

    /// How a statement finds its rows.
    async fn plan(store: &Store, sql: &str) -> Vec<String> {
        let asked = format!("EXPLAIN QUERY PLAN {sql}");
        let plan = move |connection: &Connection| {
            let mut query = connection.prepare(&asked)?;
            let asks = vec![0; query.parameter_count()];
            let steps = query.query_map(rusqlite::params_from_iter(asks), |row| row.get(3))?;
            Ok(steps.collect::<rusqlite::Result<_>>()?)
        };
        store.database.read(plan).await.expect("a plan")
    }

    #[tokio::test]
    async fn what_is_asked_of_holds_over_all_messages_does_not_look_at_each() {
        let store = open(&in_memory());
        for (sql, index) in
            [(UNTOLD, "holds_untold (kind=?)"), (PROLONG, "holds_of_window (owner=? AND name=?)")]
        {
            assert_eq!(
                plan(&store, sql).await,
                [format!("SEARCH holds USING INDEX {index}")],
                "{sql}"
            );
        }
    }
}
