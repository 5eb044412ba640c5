//! How much of a message passes, and when.

use std::time::Duration;

use message::{Message, Timestamp};

use super::super::edit::{Edit, Size};
use super::{HORIZON, Open, STEPS, Search, wait};

impl Search<'_> {
    /// When `message` passes with another size, as soon as with any, and the smallest such change. Where it never
    /// `passes` as it is, a smaller change is told, too, that helps later. None where no size does, where nothing is
    /// gained, and where it is not the size that is refused.
    pub(super) async fn fitting(
        &mut self,
        message: &Message,
        size: Size,
        passes: bool,
        gains: impl Fn(&Open) -> bool,
    ) -> Vec<(Open, Edit)> {
        let Some((surest, refused)) = size.bounds(message) else { return Vec::new() };
        let open = self.open(&size.edit(surest).of(message), &mut Vec::new()).await.filter(gains);
        let Some(open) = open else { return Vec::new() };
        if let Some(other) = size.same(message)
            && self.passes(&other, open.ask).await
        {
            return Vec::new();
        }
        let soonest = self.nearest(message, size, (surest, refused), Some(open.ask)).await;
        // Where another message with one more passes, it is what this one says there.
        if soonest.abs_diff(refused) > 1
            && let Some(other) = size.same(&size.edit(soonest + 1).of(message))
            && self.passes(&other, open.ask).await
        {
            return Vec::new();
        }
        // It passes as soon as the surest does, and may have to wait longer for its turn.
        let own = match soonest == surest {
            true => None,
            false => self.open(&size.edit(soonest).of(message), &mut Vec::new()).await,
        };
        let mut fitting = vec![(own.unwrap_or(open), size.edit(soonest))];
        if !passes && size == Size::Chars {
            let least = size.edit(self.nearest(message, size, (soonest, refused), None).await);
            if least != size.edit(soonest)
                && let Some(open) = self.open(&least.of(message), &mut Vec::new()).await
            {
                fitting.push((open, least));
            }
        }
        fitting
    }

    /// The size nearest to one that is `refused` with which `message` passes at the instant `ask`, or without one at
    /// any, as it does with the size that `fits`.
    async fn nearest(
        &mut self,
        message: &Message,
        size: Size,
        (mut fits, mut refused): (u32, u32),
        ask: Option<Timestamp>,
    ) -> u32 {
        while fits.abs_diff(refused) > 1 {
            let middle = u32::midpoint(fits, refused);
            let changed = size.edit(middle).of(message);
            let passes = match ask {
                Some(ask) => self.passes(&changed, ask).await,
                None => self.passes_ever(&changed).await,
            };
            if passes {
                fits = middle;
            } else {
                refused = middle;
            }
        }
        fits
    }

    /// Whether `message` passes at any of the instants that its refusals name.
    async fn passes_ever(&mut self, message: &Message) -> bool {
        let mut ahead = Duration::ZERO;
        for _ in 0..STEPS {
            let asked = if ahead > HORIZON { None } else { self.ask(message, ahead).await };
            match asked.map(|sent| sent.map_err(|refusal| wait(&refusal))) {
                Some(Ok(_)) => return true,
                Some(Err(Some(wait))) => ahead += wait,
                Some(Err(None)) | None => return false,
            }
        }
        false
    }
}
