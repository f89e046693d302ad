//! The hub's devices as the runner's inventory, and their one fact: `twin`.

use std::sync::Arc;
use std::time::Duration;

use base::did_you_mean;
use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt as _, stream};
use runner::{Ask, Estimate, Facts, HubInfo, Inventory, InventoryError, Round, Selection, Target, Work};
use serde_json::{Value, json};
use wire::{ErrorCode, Identity, QuotaKind};

use crate::client::{ClientError, HubClient};
use crate::failure::inventory_error;
use crate::round::Rounds;
use crate::twin::{twin_value, twin_version};

/// Where an agent announces its methods.
const ANNOUNCED: &str = "/properties/reported/iotplay/methods";
/// What they are as an attribute of a target.
const METHODS: &str = "methods";
/// The name of the fact.
const TWIN: &str = "twin";
/// Reads in flight for one question. The pace of the client bounds the rate; this bounds sockets and memory.
const READS: usize = 32;

/// The devices of one hub.
#[derive(Debug)]
pub struct IotHubInventory {
    client: HubClient,
    title: String,
    rounds: Rounds,
}

impl IotHubInventory {
    /// `title` is what the first line of a run says: the hub, and where it was configured.
    pub fn new(client: HubClient, title: impl Into<String>) -> Self {
        Self { client, title: title.into(), rounds: Rounds::default() }
    }

    async fn twin(&self, device: &str) -> Result<Option<Value>, ClientError> {
        let Ok(identity) = device.parse::<Identity>() else { return Ok(None) };
        match self.client.twin(&identity).await {
            Ok(twin) => Ok(Some(twin)),
            Err(error) if error.code().is_some_and(|code| code.http_status() == 404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn by_ids(&self, ids: &[String]) -> Result<Vec<Target>, InventoryError> {
        let reads = stream::iter(ids).map(|id| async move { (id, self.twin(id).await) }).buffered(READS);
        let found: Vec<_> = reads.collect().await;
        let (mut targets, mut unknown) = (Vec::new(), Vec::new());
        for (id, twin) in found {
            match twin.map_err(|error| inventory_error(&error, false))? {
                Some(twin) => targets.push(target(id.as_str().into(), &twin)),
                None => unknown.push(id.clone()),
            }
        }
        if unknown.is_empty() { Ok(targets) } else { Err(self.unknown(unknown).await) }
    }

    /// Each unknown id with the closest known one. That the known ones cannot be listed is not worth an error of its own.
    async fn unknown(&self, ids: Vec<String>) -> InventoryError {
        let known = self.client.some_devices().await.unwrap_or_default();
        let close =
            |id: &str| did_you_mean(id, known.iter().map(|device| device.device_id.as_str())).map(str::to_owned);
        InventoryError::Unknown(ids.into_iter().map(|id| (close(&id), id)).map(|(close, id)| (id, close)).collect())
    }

    async fn by_query(&self, condition: Option<&str>) -> Result<Vec<Target>, InventoryError> {
        let mut pages = self.client.query_twins(condition);
        let mut targets = Vec::new();
        while let Some(page) = pages.next().await.map_err(|error| inventory_error(&error, condition.is_some()))? {
            let row = |row: &Value| Some(target(row.get("deviceId")?.as_str()?.into(), row));
            targets.extend(page.iter().filter_map(row));
        }
        targets.sort_by(|a: &Target, b: &Target| a.id.cmp(&b.id));
        Ok(targets)
    }
}

/// What `device` has beside `id`.
fn target(id: Arc<str>, twin: &Value) -> Target {
    let of = |key: &str| twin.get(key).cloned().unwrap_or(Value::Null);
    let tags = twin.get("tags").cloned().unwrap_or_else(|| json!({}));
    let mut attributes = json!({ "tags": tags, "status": of("status"), "connection_state": of("connectionState") });
    if let Some(methods @ Value::Array(_)) = twin.pointer(ANNOUNCED) {
        attributes[METHODS] = methods.clone();
    }
    Target { id, attributes: Arc::new(attributes) }
}

fn facts(twin: &Value) -> Facts {
    Facts { value: twin_value(twin), version: twin_version(twin), direct: true }
}

/// What a verb of this plugin costs, or a reading of the fact: the least that it can do with.
fn costs(work: &Work) -> &'static [QuotaKind] {
    match &*work.name {
        "invoke_method" if work.gathered => &[QuotaKind::JobDevices],
        "patch_twin" if work.gathered => &[QuotaKind::TwinReads, QuotaKind::JobDevices],
        "invoke_method" => &[QuotaKind::Methods],
        // A wait ends with one reading, whatever came before it.
        TWIN | "get_twin" | "wait_until" => &[QuotaKind::TwinReads],
        "patch_twin" => &[QuotaKind::TwinReads, QuotaKind::TwinWrites],
        "query" => &[QuotaKind::Queries],
        "add_device" | "remove_device" => &[QuotaKind::Identities],
        "set_device_status" => &[QuotaKind::Identities, QuotaKind::Identities],
        _ => &[],
    }
}

impl Inventory for IotHubInventory {
    fn hub(&self) -> HubInfo {
        HubInfo { title: self.title.clone(), local: self.client.is_local() }
    }

    fn fact_names(&self) -> &'static [&'static str] {
        &[TWIN]
    }

    fn select<'a>(&'a self, selection: &'a Selection) -> LocalBoxFuture<'a, Result<Vec<Target>, InventoryError>> {
        Box::pin(async move {
            match selection {
                Selection::All => self.by_query(None).await,
                Selection::Query(condition) => self.by_query(Some(condition)).await,
                Selection::Ids(ids) => self.by_ids(ids).await,
            }
        })
    }

    fn count(&self) -> LocalBoxFuture<'_, Result<usize, InventoryError>> {
        Box::pin(async move {
            let statistics = self.client.statistics().await.map_err(|error| inventory_error(&error, false))?;
            Ok(usize::try_from(statistics.total).unwrap_or(usize::MAX))
        })
    }

