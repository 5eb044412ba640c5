//! The places at which a sidecar is killed.

use std::fmt;

/// One place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A named point of the program itself; see `store::fail`.
    Point(&'static str),
    /// A step of a request between the app and the sidecar.
    App(Step),
    /// A step of a request between the sidecar and Plivo.
    Plivo(Step),
    /// A step of Plivo's report to the sidecar.
    Report(Step),
    /// A step of the sidecar's call to the app, which tells it what became of a message.
    Relay(Step),
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Accepted,
    FirstByte,
    HalfHead,
    Head,
    HalfBody,
    LastByteButOne,
    Whole,
    HandedOn,
    HalfAnswer,
    Answer,
}

impl Step {
    pub(crate) const ALL: [Self; 10] = [
        Self::Accepted,
        Self::FirstByte,
        Self::HalfHead,
        Self::Head,
        Self::HalfBody,
        Self::LastByteButOne,
        Self::Whole,
        Self::HandedOn,
        Self::HalfAnswer,
        Self::Answer,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Accepted => "connection accepted",
            Self::FirstByte => "first byte read, none handed on",
            Self::HalfHead => "half of the head handed on",
            Self::Head => "head handed on",
            Self::HalfBody => "half of the body handed on",
            Self::LastByteButOne => "all but the last byte handed on",
            Self::Whole => "all read, none handed on",
            Self::HandedOn => "all handed on, no answer yet",
            Self::HalfAnswer => "half of the answer handed on",
            Self::Answer => "answer handed on",
        }
    }
}

/// When a point is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// By every send.
    Sending,
    /// By a send of whose outcome nothing is known.
    InDoubt,
    /// By the next process, after one that was killed in the middle of a call.
    Recovery,
    /// When Plivo reports on a message, and the app is told.
    Reporting,
}

/// Every named point, when it is met, and how often it may have been met before the kill.
pub(crate) const POINTS: [(&str, Met, u32); 19] = [
    ("accept.begin", Met::Sending, 3),
    ("accept.in_transaction", Met::Sending, 3),
    ("accept.done", Met::Sending, 3),
    ("store.commit", Met::Sending, 10),
    ("store.committed", Met::Sending, 10),
    ("delivery.intent", Met::Sending, 3),
    ("delivery.answered", Met::Sending, 3),
    ("delivery.outcome", Met::Sending, 3),
    ("delivery.written", Met::Sending, 3),
    ("answer.begin", Met::Sending, 3),
    ("key.in_transaction", Met::Sending, 3),
    ("doubt.begin", Met::InDoubt, 1),
    ("doubt.written", Met::InDoubt, 1),
    ("adopt.in_transaction", Met::Recovery, 1),
    ("adopt.done", Met::Recovery, 1),
    ("resume.begin", Met::Recovery, 1),
    ("resume.written", Met::Recovery, 1),
    ("report.in_transaction", Met::Reporting, 6),
    ("relay.in_transaction", Met::Reporting, 6),
];

impl Place {
    /// Every place, in the order of a send.
    pub(crate) fn all() -> Vec<Self> {
        let points = POINTS.iter().map(|(name, _, _)| Self::Point(name));
        let steps = |kind: fn(Step) -> Self| Step::ALL.into_iter().map(kind);
        let (app, plivo) = (steps(Self::App), steps(Self::Plivo));
        let (report, relay) = (steps(Self::Report), steps(Self::Relay));
        points.chain(app).chain(plivo).chain(report).chain(relay).collect()
    }

    /// When it is met.
    pub(crate) fn met(self) -> Met {
        match self {
            Self::Point(name) => {
                let point = POINTS.iter().find(|(known, _, _)| *known == name);
                point.map_or(Met::Sending, |(_, met, _)| *met)
            }
            Self::App(_) | Self::Plivo(_) => Met::Sending,
            Self::Report(_) | Self::Relay(_) => Met::Reporting,
        }
    }

    /// How often it may be passed before the kill, by so many messages.
    pub(crate) fn most_spared(self, messages: u32) -> u32 {
        match self {
            Self::Point(name) => {
                let point = POINTS.iter().find(|(known, _, _)| *known == name);
                let times = point.map_or(1, |(_, _, times)| *times);
                // What each message passes once is not spared more often than there are messages.
                times.min(messages * times.div_ceil(3))
            }
            // Connections are kept, so there may be no other.
            Self::App(Step::Accepted)
            | Self::Plivo(Step::Accepted)
            | Self::Report(Step::Accepted)
            | Self::Relay(Step::Accepted) => 1,
            Self::App(_) | Self::Plivo(_) => 2.min(messages),
            Self::Report(_) | Self::Relay(_) => 2 * messages,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Point(name) => (*name).to_owned(),
            Self::App(step) => format!("app: {}", step.words()),
            Self::Plivo(step) => format!("plivo: {}", step.words()),
            Self::Report(step) => format!("report: {}", step.words()),
            Self::Relay(step) => format!("relay: {}", step.words()),
        };
        f.pad(&text)
    }
}
