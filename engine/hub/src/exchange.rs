//! Where REST meets MQTT: who is connected, method calls from one side to the other, notifications and evictions.
//! It holds no registry: whether a device exists at all is for the caller to ask first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use wire::limits::METHOD_PAYLOAD_BYTES;
use wire::{ErrorCode, HubError, Identity, MethodCall, MethodReply};

use crate::link::{Answer, DropReason, Ending, Link};
use crate::watch::Watch;

/// The connections of a hub. One per hub, shared by all of its parts.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    links: HashMap<Identity, Arc<Link>>,
    /// Calls that wait for a device to connect and subscribe; an entry lives as long as somebody waits.
    parked: HashMap<Identity, Parked>,
    /// Who waits for many devices at once; a few.
    watches: Vec<Weak<Watch>>,
    /// No connection is taken any more.
    stopping: bool,
}

#[derive(Debug, Default)]
struct Parked {
    ready: Arc<Notify>,
    callers: usize,
}

impl Exchange {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("the table is plain data: nothing panics while it is held")
    }

    /// Calls a method: waits up to the connect timeout for the device and its subscription, then up to the response
    /// timeout for its answer. Dropping the future gives the call up.
    ///
    /// # Errors
    /// 404103 not online, 404104 lost during the call, 400027 connected anew during the call, 502 for an answer that
    /// is not JSON or too large, 504101 no answer in time.
    pub(crate) async fn call(&self, identity: &Identity, call: &MethodCall) -> Result<MethodReply, HubError> {
        let link = match self.ready(identity) {
            Some(link) => link,
            None => self.wait_ready(identity, call.connect_timeout).await?,
        };
        let payload = call.payload.as_ref().map_or(&b""[..], |payload| payload.get().as_bytes());
        let mut under_way = link.call(&call.name, payload).map_err(|ending| lost(&ending))?;
        match tokio::time::timeout(call.response_timeout, under_way.answer()).await {
            Ok(Answer::Reply { status, payload }) => reply(status, &payload),
            Ok(Answer::Unreadable) => Err(bad_answer("the status of the device's answer is not a number")),
            Ok(Answer::Ended(ending)) => Err(lost(&ending)),
            Err(_) => Err(no_answer()),
        }
    }

    /// The connection, if it takes method calls.
    fn ready(&self, identity: &Identity) -> Option<Arc<Link>> {
        self.table().links.get(identity).filter(|link| link.takes_methods()).map(Arc::clone)
    }

    async fn wait_ready(&self, identity: &Identity, patience: Duration) -> Result<Arc<Link>, HubError> {
        if patience.is_zero() {
            return Err(not_online(patience));
        }
        let parking = Parking::enter(self, identity);
        let wait = async {
            loop {
                let notified = parking.ready.notified();
                tokio::pin!(notified);
                // Registered before the look, so that a subscription in between is not missed.
                notified.as_mut().enable();
                if let Some(link) = self.ready(identity) {
                    return link;
                }
                notified.await;
            }
        };
        tokio::time::timeout(patience, wait).await.map_err(|_| not_online(patience))
    }

    /// Sends a change of desired properties to the device, if it is connected and subscribed. `patch` is the body as
    /// it goes out, `$version` included. In order: the caller calls in the order of the versions.
    pub(crate) fn desired(&self, identity: &Identity, version: u64, patch: &Bytes) {
        let link = self.table().links.get(identity).map(Arc::clone);
        if let Some(link) = link {
            link.desired(version, patch);
        }
    }

    /// Tells the connection that a cloud-to-device message waits; it takes it when it can.
    pub(crate) fn message_waits(&self, identity: &Identity) {
        let link = self.table().links.get(identity).map(Arc::clone);
        if let Some(link) = link {
            link.message_waits();
        }
    }

    /// Ends a connection because the registry changed; does nothing when there is none.
    pub(crate) fn drop_connection(&self, identity: &Identity, why: DropReason) {
        let link = self.table().links.get(identity).map(Arc::clone);
        if let Some(link) = link {
            link.end(Ending::Dropped(why));
        }
    }

    /// Every connection there is.
    pub(crate) fn connections(&self) -> Vec<(Identity, Arc<Link>)> {
        self.table().links.iter().map(|(identity, link)| (identity.clone(), Arc::clone(link))).collect()
    }

    /// How many devices and modules are connected.
    pub(crate) fn connected(&self) -> usize {
        self.table().links.len()
    }

    /// Whether this one is connected; the hub itself keeps that in the registry.
    #[cfg(test)]
    pub(crate) fn is_connected(&self, identity: &Identity) -> bool {
        self.table().links.contains_key(identity)
    }

    /// Ends every connection, and every one that comes after.
    pub(crate) fn stop(&self) {
        let links: Vec<_> = {
            let mut table = self.table();
            table.stopping = true;
            table.links.values().map(Arc::clone).collect()
        };
        for link in links {
            link.end(Ending::Stopping);
        }
    }

    /// Enters a connection that was let in; the one it replaces is told to end and returned. `note` runs with the
    /// table locked, so that notes of coming and going happen in the order of coming and going.
    pub(crate) fn attach(&self, identity: &Identity, link: &Arc<Link>, note: impl FnOnce()) -> Option<Arc<Link>> {
        let previous = {
            let mut table = self.table();
            if table.stopping {
                link.end(Ending::Stopping);
            }
            let previous = table.links.insert(identity.clone(), Arc::clone(link));
            note();
            previous
        };
        if let Some(previous) = &previous {
            previous.end(Ending::TakenOver);
        }
        previous
    }

    /// Removes a connection, unless another one took its place; `note` runs only if it was removed.
    pub(crate) fn detach(&self, identity: &Identity, link: &Arc<Link>, note: impl FnOnce()) {
        let mut table = self.table();
        if table.links.get(identity).is_some_and(|current| Arc::ptr_eq(current, link)) {
            table.links.remove(identity);
            note();
        }
    }

    /// Lets parked calls go ahead: the connection subscribed to methods.
    pub(crate) fn subscribed(&self, identity: &Identity) {
        let table = self.table();
        if let Some(parked) = table.parked.get(identity) {
            parked.ready.notify_waiters();
        }
        for watch in table.watches.iter().filter_map(Weak::upgrade) {
            watch.arrive(identity);
        }
    }

    /// Begins to watch for devices; dropping the watch ends it.
    pub(crate) fn watch(&self) -> Arc<Watch> {
        let watch = Arc::<Watch>::default();
        let mut table = self.table();
        table.watches.retain(|watch| watch.strong_count() > 0);
        table.watches.push(Arc::downgrade(&watch));
        watch
    }

    /// Whether the device takes method calls now. If not, `watch` will say when it does.
    pub(crate) fn ready_or_watched(&self, watch: &Watch, identity: &Identity, place: usize) -> bool {
        // With the table locked, so that a subscription in between is not missed.
        let table = self.table();
        let ready = table.links.get(identity).is_some_and(|link| link.takes_methods());
        if !ready {
            watch.want(identity.clone(), place);
        }
        ready
    }

    /// How many calls wait for an answer of this device.
    #[cfg(test)]
    pub(crate) fn waiting(&self, identity: &Identity) -> usize {
        self.table().links.get(identity).map_or(0, |link| link.waiting())
    }

    /// How many identities have parked calls.
    #[cfg(test)]
    pub(crate) fn parked(&self) -> usize {
        self.table().parked.len()
    }
}

