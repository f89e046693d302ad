//! Many changes of the registry at once: each stands or falls for itself, all that stand are one commit.

use serde_json::Value;
use wire::{HubError, Identity, IfMatch};

use super::HubState;
use super::hub_state::{Change, Inner};
use super::record::Document;
use super::twins::TwinWrite;

/// What to do with one identity.
#[derive(Debug)]
pub(crate) enum BulkChange {
    /// Fails if it exists. The twin begins with the tags and desired properties given.
    Create { asked: Document, twin: Value },
    /// Fails if it does not exist.
    Update { asked: Document, condition: IfMatch },
    /// With its modules.
    Delete { condition: Option<IfMatch> },
    /// Merges tags and desired properties.
    UpdateTwin { twin: Value, condition: Option<IfMatch> },
}

impl HubState {
    /// Makes all changes that can be made; returns what could not, in the order given.
    pub(crate) async fn bulk(
        &self,
        changes: Vec<(Identity, BulkChange)>,
    ) -> Result<Vec<(Identity, HubError)>, HubError> {
        self.change(|inner| {
            let mut whole = Change { answer: Vec::new(), writes: Vec::new(), effects: Vec::new() };
            for (identity, change) in changes {
                match self.one_of_many(inner, &identity, &change) {
                    Ok(one) => {
                        whole.writes.extend(one.writes);
                        whole.effects.extend(one.effects);
                    }
                    Err(error) => whole.answer.push((identity, error)),
                }
            }
            Ok(whole)
        })
        .await
    }

    fn one_of_many(&self, inner: &mut Inner, identity: &Identity, change: &BulkChange) -> Result<Change<()>, HubError> {
        match change {
            BulkChange::Create { asked, twin } => self.create_with_twin(inner, identity, asked, twin),
            BulkChange::Update { asked, condition } => {
                asked.check()?;
                self.update(inner, asked, condition).map(Change::without_answer)
            }
            BulkChange::Delete { condition } => Self::delete(inner, identity, condition.as_ref()),
            BulkChange::UpdateTwin { twin, condition } => {
                let change = self.write_one_twin(inner, identity, condition.as_ref(), twin, TwinWrite::Patch)?;
                Ok(change.without_answer())
            }
        }
    }

    fn create_with_twin(
        &self,
        inner: &mut Inner,
        identity: &Identity,
        asked: &Document,
        twin: &Value,
    ) -> Result<Change<()>, HubError> {
        asked.check()?;
        let mut created = self.create(inner, asked)?.without_answer();
        match self.write_one_twin(inner, identity, None, twin, TwinWrite::Patch) {
            Ok(written) => {
                // Nobody is connected yet: there is nobody to tell.
                created.writes.extend(written.writes);
                Ok(created)
            }
            Err(error) => {
                inner.registry.remove(identity);
                Err(error)
            }
        }
    }
}
