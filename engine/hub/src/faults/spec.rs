//! One fault as it is asked for, by a profile or by a device's own message. Pure.

use std::time::Duration;

use base::format_duration;
use wire::{FaultMessage, FaultOperation, Identity};

use super::kind::{How, Kind, Rejection};
use super::operation::{Operation, Point};
use super::who::Who;

/// How long a fault lasts that a device asks for without saying so; the SDKs' tests say 5 s.
const ASKED: Duration = Duration::from_secs(5);

/// A fault, whom it concerns, where and when.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spec {
    /// The seed's own word for it.
    pub(super) label: String,
    pub(super) kind: Kind,
    pub(super) who: Who,
    pub(super) on: Vec<Operation>,
    /// Of a hundred occasions.
    pub(super) chance: Option<f64>,
    /// So often for each of those concerned.
    pub(super) times: Option<u32>,
    /// From being put in place to its begin.
    pub(super) after: Duration,
    /// From its begin; none is until it is cleared.
    pub(super) lasts: Option<Duration>,
}

impl Spec {
    /// What a device's message asks for.
    pub(super) fn asked(asker: &Identity, message: &FaultMessage) -> Vec<Self> {
        let lasting = Some(message.lasts.unwrap_or(ASKED));
        let spec = |kind, on: &[Operation], lasts| Self {
            label: message.operation.name().to_owned(),
            kind,
            who: Who::Exactly(asker.clone()),
            on: on.to_vec(),
            chance: None,
            times: None,
            after: message.delay,
            lasts,
        };
        let rejects = |status, code| Kind::Rejects(Rejection { status, code, retry_after: None });
        use Operation::{Connect, Telemetry, Twin};
        match message.operation {
            FaultOperation::KillTcp => vec![spec(Kind::Cuts(How::Reset), &[], message.lasts)],
            FaultOperation::ShutDownMqtt => vec![spec(Kind::Cuts(How::Close), &[], message.lasts)],
            FaultOperation::Throttling => vec![spec(rejects(429, 3), &[Connect, Telemetry, Twin], lasting)],
            FaultOperation::MaxMessageQuota => vec![spec(rejects(403, 0), &[Telemetry, Twin], lasting)],
            FaultOperation::AuthError => {
                // Refused first, so that nobody slips in between.
                vec![spec(rejects(0, 5), &[Connect], lasting), spec(Kind::Cuts(How::Close), &[], None)]
            }
        }
    }

    /// Whether it is about whole connections, at its begin.
    pub(super) fn is_at_once(&self) -> bool {
        self.on.is_empty() && self.kind.is_of_connections()
    }

    /// Whether it is over as soon as it has begun.
    pub(super) fn is_one_blow(&self) -> bool {
        self.is_at_once() && self.lasts.is_none()
    }

    pub(super) fn shows_at(&self, point: Point<'_>) -> bool {
        self.kind.shows_at(&self.on, point)
    }

    /// `telemetry of 5% of the devices is refused with 503, after 10s, for 30s`.
    pub(super) fn told(&self) -> String {
        let what = match self.on.as_slice() {
            [] => "the connection".to_owned(),
            on => on.iter().map(|one| one.name()).collect::<Vec<_>>().join(" and "),
        };
        let who = match &self.who {
            Who::All => String::new(),
            Who::Like(patterns) => format!(" of {}", patterns.join(" and ")),
            Who::Percent(percent) => format!(" of {percent}% of the devices"),
            Who::Count(1) => " of 1 device".to_owned(),
            Who::Count(count) => format!(" of {count} devices"),
            Who::Exactly(one) => format!(" of {one}"),
        };
        let mut text = format!("{what}{who} {}", self.kind.told());
        let mut add = |more: String| text.push_str(&more);
        if let Some(chance) = self.chance {
            add(format!(", {chance}% of the time"));
        }
        match self.times {
            None => {}
            Some(1) => add(", once each".to_owned()),
            Some(times) => add(format!(", {times} times each")),
        }
        if !self.after.is_zero() {
            add(format!(", after {}", format_duration(self.after)));
        }
        if let Some(lasts) = self.lasts {
            add(format!(", for {}", format_duration(lasts)));
        }
        text
    }
}
