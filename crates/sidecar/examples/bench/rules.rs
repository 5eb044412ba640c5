//! The four rules as native code: what the same decisions cost without WebAssembly.
//!
//! `validation` and `country` are the policies' own crates. `dedup` and `throttle` reach their state by the host's
//! imports, which native code has not; here they make the same mark and the same charge on the same ledger.

use std::sync::Arc;
use std::time::Duration;

use country::Country;
use message::facts::NumberType;
use message::{
    Charge, Encoding, Hold, Ledger, LimitKind, MessageId, Reserved, Settlement, Taken, Timestamp,
    Window,
};
use policy_host::Candidate;
use policy_sdk::{Context, Decision, Facts, Message, Policy, Problem, TextFacts};
use store::MemoryLedger;
use validation::Validation;

use crate::Result;
use crate::policies::POLICIES;

/// The rules, configured, and what they remember.
pub(crate) struct Rules {
    validation: Validation,
    country: Country,
    window: Duration,
    limit: Charge,
    ledger: Arc<dyn Ledger>,
}

/// A question in the form in which a policy gets it.
pub(crate) struct Question {
    by: MessageId,
    now: Timestamp,
    message: Message,
    facts: Facts,
    context: Context,
}

impl Rules {
    pub(crate) fn new() -> Result<Self> {
        let [validation, country, dedup, throttle] = &POLICIES;
        let limit = &throttle.settings()?["limits"][0];
        let (window_s, quota, per_s) = (
            dedup.settings()?["window_s"].as_u64().ok_or("dedup has no window")?,
            limit["quota"].as_u64().ok_or("the limit has no quota")?,
            limit["per_s"].as_u64().ok_or("the limit has no period")?,
        );
        let window = Window { quota: u32::try_from(quota)?, per: Duration::from_secs(per_s) };
        Ok(Self {
            validation: configured(validation.settings()?)?,
            country: configured(country.settings()?)?,
            window: Duration::from_secs(window_s),
            limit: Charge {
                limit: "app".to_owned(),
                key: String::new(),
                kind: LimitKind::Window(window),
                cost: 1,
                queue: false,
            },
            ledger: Arc::new(MemoryLedger::default()),
        })
    }

    /// What is held for the message that every rule let pass.
    pub(crate) async fn decide(&self, question: &Question) -> Result<(Vec<Hold>, Decision)> {
        let Question { by, now, message, facts, context } = question;
        for decided in [
            self.validation.check(message, facts, context),
            self.country.check(message, facts, context),
        ] {
            let decision = decided.map_err(|error| error.detail)?;
            if let Some(code) = decision.refused_with() {
                return Err(format!("refused with {code}").into());
            }
        }
        let said = ["content", &context.app, &message.to, "sms", &message.text, "0"];
        let mark = policy_sdk::mark("", said);
        let reserved = self.ledger.reserve("dedup", &mark, self.window, by, *now).await?;
        let Reserved::Yes(hold) = reserved else { return Err("refused with dup.content".into()) };
        let charges = [Charge { key: context.app.clone(), ..self.limit.clone() }];
        let taken = self.ledger.take("throttle", &charges, *now).await?;
        let Taken::Ok { standings, mut holds } = taken else {
            return Err("refused with throttle.app".into());
        };
        holds.push(hold);
        let decision = standings.iter().fold(Decision::accept(), |decision, standing| {
            let left = format!("r={};t={}", standing.remaining, standing.reset.as_secs());
            decision.note("ratelimit.app", left)
        });
        Ok((holds, decision))
    }

    pub(crate) async fn sent(&self, holds: Vec<Hold>) -> Result<()> {
        Ok(self.ledger.settle(holds, Settlement::Keep).await?)
    }
}

impl Question {
    pub(crate) fn of(candidate: &Candidate) -> Self {
        let Candidate { message, facts, app, account: _, door, now } = candidate;
        let (number, text) = (&facts.number, &facts.text);
        Self {
            by: message.id.clone(),
            now: *now,
            message: Message {
                id: message.id.to_string(),
                kind: policy_sdk::Kind::Sms,
                to: message.to.as_str().to_owned(),
                sender: policy_sdk::Sender {
                    kind: message.sender.kind().to_owned(),
                    value: message.sender.as_str().to_owned(),
                },
                text: message.text.clone(),
                media_urls: Vec::new(),
                media_ids: Vec::new(),
                intent: message.intent.clone(),
                ttl_s: message.ttl_s,
                not_before_ms: message.not_before.map(|at| at.0),
                dedup: message.dedup.as_str().to_owned(),
                tags: message.tags.clone(),
            },
            facts: Facts {
                number: policy_sdk::NumberFacts {
                    valid: number.valid,
                    region: number.region.clone(),
                    calling_code: number.calling_code,
                    number_type: number_type(number.number_type),
                    zones: number.zones.clone(),
                },
                text: TextFacts {
                    encoding: match text.encoding {
                        Encoding::Gsm7 => policy_sdk::Encoding::Gsm7,
                        Encoding::Ucs2 => policy_sdk::Encoding::Ucs2,
                    },
                    units: text.units,
                    segments: text.count,
                    ucs2_offsets: text.ucs2_offsets.clone(),
                },
                media: Vec::new(),
                unknown_fields: facts.unknown_fields.clone(),
            },
            context: Context {
                app: app.to_string(),
                door: (*door).to_owned(),
                now_ms: now.0,
                dry_run: false,
            },
        }
    }
}

fn configured<P: Policy>(settings: serde_json::Value) -> Result<P> {
    let told = |problems: Vec<Problem>| {
        problems.into_iter().map(|problem| problem.detail).collect::<Vec<_>>().join(", ")
    };
    Ok(P::configure(serde_json::from_value(settings)?).map_err(told)?)
}

fn number_type(of: NumberType) -> policy_sdk::NumberType {
    use policy_sdk::NumberType as Sdk;
    match of {
        NumberType::Mobile => Sdk::Mobile,
        NumberType::FixedLine => Sdk::FixedLine,
        NumberType::FixedLineOrMobile => Sdk::FixedLineOrMobile,
        NumberType::TollFree => Sdk::TollFree,
        NumberType::PremiumRate => Sdk::PremiumRate,
        NumberType::SharedCost => Sdk::SharedCost,
        NumberType::Voip => Sdk::Voip,
        NumberType::Personal => Sdk::Personal,
        NumberType::Pager => Sdk::Pager,
        NumberType::Uan => Sdk::Uan,
        NumberType::Voicemail => Sdk::Voicemail,
        NumberType::Unknown => Sdk::Unknown,
    }
}
