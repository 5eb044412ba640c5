/// Where a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Cleared and kept, not begun.
    Accepted,
    /// Held up by a limit, quiet hours, the breaker, or its own `not_before`.
    Waiting,
    /// An attempt is under way.
    Sending,
    /// An attempt certainly failed; another will follow.
    RetryWait,
    /// Nobody knows whether Plivo took it.
    InDoubt,
    /// Plivo took it.
    Submitted,
    /// Plivo handed it to the carrier.
    Sent,
    /// The carrier says that the handset has it.
    Delivered,
    /// The carrier says that the handset does not have it.
    Undelivered,
    /// It was refused, or given up.
    Failed,
    /// Its deadline passed before it was taken.
    Expired,
    /// The app took it back.
    Canceled,
    /// It waits for a person.
    Held,
}

/// The rank of every ending.
const ENDED: u8 = 3;

/// What most apps want to know: the four states of a simple client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Simple {
    /// Not yet with the carrier.
    Queued,
    /// With the carrier.
    Sent,
    /// On the handset.
    Delivered,
    /// Not coming.
    Failed,
}

impl Status {
    /// Every status, in the order of the way.
    pub const ALL: [Self; 13] = [
        Self::Accepted,
        Self::Waiting,
        Self::Sending,
        Self::RetryWait,
        Self::InDoubt,
        Self::Submitted,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Expired,
        Self::Canceled,
        Self::Held,
    ];

    /// The word in answers, records and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::RetryWait => "retry_wait",
            Self::InDoubt => "in_doubt",
            Self::Submitted => "submitted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Canceled => "canceled",
            Self::Held => "held",
        }
    }

    /// The status that `word` names; `None` where it names none.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == word)
    }

    /// The simple view of it.
    pub fn simple(self) -> Simple {
        match self {
            Self::Accepted | Self::Waiting | Self::Sending | Self::RetryWait => Simple::Queued,
            Self::InDoubt | Self::Submitted | Self::Held => Simple::Queued,
            Self::Sent => Simple::Sent,
            Self::Delivered => Simple::Delivered,
            Self::Undelivered | Self::Failed | Self::Expired | Self::Canceled => Simple::Failed,
        }
    }

    /// Whether nothing more will happen of itself.
    pub fn is_final(self) -> bool {
        matches!(self.simple(), Simple::Delivered | Simple::Failed)
    }

    /// Whether a task of ours has still to bring it to Plivo, or to find out whether it got there.
    pub fn is_open(self) -> bool {
        self.rank() == 0
    }

    /// Whether number and text are still needed: to send it, or to find it at Plivo.
    pub fn needs_content(self) -> bool {
        self.rank() == 0
    }

    /// Whether apps are told that a message came here.
    pub fn is_announced(self) -> bool {
        !matches!(self, Self::Accepted | Self::Waiting | Self::Sending | Self::RetryWait)
    }

    /// The status after a delivery report that says `reported`.
    ///
    /// Reports come twice, late and out of order: they never move a message back, and of two endings the first stands.
    pub fn after_report(self, reported: Self) -> Self {
        if reported.rank() > self.rank() { reported } else { self }
    }

    /// The status after our own doing makes it `next`. A report may have been faster than the call that it is about, or
    /// than our giving up: once Plivo has the message, nothing that we come to moves it.
    pub fn after(self, next: Self) -> Self {
        let is_ours = matches!(next, Self::Failed | Self::Expired | Self::Canceled);
        if self.is_open() || (next.rank() > self.rank() && !is_ours) { next } else { self }
    }

    /// How far along a report can say that a message is; everything before Plivo's answer is behind all reports.
    fn rank(self) -> u8 {
        match self {
            Self::Accepted
            | Self::Waiting
            | Self::Sending
            | Self::RetryWait
            | Self::InDoubt
            | Self::Held => 0,
            Self::Submitted => 1,
            Self::Sent => 2,
            Self::Delivered | Self::Undelivered | Self::Failed | Self::Expired | Self::Canceled => {
                ENDED
            }
        }
    }
}

impl Simple {
    /// `queued`, `sent`, `delivered` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The state that `word` names; `None` where it names none.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Queued, Self::Sent, Self::Delivered, Self::Failed]
            .into_iter()
            .find(|each| each.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_their_status() {
        for each in Status::ALL {
            assert_eq!(Status::from_word(each.as_str()), Some(each));
            assert_eq!(Simple::from_word(each.simple().as_str()), Some(each.simple()));
        }
        assert_eq!((Status::from_word("Sent"), Simple::from_word("held")), (None, None));
    }

    #[test]
    fn reports_never_move_a_message_back() {
        use Status::*;
        for (now, reported, after) in [
            (Sending, Sent, Sent),
            (InDoubt, Submitted, Submitted),
            (Held, Delivered, Delivered),
            (Submitted, Sent, Sent),
            (Delivered, Sent, Delivered),
            (Delivered, Undelivered, Delivered),
            (Undelivered, Delivered, Undelivered),
            (Sent, Submitted, Sent),
            (Sent, Failed, Failed),
        ] {
            assert_eq!(now.after_report(reported), after, "{now:?}, then {reported:?}");
        }
    }

    #[test]
    fn our_own_doing_never_undoes_a_report() {
        use Status::*;
        for (now, next, after) in [
            (Sending, Submitted, Submitted),
            (InDoubt, RetryWait, RetryWait),
            (Held, Waiting, Waiting),
            (Sent, Submitted, Sent),
            (Delivered, Submitted, Delivered),
            (Delivered, Failed, Delivered),
            (Submitted, RetryWait, Submitted),
            (Submitted, Expired, Submitted),
            (Sent, Failed, Sent),
            (Sent, Canceled, Sent),
            (Failed, Submitted, Failed),
        ] {
            assert_eq!(now.after(next), after, "{now:?}, then {next:?}");
        }
    }

    #[test]
    fn what_has_still_to_get_to_plivo_is_open() {
        let open: Vec<&str> =
            Status::ALL.into_iter().filter(|s| s.is_open()).map(Status::as_str).collect();
        assert_eq!(open, ["accepted", "waiting", "sending", "retry_wait", "in_doubt", "held"]);
    }

    #[test]
    fn finished_is_what_is_delivered_or_will_never_be() {
        let finished: Vec<&str> =
            Status::ALL.into_iter().filter(|s| s.is_final()).map(Status::as_str).collect();
        assert_eq!(finished, ["delivered", "undelivered", "failed", "expired", "canceled"]);
    }
}
