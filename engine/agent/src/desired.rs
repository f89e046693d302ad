//! Desired properties and their handlers: who must be told, one after the other, always with the newest value.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use script::{Dynamic, from_json};
use serde_json::{Map, Value};

use crate::call::{Call, Work, run};
use crate::device::Device;
use crate::event::HandlerName;
use crate::scripts::{DesiredHandler, Scripts};
use crate::surface::DeviceRef;
use crate::twin::{at, touches};

/// Handlers of one device that must be told; by their place among the scripts' `on_desired`, so it is bounded by those.
#[derive(Default)]
pub(crate) struct DesiredQueue {
    scripts: Option<Arc<Scripts>>,
    due: BTreeSet<usize>,
    telling: bool,
}

impl DesiredQueue {
    /// Somebody is being told.
    pub(crate) fn is_telling(&self) -> bool {
        self.telling
    }

    /// Nobody is to be told any more.
    pub(crate) fn clear(&mut self) {
        self.due.clear();
    }
}

/// After a connect or a reload: everybody whose value is there, or was there `before`.
pub(crate) fn tell_all(device: &Rc<Device>, before: &Map<String, Value>) {
    let there =
        |path: &str| path.is_empty() || at(device.twin.borrow().desired(), path).or_else(|| at(before, path)).is_some();
    tell(device, |handler| there(&handler.path));
}

/// After a change: everybody whose path it touches.
pub(crate) fn tell_touched(device: &Rc<Device>, patch: &Map<String, Value>) {
    tell(device, |handler| touches(patch, &handler.path));
}

fn tell(device: &Rc<Device>, concerned: impl Fn(&DesiredHandler) -> bool) {
    let scripts = device.lane.scripts.current();
    let due: Vec<usize> =
        scripts.desired.iter().enumerate().filter(|(_, handler)| concerned(handler)).map(|(at, _)| at).collect();
    if due.is_empty() {
        return;
    }
    let mut queue = device.desired.borrow_mut();
    if !queue.scripts.as_ref().is_some_and(|known| Arc::ptr_eq(known, &scripts)) {
        queue.due.clear();
        queue.scripts = Some(scripts);
    }
    queue.due.extend(due);
    if !queue.telling {
        queue.telling = true;
        let told = Rc::clone(device);
        device.lane.tasks.spawn_local(telling(told));
    }
}

/// Tells one after the other until nobody is due.
async fn telling(device: Rc<Device>) {
    while let Some((scripts, at)) = next(&device) {
        let handler = &scripts.desired[at];
        let (value, version) = {
            let twin = device.twin.borrow();
            (twin.desired_at(&handler.path).unwrap_or(Value::Null), twin.version())
        };
        let name = HandlerName::Desired(Arc::clone(&handler.path));
        let mut call = Call::new(&device, Arc::clone(&scripts), name, None);
        call.desired = Some((Arc::clone(&handler.path), version));
        let args = vec![
            Dynamic::from(DeviceRef::of(&device)),
            from_json(&value),
            i64::try_from(version).unwrap_or(i64::MAX).into(),
        ];
        run(Rc::new(call), Work { handler: handler.run.clone(), args, deadlines: device.lane.habits.deadlines }).await;
    }
}

fn next(device: &Device) -> Option<(Arc<Scripts>, usize)> {
    let mut queue = device.desired.borrow_mut();
    let next = queue.due.pop_first();
    queue.telling = next.is_some();
    Some((queue.scripts.clone()?, next?))
}
