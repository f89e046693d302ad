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
    pub(super) fn job_rows(&self, after: Option<&str>, most: usize) -> Vec<JobRow> {
        self.inner().jobs.rows(after, most).map(|(key, row)| JobRow { key, row }).collect()
    }
}
