//! The hooks of a device's life: `on_start`, `on_connect`, `on_boot`.

use std::rc::Rc;
use std::sync::Arc;

use script::{Dynamic, Handler};

use crate::call::{self, Call, Work};
use crate::device::Device;
use crate::event::HandlerName;
use crate::scripts::Scripts;
use crate::surface::DeviceRef;

fn work(device: &Rc<Device>, handler: &Handler) -> Work {
    let args = vec![Dynamic::from(DeviceRef::of(device))];
    Work { handler: handler.clone(), args, deadlines: device.lane.habits.deadlines }
}

fn start_all(device: &Rc<Device>, name: &HandlerName, handlers: impl Fn(&Scripts) -> &[Handler]) {
    let scripts = device.lane.scripts.current();
    for handler in handlers(&scripts) {
        let call = Call::new(device, Arc::clone(&scripts), name.clone(), None);
        call::start(Rc::new(call), work(device, handler));
    }
}

/// At the agent's start, after a reload, and after a restart with an absence.
pub(crate) fn start(device: &Rc<Device>) {
    start_all(device, &HandlerName::Start, |scripts| &scripts.on_start);
}

/// When a connection is up and the twin is known.
pub(crate) fn connect(device: &Rc<Device>) {
    start_all(device, &HandlerName::Connect, |scripts| &scripts.on_connect);
}

/// After a boot, one after the other; done when they are.
pub(crate) async fn boot(device: &Rc<Device>) {
    let scripts = device.lane.scripts.current();
    for handler in &scripts.on_boot {
        let call = Call::new(device, Arc::clone(&scripts), HandlerName::Boot, None);
        call::run(Rc::new(call), work(device, handler)).await;
    }
}
