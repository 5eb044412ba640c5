//! What Plivo says became of a message.

use message::{MessageId, Timestamp};
use rusqlite::Connection;

use super::change::{moved, standing};
use super::columns::{report_json, to_db};
use super::{ReportFacts, Status};
use crate::database::Fault;
use crate::{Commit, Content, Store, StoreError, events, idempotency};

/// Most reports that are kept of one message.
const REPORTS: u32 = 32;

/// A delivery report, or the answer to asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The state it tells of; none where Plivo's word is not one of ours.
    pub status: Option<Status>,
    /// What it says besides, with Plivo's own word.
    pub facts: ReportFacts,
    /// Plivo's count of the reports on one message; 0 where it gives none.
    pub sequence: u32,
    /// Plivo's error code, where one is given.
    pub error_code: Option<String>,
    /// Plivo's id of the message.
    pub message_uuid: Option<String>,
}

/// What a report did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Where the message stood.
    pub before: Status,
    /// Where it stands now.
    pub after: Status,
    /// It moved the message, or has the last word on an end that only we had come to.
    pub moved: bool,
    /// The same report had come before; nothing was changed.
    pub again: bool,
}

impl Store {
    /// Writes a report down. It never moves a message back, and of two endings the first stands; a report that says
    /// what an earlier one said is told from it by status and sequence.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub fn report(&self, id: &MessageId, report: Report, now: Timestamp) -> Commit<Reported> {
        let (id, content) = (id.clone(), self.content.clone());
        let keys_end = now.after(self.bounds.key_retention);
        // With what policies made of it, which Plivo does not tell again either.
        self.write_all(move |connection| {
            let reported = apply(connection, &id, &report, now, &content)?;
            if reported.before.is_final() && reported.moved {
                let (told, status) = (reported.before.as_str(), reported.after.as_str());
                tracing::error!(message.id = %id, told, status, "a report proves that a message was sent which had been given up");
                idempotency::came_to_something(connection, &id, keys_end)?;
            }
            Ok(reported)
        })
    }

    /// Whether a report would move its message, as of what is on disk: it says something new, and that is not less.
    ///
    /// # Errors
    ///
    /// As [`report`](Self::report).
    pub async fn would_move(&self, id: &MessageId, report: &Report) -> Result<bool, StoreError> {
        let (id, report) = (id.clone(), report.clone());
        let moves = move |connection: &Connection| {
            let before = standing(connection, &id)?.ok_or(StoreError::NotFound)?.status;
            let known = "SELECT 1 FROM reports WHERE message = ? AND status = ? AND sequence = ?";
            let row = (&*id.0, report.facts.status.as_str(), report.sequence);
            let again = connection.prepare_cached(known)?.exists(row)?;
            Ok(!again && after(connection, &id, before, &report)?.1.is_some())
        };
        self.database.read(moves).await
    }
}

/// Where a message stands for reports, and where this one brings it, which may be where we had brought it ourselves.
fn after(
    connection: &Connection,
    id: &MessageId,
    before: Status,
    report: &Report,
) -> rusqlite::Result<(Status, Option<Status>)> {
    // An end that only we came to stands behind all reports: Plivo knows better.
    let stands = if is_inferred(connection, id, before)? { Status::InDoubt } else { before };
    let next = report.status.map(|next| stands.after_report(next));
    Ok((stands, next.filter(|next| *next != stands)))
}

