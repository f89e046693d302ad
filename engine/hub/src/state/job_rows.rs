//! Rows of `devices.jobs`: where jobs hand what they did to each device over to queries.

use serde_json::Value;

use super::HubState;

/// A row of `devices.jobs`.
pub(super) struct JobRow {
    /// Orders the rows and stays with its row, so that pages go on where the one before ended.
    pub(super) key: String,
    /// As an answer shows it.
    pub(super) row: Value,
}

impl HubState {
    /// The first rows behind `after`, in the order of their keys and at most `most`; none when there are no more.
    /// This hub runs no jobs, so there are no rows.
    pub(super) fn job_rows(&self, _after: Option<&str>, _most: usize) -> Vec<JobRow> {
        Vec::new()
    }
}
