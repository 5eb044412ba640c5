//! What goes when, by example: the queue with a clock of its own.

use message::{E164, Timestamp};

use super::super::queue::tests::{Free, from};
use super::super::queue::{Line, Queue, Share, Spot};
use super::*;
use Class::{Notification, Other, Otp};

fn ours() -> Arc<str> {
    message::DEFAULT_ACCOUNT.into()
}

/// A queue with room enough, in which messages wait for their paces alone.
struct Bench {
    queue: Queue<&'static str>,
    began: Instant,
    now: Instant,
    alarm: Option<Instant>,
    spots: HashMap<&'static str, Spot>,
    recipients: u32,
    gone: Vec<(&'static str, u64)>,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let (spots, gone) = (HashMap::new(), Vec::new());
        let mut queue = Queue::new();
        queue.open(&ours(), 1_000, Free, now);
        Self { queue, began: now, now, alarm: None, spots, recipients: 0, gone }
    }

    fn ask(&mut self, name: &'static str, app: &str, class: Class, paces: &[Pace]) {
        self.queue.pacer.learn(paces, self.now);
        self.come(name, app, class, paces);
    }

    /// The same of one that was accepted before, and whose time has come.
    fn come(&mut self, name: &'static str, app: &str, class: Class, paces: &[Pace]) {
        self.recipients += 1;
        let recipient = E164::parse(&format!("+1415{:07}", self.recipients), "").unwrap();
        let share = Share { account: ours(), app: app.into() };
        let spot = self.queue.enter(Line { share, class, recipient }, &from(), paces, self.now);
        let granted = self.queue.wait(&spot, Timestamp(self.recipients.into()), name, self.now);
        self.spots.insert(name, spot);
        self.note(granted);
    }

    fn note(&mut self, granted: Vec<&'static str>) {
        let at = u64::try_from((self.now - self.began).as_millis()).unwrap();
        self.gone.extend(granted.into_iter().map(|name| (name, at)));
    }