fn apply(
    connection: &Connection,
    id: &MessageId,
    report: &Report,
    now: Timestamp,
    content: &Content,
) -> Result<Reported, Fault> {
    let before = standing(connection, id)?.ok_or(StoreError::NotFound)?;
    own_further_uuid(connection, id, report)?;
    if !keep(connection, id, report, now)? {
        let (before, moved) = (before.status, false);
        return Ok(Reported { before, after: before, moved, again: true });
    }
    let (stands, next) = after(connection, id, before.status, report)?;
    let (after, moves) = (next.unwrap_or(before.status), next.is_some());
    let other = report.status.filter(|told| told.is_final() && *told != stands);
    if let Some(told) = other.filter(|_| stands.is_final()) {
        let (status, told, code) = (stands.as_str(), told.as_str(), report.error_code.as_deref());
        tracing::warn!(message.id = %id, status, told, code, "a report tells of another end than Plivo's first, which stands");
    }
    let mut update = connection.prepare_cached(
        "UPDATE messages SET status = ?2, updated = ?3, message_uuid = coalesce(message_uuid, ?4), \
         error_code = CASE WHEN ?5 THEN ?6 ELSE error_code END, \
         report = CASE WHEN ?5 OR report IS NULL THEN ?7 ELSE report END, \
         next_look = CASE WHEN ?8 AND coalesce(message_uuid, ?4) IS NOT NULL THEN coalesce(next_look, ?3) ELSE next_look END \
         WHERE id = ?1",
    )?;
    update.execute(rusqlite::params![
        &*id.0,
        after.as_str(),
        to_db(now),
        report.message_uuid,
        moves,
        report.error_code,
        report_json(&report.facts),
        // The report is before the end of the call that it is about. Whoever ends that says when Plivo is asked; should
        // nobody, because the process ends first, it is asked at once.
        moves && before.status.is_open(),
    ])?;
    moved(connection, id, (before.status, after), content)?;
    if moves && after.is_announced() {
        let code = report.error_code.as_deref();
        events::announce(connection, id, &before, after, report.sequence, now, code)?;
    }
    crate::fail::point("report.in_transaction");
    Ok(Reported { before: before.status, after, moved: moves, again: false })
}

/// Whether a message ended by what we came to, and not by a report: Plivo's codes are other words than ours.
pub(super) fn is_inferred(
    connection: &Connection,
    id: &MessageId,
    status: Status,
) -> rusqlite::Result<bool> {
    if !matches!(status, Status::Expired | Status::Failed | Status::Canceled) {
        return Ok(false);
    }
    // A policy that was asked again may have ended it, by a code of its own; Plivo's have digits alone.
    let sql = "SELECT error_code GLOB '*[^0-9]*' FROM messages WHERE id = ?";
    let ours: Option<bool> =
        connection.prepare_cached(sql)?.query_row([&*id.0], |row| row.get(0))?;
    Ok(ours == Some(true))
}

/// Plivo may have a message twice, after `on_unresolved = "resend"`, or split: no other message is taken for the second.
fn own_further_uuid(
    connection: &Connection,
    id: &MessageId,
    report: &Report,
) -> rusqlite::Result<()> {
    let Some(uuid) = &report.message_uuid else { return Ok(()) };
    let sql = "INSERT OR IGNORE INTO other_uuids (uuid, message) SELECT ?2, id FROM messages WHERE id = ?1 \
               AND message_uuid <> ?2 AND NOT EXISTS (SELECT 1 FROM messages WHERE message_uuid = ?2)";
    connection.prepare_cached(sql)?.execute((&*id.0, uuid))?;
    Ok(())
}

/// Writes a report down, of too many in the place of the oldest; `false` where it had come before.
fn keep(
    connection: &Connection,
    id: &MessageId,
    report: &Report,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO reports (message, status, sequence, received, error_code) VALUES (?, ?, ?, ?, ?)",
    )?;
    let word = report.facts.status.as_str();
    let new = insert.execute((&*id.0, word, report.sequence, to_db(now), &report.error_code))?;
    let mut cut = connection.prepare_cached(
        "DELETE FROM reports WHERE message = ?1 AND (status, sequence) IN (SELECT status, sequence FROM reports \
         WHERE message = ?1 ORDER BY received DESC LIMIT -1 OFFSET ?2)",
    )?;
    cut.execute((&*id.0, REPORTS))?;
    Ok(new > 0)
}
