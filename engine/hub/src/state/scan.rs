//! Which rows a query looks at, in which order, and how long it may keep others waiting.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::SystemTime;

use serde_json::Value;
use wire::{DeviceId, Identity, ModuleId};

use super::HubState;
use super::registry::{Device, Entry};
use super::rows::EntryRow;
use super::signature::Filter;
use crate::query::{Collection, Gather, Need, Page, PageStart, Position, Query, Segment};

/// Effort before others get their turn, some 0.5 ms with the state held. A device skipped by its signature costs 1.
const TURN: usize = 20_000;
/// A row that the condition is asked of.
const LOOK: usize = 15;
/// A row that becomes part of the answer.
const TAKE: usize = 500;
/// Rows of jobs per turn.
const JOB_ROWS: usize = 500;

/// A query under way over devices or modules.
struct Scan<'q> {
    gather: Gather<'q>,
    modules: bool,
    filter: Filter,
    /// The last row of the page before, or the last device of the turn before.
    at: Option<Identity>,
    /// For rows that are shown late.
    now: SystemTime,
}

impl HubState {
    /// One page of a query's rows, in order of id; groups in the order of their values. Others get their turn in between.
    pub(crate) async fn query(&self, query: &Query, start: &PageStart, size: usize) -> Page {
        let gather = Gather::new(query, start, size);
        let after = match &start.after {
            Some(Position::Row(key)) => Some(key.as_str()),
            // Groups are counted over all rows, page by page.
            Some(Position::Group(_)) | None => None,
        };
        if query.collection == Collection::Jobs {
            return self.scan_jobs(gather, after).await;
        }
        let need = query.condition.as_ref().map_or(Need::Anything, |condition| condition.need());
        // Signatures are of what is, not of what queries that lag see.
        let by_signature = query.collection == Collection::Devices && !self.inner().registry.queries_lag();
        let mut scan = Scan {
            gather,
            modules: query.collection == Collection::Modules,
            filter: if by_signature { Filter::of(&need) } else { Filter::Nothing },
            at: after.and_then(|after| after.parse().ok()),
            now: self.clock.now(),
        };
        let mut ids = device_ids(&need);
        while !scan.gather.is_done() && self.turn(&mut scan, ids.as_mut()) {
            tokio::task::yield_now().await;
        }
        scan.gather.page()
    }

    async fn scan_jobs(&self, mut gather: Gather<'_>, after: Option<&str>) -> Page {
        let mut after = after.map(str::to_owned);
        while !gather.is_done() {
            let rows = self.job_rows(after.as_deref(), JOB_ROWS);
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            for job in &rows {
                gather.look(&job.row, || job.key.clone());
            }
            tokio::task::yield_now().await;
        }
        gather.page()
    }

    /// Looks at the next devices, only at those of the ids if there are any; says whether more may be left.
    fn turn(&self, scan: &mut Scan<'_>, ids: Option<&mut BTreeSet<DeviceId>>) -> bool {
        let inner = self.inner();
        let registry = &inner.registry;
        match ids {
            None => {
                let at = scan.at.clone();
                scan.look_through(registry.devices_from(scan.from(at.as_ref())))
            }
            // A query for named devices looks at no others.
            Some(ids) => {
                let at = scan.at.clone();
                let left = ids.range::<DeviceId, _>((scan.from(at.as_ref()), Bound::Unbounded));
                scan.look_through(left.filter_map(|id| registry.device(id)))
            }
        }
    }
}

impl Scan<'_> {
    /// The first device that is left. Modules of the device where the page before ended may be left too.
    fn from<'a>(&self, at: Option<&'a Identity>) -> Bound<&'a DeviceId> {
        match at {
            None => Bound::Unbounded,
            Some(Identity { device, module: Some(_) }) if self.modules => Bound::Included(device),
            Some(Identity { device, .. }) => Bound::Excluded(device),
        }
    }

    /// Says whether more may be left.
    fn look_through<'a>(&mut self, devices: impl Iterator<Item = (&'a DeviceId, &'a Device)>) -> bool {
        let last = self.at.take();
        let mut effort = 0;
        for (id, device) in devices {
            effort += 1;
            if self.modules {
                let seen = last.as_ref().filter(|last| last.device == *id).and_then(|last| last.module.as_ref());
                effort += self.modules_of(device, seen);
            } else if self.filter.lets(device.signature()) {
                effort += self.look(device.entry());
            }
            if self.gather.is_done() {
                return false;
            }
            if effort >= TURN {
                self.at = Some(Identity::device(id.clone()));
                return true;
            }
        }
        false
    }

    /// Looks at the modules behind the last one seen; returns what it cost.
    fn modules_of(&mut self, device: &Device, seen: Option<&ModuleId>) -> usize {
        let left = seen.map_or(Bound::Unbounded, Bound::Excluded);
        let left = device.modules().range::<ModuleId, _>((left, Bound::Unbounded));
        left.map(|(_, entry)| self.look(entry)).sum()
    }

    fn look(&mut self, entry: &Entry) -> usize {
        let Some(row) = entry.as_queried(self.now).map(EntryRow::of) else { return LOOK };
        if self.gather.look(&row, || row.key()) { TAKE } else { LOOK }
    }
}

/// The only devices that may satisfy the need, if it names them.
fn device_ids(need: &Need<'_>) -> Option<BTreeSet<DeviceId>> {
    match need {
        Need::Equal([Segment::Name(name)], Value::String(id)) if name == "deviceId" => {
            // What is no id is nobody's.
            Some(id.parse().into_iter().collect())
        }
        Need::All(needs) => needs.iter().filter_map(device_ids).reduce(|left, right| &left & &right),
        Need::Any(needs) => needs.iter().map(device_ids).reduce(|left, right| Some(&left? | &right?)).flatten(),
        Need::Equal(..) | Need::Anything => None,
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod times;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_that_name_their_devices() {
        for (condition, ids) in [
            ("deviceId = 'a'", Some(vec!["a"])),
            ("'a' = deviceId", Some(vec!["a"])),
            ("DeviceId IN ['b', 'a', 'b']", Some(vec!["a", "b"])),
            ("deviceId = 'a' AND tags.x = 1", Some(vec!["a"])),
            ("tags.x > 1 AND (deviceId = 'a' OR deviceId IN ['b'])", Some(vec!["a", "b"])),
            ("deviceId IN ['a', 'b'] AND deviceId IN ['b', 'c']", Some(vec!["b"])),
            ("deviceId = 'no id'", Some(vec![])),
            ("deviceId IN []", None),
            ("deviceId != 'a'", None),
            ("NOT deviceId = 'a'", None),
            ("deviceId = 'a' OR status = 'enabled'", None),
            ("deviceId IN ['a', 1]", None),
            ("tags.deviceId = 'a'", None),
        ] {
            let query = Query::parse(&format!("SELECT * FROM devices WHERE {condition}")).unwrap();
            let found = device_ids(&query.condition.as_ref().unwrap().need());
            let ids = ids.map(|ids| ids.into_iter().map(|id| id.parse().unwrap()).collect());
            assert_eq!(found, ids, "{condition}");
        }
    }
}