    /// Goes on to each instant at which somebody is to look again, up to `ms`.
    fn until(&mut self, ms: u64) {
        let end = self.began + Duration::from_millis(ms);
        loop {
            self.alarm = self.queue.take_alarm().or(self.alarm);
            let Some(at) = self.alarm.take_if(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            let granted = self.queue.look_again(self.now);
            self.note(granted);
        }
        self.now = end;
    }

    fn leave(&mut self, name: &str) {
        let spot = self.spots.remove(name).unwrap();
        let granted = self.queue.leave(&spot, self.now);
        self.note(granted);
    }
}

fn pace(key: &str, quota: u32, burst: u32, cost: u32) -> Pace {
    let gcra = Gcra { quota, per: Duration::from_secs(1), burst };
    let (owner, limit) = ("throttle".to_owned(), "sender".to_owned());
    Pace { owner, limit, key: key.to_owned(), gcra, cost }
}

#[test]
fn messages_go_evenly_after_the_burst_and_nothing_is_saved_up() {
    let mut bench = Bench::new();
    let two = [pace("a", 1, 2, 1)];
    for name in ["1", "2", "3", "4"] {
        bench.ask(name, "app", Other, &two);
    }
    bench.until(60_000);
    assert_eq!(bench.gone, [("1", 0), ("2", 0), ("3", 1_000), ("4", 2_000)]);
    for name in ["5", "6", "7"] {
        bench.ask(name, "app", Other, &two);
    }
    bench.until(62_000);
    assert_eq!(bench.gone[4..], [("5", 60_000), ("6", 60_000), ("7", 61_000)]);
}

#[test]
fn a_code_takes_the_next_slot_and_apps_take_turns_at_a_pace() {
    let mut bench = Bench::new();
    let one = [pace("a", 1, 1, 1)];
    for name in ["p1", "p2", "p3"] {
        bench.ask(name, "promo", Other, &one);
    }
    bench.ask("q1", "quiz", Other, &one);
    bench.until(500);
    bench.ask("code", "bank", Otp, &one);
    bench.ask("note", "bank", Notification, &one);
    bench.until(9_000);
    let order: Vec<_> = bench.gone.iter().map(|(name, _)| *name).collect();
    assert_eq!(order, ["p1", "code", "note", "p2", "q1", "p3"]);
    assert_eq!(bench.gone[1].1, 1_000);
}

#[test]
fn one_that_waits_for_a_slow_pace_holds_nobody_up_elsewhere_and_all_its_paces_must_let_it_go() {
    let mut bench = Bench::new();
    let (slow, fast) = (pace("slow", 1, 1, 1), pace("fast", 4, 1, 1));
    bench.ask("1", "app", Other, &[slow.clone(), fast.clone()]);
    bench.ask("2", "app", Other, &[slow, fast.clone()]);
    bench.ask("3", "app", Other, &[fast]);
    bench.ask("free", "app", Other, &[]);
    bench.until(9_000);
    assert_eq!(bench.gone, [("1", 0), ("free", 0), ("3", 250), ("2", 1_000)]);
}

#[test]
fn what_costs_much_is_not_kept_waiting_by_what_costs_little() {
    let mut bench = Bench::new();
    let cost = |cost| [pace("a", 1, 2, cost)];
    bench.ask("first", "app", Other, &cost(2));
    bench.ask("long code", "bank", Otp, &cost(2));
    bench.ask("short", "app", Other, &cost(1));
    bench.ask("above the burst", "app", Other, &cost(5));
    bench.ask("after it", "app", Other, &cost(1));
    bench.until(60_000);
    let wanted = [
        ("first", 0),
        ("long code", 2_000),
        ("short", 3_000),
        ("above the burst", 5_000),
        ("after it", 9_000),
    ];
    assert_eq!(bench.gone, wanted);
}

#[test]
fn a_turn_that_nobody_was_called_with_counts_at_no_pace() {
    let mut bench = Bench::new();
    let one = [pace("a", 1, 1, 1)];
    bench.ask("1", "app", Other, &one);
    bench.ask("2", "app", Other, &one);
    let tolls = bench.spots["1"].terms.tolls.clone();
    let granted = bench.queue.end(&ours(), Some(&tolls), bench.now);
    bench.note(granted);
    assert_eq!(bench.gone, [("1", 0), ("2", 0)]);
}

#[test]
fn after_a_start_a_pace_counts_as_used_up_by_the_last_call_before_it() {
    let one = [pace("a", 1, 1, 1)];
    for (ago_ms, at) in [(0, 1_000), (400, 600), (5_000, 0)] {
        let mut bench = Bench::new();
        bench.queue.pacer.called_before(Duration::from_millis(ago_ms), bench.now);
        bench.ask("1", "app", Other, &one);
        bench.until(9_000);
        assert_eq!(bench.gone, [("1", at)], "called {ago_ms} ms before");
    }
}

#[test]
fn a_changed_limit_holds_for_those_that_wait() {
    let mut bench = Bench::new();
    bench.ask("1", "app", Other, &[pace("a", 1, 1, 1)]);
    bench.ask("2", "app", Other, &[pace("a", 1, 1, 1)]);
    bench.ask("3", "app", Other, &[pace("a", 4, 1, 1)]);
    bench.until(9_000);
    assert_eq!(bench.gone, [("1", 0), ("2", 1_000), ("3", 1_250)]);
}

#[test]
fn the_latest_limit_holds_for_those_too_that_were_accepted_before_and_come_later() {
    for (before, after, times) in [(4, 1, [0, 1_000, 2_000, 3_000]), (1, 4, [0, 250, 500, 750])] {
        let mut bench = Bench::new();
        bench.queue.pacer.learn(&[pace("a", before, 1, 1)], bench.now);
        bench.ask("1", "app", Other, &[pace("a", after, 1, 1)]);
        for name in ["2", "3", "4"] {
            bench.come(name, "app", Other, &[pace("a", before, 1, 1)]);
        }
        bench.until(9_000);
        assert_eq!(bench.gone.iter().map(|(_, at)| *at).collect::<Vec<_>>(), times, "{before}");
    }
}

#[test]
fn the_wait_counts_what_is_as_urgent_and_ends_with_it() {
    let mut bench = Bench::new();
    let one = [pace("a", 1, 1, 1)];
    let wait = |bench: &Bench, class| {
        bench.queue.pacer.wait(&one, class, (bench.now, bench.now)).as_millis()
    };
    assert_eq!(wait(&bench, Other), 0);
    for name in ["1", "2", "3"] {
        bench.ask(name, "app", Other, &one);
    }
    bench.leave("1");
    assert_eq!(
        (wait(&bench, Other), wait(&bench, Notification), wait(&bench, Otp)),
        (3_000, 1_000, 1_000)
    );
    bench.ask("code", "bank", Otp, &one);
    assert_eq!((wait(&bench, Other), wait(&bench, Notification)), (4_000, 2_000));
    for name in ["2", "3", "code"] {
        bench.leave(name);
    }
    assert_eq!(wait(&bench, Other), 1_000, "the pace itself is still closed");
}

#[test]
fn what_is_less_urgent_keeps_a_pace_busy_until_it_has_gone() {
    let mut bench = Bench::new();
    let one = [pace("a", 1, 1, 1)];
    for name in ["1", "2", "3", "4"] {
        bench.ask(name, "app", Other, &one);
    }
    bench.leave("1");
    let wait = |ahead: u64| {
        let then = bench.now + Duration::from_millis(ahead);
        bench.queue.pacer.wait(&one, Otp, (bench.now, then)).as_millis()
    };
    // One went at once; the others go in one, two and three seconds.
    let at = [0, 500, 900, 1_000, 2_900, 3_200, 4_000];
    assert_eq!(at.map(wait), [1_000, 500, 100, 1_000, 100, 800, 0]);
}

#[test]
fn of_costs_that_differ_the_worst_is_told() {
    let mut bench = Bench::new();
    for (name, cost) in [("1", 1), ("2", 2), ("3", 1)] {
        bench.ask(name, "app", Other, &[Pace { cost, ..pace("a", 2, 2, 2) }]);
    }
    bench.leave("1");
    let own = [pace("a", 2, 2, 2)];
    let wait = |ahead: u64| {
        let then = bench.now + Duration::from_millis(ahead);
        bench.queue.pacer.wait(&own, Otp, (bench.now, then)).as_millis()
    };
    assert_eq!([wait(500), wait(10_000)], [1_000, 0]);
}

#[test]
fn paces_are_bounded_and_those_that_count_stay() {
    let now = Instant::now();
    let mut pacer = Pacer::new(4);
    let kept = pacer.enter(&[pace("in use", 1, 1, 1)], Other, now);
    for key in ["a", "b", "c"] {
        let tolls = pacer.enter(&[pace(key, 1, 1, 1)], Other, now);
        pacer.pay(&tolls, now);
        pacer.leave(&tolls, Other);
    }
    let idle = pacer.enter(&[pace("idle", 1, 1, 1)], Other, now);
    pacer.leave(&idle, Other);
    assert_eq!((pacer.paces.len(), pacer.names.len()), (3, 3), "half of them and the new one");
    assert_eq!(pacer.enter(&[pace("in use", 1, 1, 1)], Other, now), kept);
    let later = now + Duration::from_secs(2);
    for key in ["d", "e"] {
        let tolls = pacer.enter(&[pace(key, 1, 1, 1)], Other, later);
        pacer.leave(&tolls, Other);
    }
    assert_eq!(pacer.paces.len(), 2, "those whose burst was back went first");
    assert_eq!(pacer.places(), 2);
}
