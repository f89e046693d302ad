//! Results: medians with their spread, the ratio to the peer, and what the machine was doing.

use serde::Serialize;

/// Repeated readings of one quantity.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Series {
    /// The unit.
    pub(crate) unit: &'static str,
    /// One per repeat.
    pub(crate) values: Vec<f64>,
}

impl Series {
    /// An empty series.
    pub(crate) fn new(unit: &'static str) -> Self {
        Self { unit, values: Vec::new() }
    }

    /// Adds a reading.
    pub(crate) fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    /// The middle reading.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn shown(&self) -> String {
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{:.1} [{low:.1} {high:.1}] {}", self.median(), self.unit)
    }
}

/// One figure: ours, the peer's, their ratio.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// `P1` and so on.
    pub(crate) id: &'static str,
    /// What was measured.
    pub(crate) what: String,
    /// Ours.
    pub(crate) subject: Series,
    /// The peer's, if it has one.
    pub(crate) peer: Option<Series>,
    /// Median over median.
    pub(crate) ratio: Option<f64>,
}

impl Figure {
    /// Puts a figure together.
    pub(crate) fn new(id: &'static str, what: impl Into<String>, subject: Series, peer: Option<Series>) -> Self {
        let ratio = peer.as_ref().map(|peer| subject.median() / peer.median());
        Self { id, what: what.into(), subject, peer, ratio }
    }

    /// One line of text.
    pub(crate) fn line(&self) -> String {
        let peer = self.peer.as_ref().map_or(String::new(), |peer| format!("  peer {}", peer.shown()));
        let ratio = self.ratio.map_or(String::new(), |ratio| format!("  ratio {ratio:.2}"));
        format!("{:4} {}: {}{peer}{ratio}", self.id, self.what, self.subject.shown())
    }
}

/// Everything of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Commit of the working tree, if git says.
    pub(crate) commit: String,
    /// Load averages when the run began.
    pub(crate) load: String,
    /// Versions of the peers.
    pub(crate) versions: Vec<String>,
    /// The figures.
    pub(crate) figures: Vec<Figure>,
}
