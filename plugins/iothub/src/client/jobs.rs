//! Jobs: create, look, call off, and the rows of their devices.

use http::Method;
use serde::de::DeserializeOwned;
use wire::{HubPath, JobDocument, JobId, JobRequest, JobRow, job_rows_query};

use super::call::{Again, Call};
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

impl HubClient {
    async fn job_call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClientError> {
        let answer = self.send(call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))
    }

    /// Makes a job. Sent again when the answer was lost: if the first one arrived, the second is told 409104, as one job of a
    /// name is all that there can be. As many as may run at once: 429004, at once.
    pub async fn create_job(&self, id: &JobId, request: &JobRequest) -> Result<JobDocument, ClientError> {
        let path = HubPath::JobV2(id.to_string());
        let call = Call::new(Method::PUT, path, Kind::Jobs).body(request.to_json(id)).again(Again::Safe);
        self.job_call(&call).await
    }

    /// A job as it is now.
    pub async fn job(&self, id: &JobId) -> Result<JobDocument, ClientError> {
        self.job_call(&Call::new(Method::GET, HubPath::JobV2(id.to_string()), Kind::Jobs)).await
    }

    /// Calls a job off; one that is over stays as it is.
    pub async fn cancel_job(&self, id: &JobId) -> Result<JobDocument, ClientError> {
        let path = HubPath::JobV2Cancel(id.to_string());
        self.job_call(&Call::new(Method::POST, path, Kind::Jobs).again(Again::Safe)).await
    }

    /// How far a job is with each of its devices; on the real service this may lag behind the job.
    pub async fn job_rows(&self, id: &JobId) -> Result<Vec<JobRow>, ClientError> {
        let mut pages = self.query(job_rows_query(id));
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await? {
            rows.extend(page.iter().filter_map(|row| JobRow::from_json(&row.to_string())));
        }
        Ok(rows)
    }
}
