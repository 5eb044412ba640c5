//! The messages on their way, and how to speak to each.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use message::MessageId;
use store::Status;
use tokio::sync::{mpsc, watch};

use super::accepted::Accepted;
use super::doubt::Doubt;
use super::journey::Journey;
use super::starts::Entrance;
use super::trace::Trace;
use super::turns::{Class, Place};
use super::waits::Retry;
use super::{Acceptance, Delivery, News, Word, now};
use crate::shared::Unconfirmed;

/// Where a journey begins.
#[derive(Default)]
pub(super) struct Beginning {
    pub(super) attempts: u32,
    pub(super) turned_away: u32,
    pub(super) doubt: Option<Doubt>,
    pub(super) unconfirmed: Option<Unconfirmed>,
    pub(super) may_be_sent: bool,
    /// Where it waited for its next try.
    pub(super) retry: Option<Retry>,
    /// Plivo's id of it, which was found while it was in doubt and is on disk.
    pub(super) adopted: Option<String>,
}

impl Delivery {
    /// The way of a message that is ours, to be run in a task of its own.
    pub(super) fn journey(
        self: &Arc<Self>,
        accepted: Accepted,
        trace: Trace,
        beginning: Beginning,
    ) -> (Journey, Acceptance) {
        let (tell, progress) = watch::channel(News::Open(Status::Accepted));
        let (sender, inbox) = mpsc::unbounded_channel();
        self.ledger.own(&accepted.holds);
        self.journeys().insert(accepted.message.id.clone(), sender);
        let Beginning { attempts, turned_away, doubt, unconfirmed, may_be_sent, retry, adopted } =
            beginning;
        let unsettled = doubt.as_ref().map(|doubt| {
            let account = doubt.account.as_deref().unwrap_or_default();
            self.unsettled.enter(self.twins(account, &accepted.message.to))
        });
        let wait =
            self.turns.wait(Class::of(&accepted.message.intent), &accepted.paces, Duration::ZERO);
        let turn = (!wait.is_zero()).then(|| now().after(wait));
        let start = accepted.start.max(turn);
        // Here and not in the message's own task, since tasks begin in no order.
        let entrance = doubt.is_none().then(|| self.entrance(&accepted));
        let class = Class::of(&accepted.message.intent);
        let journey = Journey {
            delivery: Arc::clone(self),
            wait: self.lanes.wait(class),
            accepted,
            tell,
            inbox,
            attempts,
            turned_away,
            undecided: 0,
            trace,
            doubt,
            may_be_sent,
            retry,
            adopted,
            unsettled,
            last_call: None,
            entrance,
            unconfirmed,
        };
        (journey, Acceptance { progress, start })
    }

    /// Its place, or its wait for the time to take one. One that was called for has had its start.
    pub(super) fn entrance(&self, accepted: &Accepted) -> Entrance {
        let now = now();
        // A slot that replicas share may turn out to lie after its time.
        let start = accepted.start.map(|start| start.min(accepted.deadline));
        match start.filter(|start| *start > now) {
            None => {
                // Their timers may be late by a little, and this one comes behind them.
                self.starts.let_in(now);
                Entrance::Now(self.enter(accepted))
            }
            Some(start) => {
                let Accepted { message, app, account, paces, .. } = accepted;
                let (turns, account, app) = (self.turns.clone(), Arc::clone(account), app.clone());
                let class = Class::of(&message.intent);
                let (from, to, paces) = (message.sender.clone(), message.to.clone(), paces.clone());
                let enter = move || turns.enter((&account, &app), class, (&from, &to), &paces);
                Entrance::Later(self.starts.put_off(start, enter))
            }
        }
    }

    /// A place behind those that were entered before.
    pub(super) fn enter(&self, accepted: &Accepted) -> Place {
        let Accepted { message, app, account, paces, .. } = accepted;
        let (from, to) = (&message.sender, &message.to);
        self.turns.enter((account, app), Class::of(&message.intent), (from, to), paces)
    }

    /// Says something to a message on its way; `false` where it is on none.
    pub(crate) fn say(&self, id: &MessageId, word: Word) -> bool {
        self.journeys().get(id).is_some_and(|journey| journey.send(word).is_ok())
    }

    pub(super) fn forget(&self, id: &MessageId) {
        self.journeys().remove(id);
    }

    pub(super) fn journeys(
        &self,
    ) -> MutexGuard<'_, HashMap<MessageId, mpsc::UnboundedSender<Word>>> {
        self.journeys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
