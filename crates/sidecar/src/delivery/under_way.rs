//! The messages on their way, and how to speak to each.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use message::MessageId;
use store::Status;
use tokio::sync::{mpsc, watch};

use super::accepted::Accepted;
use super::doubt::Doubt;
use super::journey::Journey;
use super::trace::Trace;
use super::turns::{Class, Place};
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
        let Beginning { attempts, turned_away, doubt, unconfirmed, may_be_sent } = beginning;
        let unsettled = doubt.as_ref().map(|doubt| {
            let account = doubt.account.as_deref().unwrap_or_default();
            self.unsettled.enter(self.twins(account, &accepted.message.to))
        });
        let wait = self.turns.wait(Class::of(&accepted.message.intent), &accepted.paces);
        let turn = (!wait.is_zero()).then(|| now().after(wait));
        let start = accepted.start.max(turn);
        // Taken here and not in the message's own task, since tasks begin in no order.
        let may_go = accepted.start.is_none_or(|start| start <= now());
        let place = (doubt.is_none() && may_go).then(|| self.enter(&accepted));
        let journey = Journey {
            delivery: Arc::clone(self),
            accepted,
            tell,
            inbox,
            attempts,
            turned_away,
            trace,
            doubt,
            may_be_sent,
            unsettled,
            last_call: None,
            place,
            unconfirmed,
        };
        (journey, Acceptance { progress, start })
    }

    /// A place behind those that were accepted before.
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
