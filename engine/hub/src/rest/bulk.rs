//! `POST /devices`: up to a hundred creations, updates and deletions in one call, each with its own fate.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::limits::BULK_DEVICES;
use wire::{
    Authentication, Capabilities, DeviceDocument, DeviceId, ErrorCode, HubError, Identity, IfMatch, ModuleDocument,
    ModuleId, Status,
};

use super::body;
use super::call::Call;
use super::reply::{Failure, Reply, json, with_body};
use super::service::Service;
use crate::quota::Kind;
use crate::state::{BulkChange, Document};

/// One item. Names differ from the registry's documents: `id`, `eTag`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: DeviceId,
    module_id: Option<ModuleId>,
    #[serde(rename = "eTag")]
    etag: Option<String>,
    import_mode: Option<String>,
    status: Option<Status>,
    status_reason: Option<String>,
    authentication: Option<Authentication>,
    #[serde(rename = "twinETag")]
    twin_etag: Option<String>,
    tags: Option<Value>,
    properties: Option<Value>,
    capabilities: Option<Capabilities>,
    device_scope: Option<String>,
    parent_scopes: Option<Vec<String>>,
    managed_by: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    is_successful: bool,
    errors: Vec<ItemError>,
    warnings: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemError {
    device_id: DeviceId,
    module_id: Option<ModuleId>,
    error_code: &'static str,
    error_status: String,
}

pub(super) async fn bulk(service: &Service, call: Call) -> Result<Reply, Failure> {
    let items: Vec<Item> = body::json(call.body, body::BULK, "a list of devices").await?;
    if items.len() > BULK_DEVICES {
        let text = format!("A bulk request has at most {BULK_DEVICES} devices, this one has {}.", items.len());
        return Err(HubError::new(ErrorCode::TOO_MANY_DEVICES, text).into());
    }
    let changes = items.into_iter().map(Item::change).collect::<Result<Vec<_>, _>>()?;
    once_each(&changes)?;
    let passed = service.quotas.pass_many(Kind::Identities, changes.len(), 0).await;
    passed.map_err(|refusal| Failure::refused(refusal, Failure::Classic))?;
    let failed = service.state.bulk(changes).await?;
    let outcome = Outcome {
        is_successful: failed.is_empty(),
        errors: failed.into_iter().map(|(identity, error)| ItemError::of(identity, error)).collect(),
        warnings: Vec::new(),
    };
    let text = serde_json::to_vec(&outcome).expect("plain fields with text keys are JSON");
    Ok(if outcome.is_successful { json(text) } else { with_body(StatusCode::BAD_REQUEST, text.into()) })
}

fn once_each(changes: &[(Identity, BulkChange)]) -> Result<(), HubError> {
    let mut seen = std::collections::HashSet::new();
    match changes.iter().find(|(identity, _)| !seen.insert(identity)) {
        None => Ok(()),
        Some((identity, _)) => {
            let text = format!("'{identity}' stands more than once in the list.");
            Err(HubError::new(ErrorCode::DEVICE_DEFINED_MULTIPLE_TIMES, text))
        }
    }
}

fn condition(etag: Option<&str>, name: &str) -> Result<IfMatch, HubError> {
    etag.and_then(IfMatch::parse).ok_or_else(|| HubError::invalid(format!("This importMode needs an {name}.")))
}

impl Item {
    fn change(self) -> Result<(Identity, BulkChange), HubError> {
        let mode = self.import_mode.as_deref().unwrap_or("create").to_ascii_lowercase();
        let identity = match &self.module_id {
            None => Identity::device(self.id.clone()),
            Some(module) => Identity::module(self.id.clone(), module.clone()),
        };
        let etag = self.etag.clone();
        let twin_etag = self.twin_etag.clone();
        let change = match mode.as_str() {
            "create" => BulkChange::Create { twin: self.twin(), asked: self.document() },
            "update" => BulkChange::Update { asked: self.document(), condition: IfMatch::Any },
            "updateifmatchetag" => {
                BulkChange::Update { condition: condition(etag.as_deref(), "eTag")?, asked: self.document() }
            }
            "delete" => BulkChange::Delete { condition: None },
            "deleteifmatchetag" => BulkChange::Delete { condition: Some(condition(etag.as_deref(), "eTag")?) },
            "updatetwin" => BulkChange::UpdateTwin { twin: self.twin(), condition: None },
            "updatetwinifmatchetag" => BulkChange::UpdateTwin {
                condition: Some(condition(twin_etag.as_deref(), "twinETag")?),
                twin: self.twin(),
            },
            _ => return Err(HubError::invalid("Unknown importMode.")),
        };
        Ok((identity, change))
    }

    /// Tags and properties as the body of a twin's patch.
    fn twin(&self) -> Value {
        let mut twin = Map::new();
        let mut put = |name: &str, value: &Option<Value>| {
            if let Some(value) = value.as_ref().filter(|value| !value.is_null()) {
                twin.insert(name.to_owned(), value.clone());
            }
        };
        put("tags", &self.tags);
        put("properties", &self.properties);
        Value::Object(twin)
    }

    fn document(self) -> Document {
        if let Some(module) = self.module_id {
            return Document::Module(ModuleDocument {
                managed_by: self.managed_by,
                authentication: self.authentication.unwrap_or_default(),
                ..ModuleDocument::new(self.id, module)
            });
        }
        Document::Device(DeviceDocument {
            status: self.status.unwrap_or_default(),
            status_reason: self.status_reason.filter(|reason| !reason.is_empty()),
            authentication: self.authentication.unwrap_or_default(),
            capabilities: self.capabilities.unwrap_or_default(),
            device_scope: self.device_scope.filter(|scope| !scope.is_empty()),
            parent_scopes: self.parent_scopes.unwrap_or_default(),
            ..DeviceDocument::new(self.id)
        })
    }
}

impl ItemError {
    fn of(identity: Identity, error: HubError) -> Self {
        Self {
            device_id: identity.device,
            module_id: identity.module,
            error_code: error.code.name(),
            error_status: error.message,
        }
    }
}