    fn facts<'a>(&'a self, devices: &'a [Ask], fact: &'a str) -> LocalBoxFuture<'a, Result<Round, InventoryError>> {
        Box::pin(async move {
            if fact != TWIN {
                return Ok(devices.iter().map(|ask| (Arc::clone(&ask.device), None)).collect());
            }
            self.rounds.round(&self.client, devices).await
        })
    }

    fn fact<'a>(&'a self, device: &'a str, fact: &'a str) -> LocalBoxFuture<'a, Result<Facts, InventoryError>> {
        Box::pin(async move {
            if fact != TWIN {
                let message = format!("there is no fact `{fact}`; this inventory has `{TWIN}`");
                return Err(InventoryError::Hub { message, help: Vec::new() });
            }
            let identity: Identity =
                device.parse().map_err(|_| InventoryError::Unknown(vec![(device.to_owned(), None)]))?;
            match self.client.twin(&identity).await {
                Ok(twin) => Ok(facts(&twin)),
                Err(error) if error.code() == Some(ErrorCode::DEVICE_NOT_FOUND) => {
                    Err(self.unknown(vec![device.to_owned()]).await)
                }
                Err(error) => Err(inventory_error(&error, false)),
            }
        })
    }

    fn lacks(&self, device: &Target, need: &str) -> bool {
        let announced = device.attributes.get(METHODS).and_then(Value::as_array);
        announced.is_some_and(|methods| !methods.iter().any(|method| method == need))
    }

    fn estimate(&self, work: &[Work]) -> Option<Estimate> {
        let mut calls = QuotaKind::ALL.map(|kind| (kind, 0));
        for work in work {
            for kind in costs(work) {
                calls[*kind as usize].1 += work.count;
            }
        }
        let (size, (least, kind)) = (self.client.size()?, self.client.least(&calls)?);
        let rate = size.rate(kind);
        let window = if rate.window > Duration::from_secs(1) { "min" } else { "s" };
        let by = format!("{} {kind}/{window}, the hub's quota ({size})", rate.count);
        Some(Estimate { least, by: by.into() })
    }
}
