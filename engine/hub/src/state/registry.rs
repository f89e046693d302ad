//! All devices and modules in memory, in the order of their ids. Plain lookups and bookkeeping; rules are elsewhere.

use std::collections::BTreeMap;
use std::ops::{Bound, Deref, DerefMut};
use std::time::SystemTime;

use wire::{DeviceId, Identity, ModuleId, Twin};

use super::lag::{Lag, Past};
use super::messages::Queue;
use super::record::Record;
use super::signature::Signature;
use crate::seam::Subscription;

/// A device or a module.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) twin: Twin,
    /// The subscriptions of a kept MQTT session.
    pub(crate) session: Option<Box<[Subscription]>>,
    /// The cloud-to-device messages that wait; a device's only.
    queue: Option<Box<Queue>>,
    /// What queries still see, where they lag.
    pub(super) past: Option<Box<Past>>,
}

impl Entry {
    pub(crate) fn new(record: Record, twin: Twin) -> Self {
        Self { record, twin, session: None, queue: None, past: None }
    }
}

/// A device with its modules.
#[derive(Debug)]
pub(crate) struct Device {
    /// What queries see of the entry before they look at it: in the tree itself, so that most rows cost no other memory.
    signature: Signature,
    /// Boxed: the tree keeps places for half as many devices again as there are.
    entry: Box<Entry>,
    modules: BTreeMap<ModuleId, Entry>,
}

impl Device {
    pub(super) fn signature(&self) -> &Signature {
        &self.signature
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// In order of id.
    pub(super) fn modules(&self) -> &BTreeMap<ModuleId, Entry> {
        &self.modules
    }
}

/// An entry being changed: its signature follows when it is let go.
pub(crate) struct EntryMut<'a> {
    entry: &'a mut Entry,
    /// Modules have none.
    signature: Option<&'a mut Signature>,
}

impl Deref for EntryMut<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry
    }
}

impl DerefMut for EntryMut<'_> {
    fn deref_mut(&mut self) -> &mut Entry {
        self.entry
    }
}

impl Drop for EntryMut<'_> {
    fn drop(&mut self) {
        if let Some(signature) = &mut self.signature {
            **signature = Signature::of(self.entry);
        }
    }
}

/// How many devices there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) total: usize,
    pub(crate) disabled: usize,
}

/// Devices by id, each with its modules.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    devices: BTreeMap<DeviceId, Device>,
    pub(super) lag: Option<Box<Lag>>,
}

impl Registry {
    pub(crate) fn get(&self, identity: &Identity) -> Option<&Entry> {
        let device = self.devices.get(&identity.device)?;
        match &identity.module {
            None => Some(&device.entry),
            Some(module) => device.modules.get(module),
        }
    }

    pub(crate) fn get_mut(&mut self, identity: &Identity) -> Option<EntryMut<'_>> {
        let device = self.devices.get_mut(&identity.device)?;
        let (entry, signature) = match &identity.module {
            None => (&mut *device.entry, Some(&mut device.signature)),
            Some(module) => (device.modules.get_mut(module)?, None),
        };
        if let Some(lag) = &self.lag {
            lag.changing(entry);
        }
        Some(EntryMut { entry, signature })
    }

    /// Notes that it did something; says whether it is there. Signatures know no times, so none is made anew.
    pub(crate) fn note_activity(&mut self, identity: &Identity, now: SystemTime) -> bool {
        let Some(entry) = self.unsigned(identity) else { return false };
        entry.record.activity = entry.record.activity.max(Some(now));
        true
    }

    /// The messages that wait for a device; none for a device that is not there.
    pub(crate) fn queue(&self, device: &DeviceId) -> Option<Option<&Queue>> {
        self.devices.get(device).map(|device| device.entry.queue.as_deref())
    }

    /// Works on a device's queue and keeps its length in the record; none for a device that is not there.
    pub(crate) fn change_queue<T>(&mut self, device: &DeviceId, work: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let entry = self.unsigned(&Identity::device(device.clone()))?;
        let mut queue = entry.queue.take().unwrap_or_default();
        let answer = work(&mut queue);
        entry.record.waiting = u8::try_from(queue.len()).unwrap_or(u8::MAX);
        entry.queue = Some(queue).filter(|queue| queue.len() > 0);
        Some(answer)
    }

    /// An entry, for a change of what no signature knows.
    fn unsigned(&mut self, identity: &Identity) -> Option<&mut Entry> {
        let device = self.devices.get_mut(&identity.device)?;
        let entry = match &identity.module {
            None => &mut *device.entry,
            Some(module) => device.modules.get_mut(module)?,
        };
        if let Some(lag) = &self.lag {
            lag.changing(entry);
        }
        Some(entry)
    }

    /// Adds what was not there; a module only to a device that is. Says whether it could.
    pub(crate) fn insert(&mut self, identity: &Identity, mut entry: Entry) -> bool {
        if let Some(lag) = &self.lag {
            lag.coming(&mut entry);
        }
        match &identity.module {
            None => {
                let signature = Signature::of(&entry);
                let device = Device { signature, entry: Box::new(entry), modules: BTreeMap::new() };
                self.devices.insert(identity.device.clone(), device);
                true
            }
            Some(module) => {
                let Some(device) = self.devices.get_mut(&identity.device) else { return false };
                device.modules.insert(module.clone(), entry);
                true
            }
        }
    }

    /// Removes a module, or a device with all its modules; returns what went.
    pub(crate) fn remove(&mut self, identity: &Identity) -> Vec<Identity> {
        let Some(module) = &identity.module else {
            let Some(device) = self.devices.remove(&identity.device) else { return Vec::new() };
            let modules = device.modules.into_keys();
            let of_module = |module| Identity::module(identity.device.clone(), module);
            return std::iter::once(identity.clone()).chain(modules.map(of_module)).collect();
        };
        let Some(device) = self.devices.get_mut(&identity.device) else { return Vec::new() };
        let removed = device.modules.remove(module);
        removed.map(|_| identity.clone()).into_iter().collect()
    }

    /// Devices behind `after`, in order of id.
    pub(crate) fn devices_after<'a>(
        &'a self,
        after: Option<&DeviceId>,
    ) -> impl Iterator<Item = (&'a DeviceId, &'a Device)> {
        self.devices_from(after.map_or(Bound::Unbounded, Bound::Excluded))
    }

    /// Devices from that bound on, in order of id.
    pub(crate) fn devices_from<'a>(
        &'a self,
        from: Bound<&DeviceId>,
    ) -> impl Iterator<Item = (&'a DeviceId, &'a Device)> {
        self.devices.range::<DeviceId, _>((from, Bound::Unbounded))
    }

    /// A device with its modules.
    pub(crate) fn device(&self, id: &DeviceId) -> Option<(&DeviceId, &Device)> {
        self.devices.get_key_value(id)
    }

    /// A device's modules, in order of id.
    pub(crate) fn modules(&self, device: &DeviceId) -> impl Iterator<Item = (&ModuleId, &Entry)> {
        self.devices.get(device).map(|device| &device.modules).into_iter().flatten()
    }

    /// How many devices.
    pub(crate) fn total(&self) -> usize {
        self.devices.len()
    }

    pub(crate) fn counts(&self) -> Counts {
        let disabled = self.devices.values().filter(|device| !device.entry.record.is_enabled()).count();
        Counts { total: self.devices.len(), disabled }
    }
}
