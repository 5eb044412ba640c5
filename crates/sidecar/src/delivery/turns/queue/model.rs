//! The queue beside a plain list of the messages, through anything that can happen to both.

use proptest::prelude::*;

use super::tests::{from, line, now, ours, with_room};
use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Enter { app: u8, class: usize, recipient: u32 },
    Ask { nth: usize, deadline: u64 },
    Withdraw { nth: usize },
    End { nth: usize },
    Leave { nth: usize },
    Room(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let nth = 0_usize..64;
    let step = prop_oneof![
        4 => (0_u8..3, 0_usize..3, 0_u32..3)
            .prop_map(|(app, class, recipient)| Step::Enter { app, class, recipient }),
        4 => (nth.clone(), 0_u64..4).prop_map(|(nth, deadline)| Step::Ask { nth, deadline }),
        1 => nth.clone().prop_map(|nth| Step::Withdraw { nth }),
        2 => nth.clone().prop_map(|nth| Step::End { nth }),
        2 => nth.prop_map(|nth| Step::Leave { nth }),
        1 => (0_usize..4).prop_map(Step::Room),
    ];
    proptest::collection::vec(step, 0..120)
}

/// A message as the model knows it.
struct Known {
    spot: Spot,
    asked: Option<Timestamp>,
    turn: bool,
}

/// The real queue beside a plain list of the messages.
struct Model {
    queue: Queue<u64>,
    room: usize,
    known: Vec<Known>,
}

impl Model {
    fn out(&self) -> usize {
        self.known.iter().filter(|known| known.turn).count()
    }

    fn is_first(&self, known: &Known) -> bool {
        let mut same = self.known.iter().filter(|other| other.spot.line == known.spot.line);
        same.next().is_some_and(|first| first.spot.number == known.spot.number)
    }

    /// Whoever could be called now if there were room.
    fn ready(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(|known| known.asked.is_some() && self.is_first(known))
    }

    fn grant(&mut self, granted: Vec<u64>) -> Result<(), TestCaseError> {
        for number in granted {
            let best = self.ready().map(|known| known.spot.line.class).min();
            let nth = self.known.iter().position(|known| known.spot.number == number);
            let known = &self.known[nth.expect("a turn went to somebody who is not there")];
            prop_assert!(known.asked.is_some(), "a turn for one who did not ask");
            prop_assert!(self.is_first(known), "a turn out of the order of its line");
            prop_assert_eq!(Some(known.spot.line.class), best, "a turn out of its class");
            let sooner = self.ready().find(|other| {
                other.spot.line.class == known.spot.line.class
                    && other.spot.line.share == known.spot.line.share
                    && (other.asked, other.spot.number) < (known.asked, known.spot.number)
            });
            prop_assert!(sooner.is_none(), "a turn before a nearer deadline of the same app");
            let known = &mut self.known[nth.unwrap_or_default()];
            (known.asked, known.turn) = (None, true);
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Enter { app, class, recipient } => {
                let spot = self.queue.enter(
                    line(&app.to_string(), Class::ALL[class], recipient),
                    &from(),
                    &[],
                    now(),
                );
                self.known.push(Known { spot, asked: None, turn: false });
                return Ok(());
            }
            Step::Room(room) => {
                self.room = room;
                let granted = self.queue.set_room(&ours(), room, now());
                return self.grant(granted);
            }
            _ => {}
        }
        if self.known.is_empty() {
            return Ok(());
        }
        let index = |nth: usize| nth % self.known.len();
        match step {
            Step::Ask { nth, deadline } => {
                let nth = index(nth);
                let known = &mut self.known[nth];
                if known.turn || known.asked.is_some() {
                    return Ok(());
                }
                let deadline = Timestamp(deadline);
                known.asked = Some(deadline);
                let number = known.spot.number;
                if self.queue.take(&known.spot, now()).is_some() {
                    return self.grant(vec![number]);
                }
                let granted = self.queue.wait(&known.spot, deadline, number, now());
                return self.grant(granted);
            }
            Step::Withdraw { nth } => {
                let nth = index(nth);
                let known = &mut self.known[nth];
                if let Some(deadline) = known.asked.take() {
                    let granted = self.queue.withdraw(&known.spot, deadline, now());
                    return self.grant(granted);
                }
            }
            Step::End { nth } => {
                let nth = index(nth);
                if std::mem::take(&mut self.known[nth].turn) {
                    let granted = self.queue.end(&ours(), None, now());
                    return self.grant(granted);
                }
            }
            Step::Leave { nth } => {
                let nth = index(nth);
                self.step(Step::End { nth })?;
                let known = self.known.remove(nth);
                if let Some(deadline) = known.asked {
                    let granted = self.queue.withdraw(&known.spot, deadline, now());
                    self.grant(granted)?;
                }
                let granted = self.queue.leave(&known.spot, now());
                return self.grant(granted);
            }
            Step::Enter { .. } | Step::Room(_) => {}
        }
        Ok(())
    }

    fn holds(&self, before: usize) -> Result<(), TestCaseError> {
        let (out, ready) = (self.out(), self.ready().count());
        prop_assert_eq!(self.queue.out(&ours()), out);
        prop_assert!(out <= self.room.max(before), "{} turns in room for {}", out, self.room);
        prop_assert!(ready == 0 || out >= self.room, "{} wait beside free room", ready);
        let waiting = self.known.iter().filter(|known| known.asked.is_some()).count();
        prop_assert_eq!(self.queue.waiting(), waiting);
        Ok(())
    }
}

proptest! {
    #[test]
    fn turns_are_never_more_than_room_never_out_of_order_and_never_lost(steps in steps()) {
        let mut model = Model { queue: with_room(2), room: 2, known: Vec::new() };
        for step in steps {
            let before = model.out();
            model.step(step)?;
            model.holds(before)?;
        }
        while let Some(last) = model.known.len().checked_sub(1) {
            model.step(Step::Leave { nth: last })?;
        }
        prop_assert!(model.queue.is_empty(), "left over: {:?}", model.queue);
    }
}
