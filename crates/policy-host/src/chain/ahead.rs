//! What a message's policies will ask a far ledger, found out and asked before they do.

use std::sync::Arc;

use message::{Foreseen, Foretold};

use super::passage::Passage;
use super::{Candidate, PolicyChain};
use crate::cleared::{Cleared, NotCleared};
use crate::foresight::Foresight;

/// Most trips ahead for one message: one, and one for each answer that was not hoped for. What is asked beyond goes its
/// own way.
const TRIPS: usize = 4;

impl PolicyChain {
    /// What `candidate`'s policies will ask the ledger, as far as its answers are hoped for; nothing where it is near,
    /// or away. Whoever asks it, such as [`Ledger::foretell`](message::Ledger::foretell), tells
    /// [`PolicyChain::clear_foreseen`].
    ///
    /// The policies are asked for this, and nothing of that is to be seen: no span, line, counter, decision or failure.
    /// Where one refuses or fails, nothing is found out beyond.
    pub async fn foresee(&self, candidate: &Candidate) -> Vec<Foreseen> {
        match self.ledger.is_far() {
            true => self.guess(candidate, &self.foresight(Vec::new())).await,
            false => Vec::new(),
        }
    }

    /// What was foretold of the ledger's answers, kept until [`PolicyChain::clear_foreseen`]. Dropped, all that was
    /// taken is given back.
    pub fn foresight(&self, foretold: Vec<Foretold>) -> Foresight {
        Foresight::new(&self.ledger, foretold)
    }

    /// As [`PolicyChain::clear`], with what was foretold of the answers of a far ledger.
    ///
    /// # Errors
    ///
    /// As [`PolicyChain::clear`].
    pub async fn clear_foreseen(
        &self,
        candidate: Candidate,
        foresight: Foresight,
    ) -> Result<Cleared, Box<NotCleared>> {
        self.look_ahead(&candidate, &foresight).await;
        self.decide(Passage::new(self, candidate, None).with(Arc::new(foresight))).await
    }

    /// Asks ahead what is not foretold yet. Where that fails the policies ask for themselves.
    async fn look_ahead(&self, candidate: &Candidate, foresight: &Foresight) {
        for _ in 0..TRIPS {
            if !foresight.is_open() {
                return;
            }
            let foreseen = self.guess(candidate, foresight).await;
            if foreseen.is_empty() {
                return;
            }
            let told = self.ledger.foretell(foreseen, &candidate.message.id, candidate.now).await;
            match told {
                Ok(more) if !more.is_empty() => foresight.extend(more),
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// What will be asked beyond what is foretold.
    async fn guess(&self, candidate: &Candidate, foresight: &Foresight) -> Vec<Foreseen> {
        let policies = self.policies_for(&candidate.app).enumerate();
        let Some((last, _)) = policies.filter(|(_, policy)| policy.remembers()).last() else {
            return Vec::new();
        };
        let guess = Arc::new(foresight.guess());
        let mut passage = Passage::new(self, candidate.clone(), None).with(Arc::clone(&guess));
        self.walk(&mut passage, last + 1).await;
        guess.foreseen()
    }
}
