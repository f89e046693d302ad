//! The devices of one lane: each a task with its own connection and state, scripts shared. Wakes them, keeps them on the
//! newest scripts, and sees them to their end.

use std::rc::Rc;
use std::time::Duration;

use base::Diagnostic;
use tokio::task::{JoinSet, spawn_blocking, yield_now};
use tokio::time::timeout;
use wire::{DeviceConnection, Identity};

use crate::cases::Recorder;
use crate::device::{Device, file_fault};
use crate::event::AgentEvent;
use crate::lane::Lane;
use crate::link::{Dialer, Login, MqttLink};
use crate::reboot::{Waking, greet_if_new, wake};
use crate::reload::Reload;
use crate::session::Session;
use crate::{announce, desired, faults, hooks, outbox};

/// Devices between two turns of those that run already.
const BATCH: usize = 100;

/// What is left once all sessions have ended: files being written, and scripts that do not want to end.
const LEFTOVERS: Duration = Duration::from_secs(5);

/// Runs all devices until the agent is asked to end, or the last device has ended by itself.
pub(crate) async fn run(lane: Rc<Lane>, dialer: Rc<Dialer>, devices: Vec<DeviceConnection>, reload: Option<Reload>) {
    let fleet = devices.len();
    let mut sessions = JoinSet::new();
    let reloading = reload.map(|reload| tokio::task::spawn_local(keep_up(Rc::clone(&lane), reload)));
    let beating = lane.habits.pulse.map(|every| tokio::task::spawn_local(pulse(Rc::clone(&lane), every)));
    let mut devices = devices.into_iter();
    loop {
        let batch: Vec<_> = devices.by_ref().take(BATCH).collect();
        if batch.is_empty() || lane.stop.is_cancelled() {
            break;
        }
        for (connection, waking) in wake_all(&lane, batch).await {
            let login = match &lane.habits.token_file {
                Some(file) => Login::from_file(connection.clone(), file.clone()),
                None => Login::new(connection.clone()),
            };
            let link = MqttLink::new(Rc::clone(&dialer), login, fleet);
            match &lane.habits.reel {
                Some(reel) => {
                    let line = Recorder::new(link, &lane, reel);
                    sessions.spawn_local(live(Rc::clone(&lane), connection.identity, waking, line))
                }
                None => sessions.spawn_local(live(Rc::clone(&lane), connection.identity, waking, link)),
            };
        }
        yield_now().await;
    }
    while let Some(ended) = sessions.join_next().await {
        if let Err(error) = ended {
            // A panic is one device's end, not the fleet's; it has been printed.
            tracing::error!(%error, "a device's session failed");
            lane.counters.devices.down();
            lane.progress.send_modify(|progress| progress.running = progress.running.saturating_sub(1));
        }
    }
    for task in reloading.into_iter().chain(beating) {
        task.abort();
    }
    lane.tasks.close();
    // What does not end in time is dropped with the lane.
    let _ = timeout(LEFTOVERS, lane.tasks.wait()).await;
}

/// One device, from its start to its end.
pub(crate) async fn live<L: crate::link::DeviceLink>(lane: Rc<Lane>, identity: Identity, waking: Waking, mut link: L) {
    let device = Device::new(identity, Rc::clone(&lane), waking.memory);
    let path = lane.habits.outboxes.as_ref().map(|folder| folder.outbox(&device.identity));
    // Boxed: it is done before anything else begins.
    let keeper = match Box::pin(outbox::open(&device, path)).await {
        Ok(keeper) => keeper,
        Err(error) => return gone(&lane, &device, Some(Diagnostic::error(error.to_string()))),
    };
    lane.devices.borrow_mut().push(Rc::clone(&device));
    lane.counters.devices.up();
    if let Some(missed) = waking.missed {
        device.fault(missed);
    }
    let away = faults::absences(&device, lane.started);
    if !away.is_zero() {
        link.reconnect("offline", away);
    }
    hooks::start(&device);
    greet_if_new(&device);
    let ended = Session::new(Rc::clone(&device), link).run().await;
    lane.counters.devices.down();
    lane.devices.borrow_mut().retain(|other| !Rc::ptr_eq(other, &device));
    if let Some(keeper) = keeper {
        Box::pin(keeper.close()).await;
    }
    gone(&lane, &device, ended);
}

/// The end of a device.
fn gone(lane: &Lane, device: &Device, ended: Option<Diagnostic>) {
    lane.progress.send_modify(|progress| {
        progress.running = progress.running.saturating_sub(1);
        progress.ended = progress.ended.take().or_else(|| ended.clone());
    });
    if let Some(finding) = ended {
        device.say(AgentEvent::Ended { device: device.identity.clone(), finding });
    }
}

/// Shows that this thread lives: a handler that held it up would stop this too.
async fn pulse(lane: Rc<Lane>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let waiting = lane.devices.borrow().iter().map(|device| device.outbox.waiting()).sum();
        lane.counters.waiting.set(waiting);
        lane.counters.pulses.up();
    }
}

/// Reads what devices remember, off the lane.
async fn wake_all(lane: &Rc<Lane>, batch: Vec<DeviceConnection>) -> Vec<(DeviceConnection, Waking)> {
    let (folder, board) = (lane.habits.memory.clone(), lane.habits.board.clone());
    let fresh: Vec<String> = batch.iter().map(|_| lane.fresh_boot_id()).collect();
    let woken = spawn_blocking(move || {
        let wake_one = |(connection, fresh): (DeviceConnection, String)| {
            let remembered = folder.as_ref().map_or(Ok(None), |folder| folder.load(&connection.identity));
            let (remembered, fault) = match remembered {
                Ok(remembered) => (remembered, None),
                Err(error) => (None, Some(file_fault(&error))),
            };
            let mut waking = wake(remembered, board.as_ref(), fresh);
            waking.missed = fault.or(waking.missed);
            (connection, waking)
        };
        batch.into_iter().zip(fresh).map(wake_one).collect()
    });
    woken.await.expect("reading files does not panic")
}

/// Brings every device onto new scripts as they come.
async fn keep_up(lane: Rc<Lane>, mut reload: Reload) {
    loop {
        match reload.next().await {
            Ok(scripts) => {
                let methods = scripts.methods.keys().map(ToString::to_string).collect();
                lane.scripts.swap(scripts);
                lane.broken.set(false);
                lane.counters.reloads.up();
                lane.say(AgentEvent::Reloaded { methods });
                renew_all(&lane).await;
            }
            Err(diagnostics) => {
                lane.broken.set(true);
                lane.say(AgentEvent::Broken(diagnostics));
            }
        }
    }
}

/// Timers belong to the scripts that set them; the new ones start as they do with the agent.
pub(crate) async fn renew_all(lane: &Rc<Lane>) {
    let devices = lane.devices.borrow().clone();
    for batch in devices.chunks(BATCH) {
        for device in batch {
            device.cancel_timers();
            hooks::start(device);
            announce::announce(device);
            // The session looks whether these scripts want messages.
            device.outbox.ring();
            if device.outbox.connection() != 0 {
                desired::tell_all(device, &serde_json::Map::new());
            }
        }
        yield_now().await;
    }
}
