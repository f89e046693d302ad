//! Which handler a method call goes to, and whether now, later or never: modes, queues and bounds.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use base::did_you_mean;
use bytes::Bytes;
use script::{Dynamic, from_json_bytes};
use serde_json::json;

use crate::answer::Answer;
use crate::call::{Call, Caller, Work, start};
use crate::device::Device;
use crate::event::HandlerName;
use crate::faults::deliver;
use crate::outbox::Reply;
use crate::scripts::{MethodHandler, Mode, Scripts};
use crate::surface::Request;

/// Handlers of one device at once, of every kind. A hub has no such bound, but a device has.
const MOST_RUNNING: usize = 64;

/// Calls that wait for one handler of mode `queued`. A caller waits 5 minutes at most, so a longer queue serves nobody.
const MOST_QUEUED: usize = 16;

/// Calls that wait for their turn, by method.
pub(crate) type Queues = BTreeMap<Arc<str>, VecDeque<Incoming>>;

/// A method call that arrived.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) caller: Caller,
    pub(crate) name: Arc<str>,
    pub(crate) payload: Bytes,
}

/// Takes a call: runs it, queues it or answers it at once.
pub(crate) fn dispatch(device: &Rc<Device>, incoming: Incoming) {
    if let Some(answer) = device.rejects(&incoming.name) {
        return refuse(device, &incoming.name, incoming.caller, &answer);
    }
    let scripts = device.lane.scripts.current();
    let Some(handler) = scripts.methods.get(&incoming.name) else {
        let answer = unknown(&scripts, &incoming.name);
        return refuse(device, &incoming.name, incoming.caller, &answer);
    };
    if device.lane.stop.is_cancelled() {
        return refuse(device, &incoming.name, incoming.caller, &Answer::error(503, "the agent is about to end"));
    }
    if device.running() >= MOST_RUNNING {
        return refuse(
            device,
            &incoming.name,
            incoming.caller,
            &Answer::error(429, &format!("{MOST_RUNNING} handlers run already")),
        );
    }
    // Before anything makes way for it.
    let request = match request(handler, &incoming) {
        Ok(request) => request,
        Err(why) => return refuse(device, &incoming.name, incoming.caller, &Answer::error(400, &why)),
    };
    let name = HandlerName::Method(Arc::clone(&incoming.name));
    let busy = || device.running_of(&name);
    match handler.mode {
        Mode::Parallel => {}
        Mode::Single if !busy().is_empty() => {
            let busy = format!("{name} is busy with another call");
            return refuse(device, &incoming.name, incoming.caller, &Answer::error(409, &busy));
        }
        Mode::Queued if !busy().is_empty() => return queue(device, incoming),
        Mode::Restart => busy().iter().for_each(|call| call.cancel(409, "a newer call took its place")),
        Mode::Single | Mode::Queued => {}
    }
    begin(device, &scripts, handler, (incoming, request));
}

/// The call as its handler sees it, if it has what the handler says it takes.
fn request(handler: &MethodHandler, incoming: &Incoming) -> Result<Request, String> {
    let payload = payload(&incoming.payload)?;
    let request = Request::new(Arc::clone(&incoming.name), incoming.caller.rid.clone(), payload);
    handler.params.check(&request)?;
    Ok(request)
}

fn begin(
    device: &Rc<Device>,
    scripts: &Arc<Scripts>,
    handler: &MethodHandler,
    (incoming, request): (Incoming, Request),
) {
    let name = HandlerName::Method(incoming.name);
    let call = Rc::new(Call::new(device, Arc::clone(scripts), name, Some(incoming.caller)));
    let args = vec![Dynamic::from(crate::surface::DeviceRef::of(device)), Dynamic::from(request)];
    start(
        call,
        Work { handler: handler.run.clone(), args, deadlines: handler.deadlines(device.lane.habits.deadlines) },
    );
}

/// What was sent: JSON, or nothing at all, which is `()`.
fn payload(bytes: &[u8]) -> Result<Dynamic, String> {
    if bytes.is_empty() {
        return Ok(Dynamic::UNIT);
    }
    from_json_bytes(bytes).map_err(|error| format!("the payload is not JSON: {error}"))
}

fn unknown(scripts: &Scripts, name: &str) -> Answer {
    let known: Vec<&str> = scripts.methods.keys().map(AsRef::as_ref).collect();
    let meant =
        did_you_mean(name, known.iter().copied()).map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
    Answer { status: 404, payload: json!({ "error": format!("no handler for {name}{meant}"), "methods": known }) }
}

fn refuse(device: &Rc<Device>, name: &str, caller: Caller, answer: &Answer) {
    let payload = serde_json::to_vec(&answer.payload).expect("a JSON value is JSON");
    let Caller { connection, rid } = caller;
    deliver(device, name, Reply { connection, rid, status: answer.status, payload, acknowledged: None });
}

fn queue(device: &Rc<Device>, incoming: Incoming) {
    let mut queues = device.queues.borrow_mut();
    let queue = queues.entry(Arc::clone(&incoming.name)).or_default();
    if queue.len() < MOST_QUEUED {
        queue.push_back(incoming);
        return;
    }
    drop(queues);
    let full = format!("{MOST_QUEUED} calls of {} wait already", incoming.name);
    refuse(device, &incoming.name, incoming.caller, &Answer::error(429, &full));
}

/// A call has ended: the next one of its name, if any waits, takes its turn.
pub(crate) fn next_in_line(device: &Rc<Device>, name: &Arc<str>) {
    let mut queues = device.queues.borrow_mut();
    let Some(queue) = queues.get_mut(name) else { return };
    let next = queue.pop_front();
    if queue.is_empty() {
        queues.remove(name);
    }
    drop(queues);
    if let Some(next) = next {
        dispatch(device, next);
    }
}

/// The connection is gone, and with it everybody who waits in a queue: nobody would hear the answers.
pub(crate) fn forget_queued(device: &Device) {
    for _ in std::mem::take(&mut *device.queues.borrow_mut()).into_values().flatten() {
        device.lane.counters.replies_dropped.up();
    }
}