/// A call's place among those waiting for a device; leaving is dropping.
struct Parking<'a> {
    exchange: &'a Exchange,
    identity: &'a Identity,
    ready: Arc<Notify>,
}

impl<'a> Parking<'a> {
    fn enter(exchange: &'a Exchange, identity: &'a Identity) -> Self {
        let mut table = exchange.table();
        let parked = table.parked.entry(identity.clone()).or_default();
        parked.callers += 1;
        let ready = Arc::clone(&parked.ready);
        drop(table);
        Self { exchange, identity, ready }
    }
}

impl Drop for Parking<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut parked) = self.exchange.table().parked.entry(self.identity.clone()) {
            parked.get_mut().callers -= 1;
            if parked.get().callers == 0 {
                parked.remove();
            }
        }
    }
}

fn reply(status: i32, payload: &Bytes) -> Result<MethodReply, HubError> {
    if payload.len() > METHOD_PAYLOAD_BYTES {
        return Err(bad_answer("the device's answer is larger than 128 KB"));
    }
    if payload.is_empty() {
        return Ok(MethodReply { status, payload: None });
    }
    let payload: Box<RawValue> =
        serde_json::from_slice(payload).map_err(|_| bad_answer("the device's answer is not JSON"))?;
    Ok(MethodReply { status, payload: Some(payload) })
}

/// The service's words when no subscribed connection appeared within the connect timeout.
fn not_online(patience: Duration) -> HubError {
    let seconds = patience.as_secs();
    let timeout = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    HubError::new(ErrorCode::DEVICE_NOT_ONLINE, "Timed out waiting for device to connect.")
        .with_info(json!({ "timeout": timeout }))
}

fn no_answer() -> HubError {
    HubError::new(ErrorCode::GATEWAY_TIMEOUT, "Timed out waiting for the response from device.").with_info(json!({}))
}

fn lost(ending: &Ending) -> HubError {
    let code = match ending {
        Ending::TakenOver => ErrorCode::CONNECTION_REPLACED,
        _ => ErrorCode::CONNECTION_CLOSED_REMOTELY,
    };
    HubError::new(code, "Device unavailable.").with_info(json!({ "reason": ending.to_string() }))
}

fn bad_answer(why: &str) -> HubError {
    HubError::new(ErrorCode::BAD_GATEWAY, why).with_info(json!({}))
}
