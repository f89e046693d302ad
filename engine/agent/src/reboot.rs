//! Restarts: simulated in place, simulated with an absence, or a board's own command; and `on_boot`, once for each.

use std::fs;
use std::rc::Rc;
use std::time::Duration;

use base::{Diagnostic, Mask, format_duration};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::call::Call;
use crate::config::Board;
use crate::device::Device;
use crate::event::AgentEvent;
use crate::hooks;
use crate::memory::{Memory, PendingReboot};
use crate::outbox::Wish;

/// A restart waits this long for the hub's word that the answer has arrived, and then goes on without.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);

/// What is waited for without a bell is looked for this often; only around restarts.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A restart command that runs longer than this does not restart anything.
const COMMAND: Duration = Duration::from_secs(60);

/// How a call of `reboot()` goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It waits for this long and returns after the boot.
    InPlace(Duration),
    /// It returns, and the restart follows the call.
    AfterTheCall,
}

/// A restart is under way already.
#[derive(Debug, thiserror::Error)]
#[error("a restart is under way")]
pub(crate) struct UnderWay;

/// A handler asks for a restart.
pub(crate) fn ask(call: &Call) -> Result<Kind, UnderWay> {
    let device = &call.device;
    if device.rebooting.replace(true) {
        return Err(UnderWay);
    }
    if device.cuts() {
        call.then_reboot.set(true);
        return Ok(Kind::AfterTheCall);
    }
    device.say(AgentEvent::Rebooting { device: device.identity.clone() });
    Ok(Kind::InPlace(device.restart_time()))
}

/// Ends a restart in place, however it ends: one that is cut short did not happen.
struct InPlace<'a>(&'a Device);

impl Drop for InPlace<'_> {
    fn drop(&mut self) {
        self.0.rebooting.set(false);
    }
}

/// A simulated restart during which the device stays connected.
pub(crate) async fn in_place(device: Rc<Device>, time: Duration) {
    let _end = InPlace(&device);
    sleep(time).await;
    boot(&device, device.lane.fresh_boot_id()).await;
}

/// A boot: its id is on the disk before `on_boot` runs, and that `on_boot` ran is on the disk after it.
async fn boot(device: &Rc<Device>, boot_id: String) {
    {
        let mut memory = device.memory_mut();
        memory.boot_id = boot_id;
        memory.reboot = None;
    }
    device.save().await;
    greet(device).await;
}

/// Runs `on_boot` for the boot that the device is in.
async fn greet(device: &Rc<Device>) {
    hooks::boot(device).await;
    if device.lane.habits.board.is_some() && !told(device).await {
        return;
    }
    {
        let mut memory = device.memory_mut();
        memory.greeted = Some(memory.boot_id.clone());
    }
    device.save().await;
}

/// Until the hub has what `on_boot` reported. A board whose agent ends before that greets its boot once more at the next start, or
/// nobody would ever hear of it.
async fn told(device: &Device) -> bool {
    while !device.outbox.reports(|reports| reports.is_empty()) {
        tokio::select! {
            () = sleep(LOOK_AGAIN) => {}
            () = device.lane.stop.cancelled() => return false,
        }
    }
    true
}

/// The restart that follows a call: its answer leaves first.
pub(crate) async fn follow(call: &Rc<Call>) {
    let device = &call.device;
    // Lost or late, the restart was asked for.
    let _ = timeout(ACKNOWLEDGE, async {
        if let Some(arrived) = call.acknowledged() {
            let _ = arrived.await;
        }
        // What the device has reported until now would end with the machine.
        while device.lane.habits.board.is_some() && !device.outbox.is_settled() {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    {
        let pending = PendingReboot { asked: device.now(), boot_id: device.memory().boot_id.clone() };
        device.memory_mut().reboot = Some(Box::new(pending));
    }
    device.save().await;
    device.say(AgentEvent::Rebooting { device: device.identity.clone() });
    match &device.lane.habits.board {
        Some(board) => command(device, board).await,
        None => away(device, call),
    }
}

/// A simulated restart with an absence: everything that runs dies, the line is cut, and after a while there is a boot.
fn away(device: &Rc<Device>, call: &Rc<Call>) {
    device.cancel_all("the device restarted", Some(call));
    if device.never_returns() {
        return device.go_away(None, "gone after a restart");
    }
    let time = device.restart_time();
    device.outbox.wish(Wish::Away("the device restarts", time));
    let back = Rc::clone(device);
    device.lane.tasks.spawn_local(async move {
        tokio::select! {
            () = sleep(time) => {}
            () = back.lane.stop.cancelled() => return,
        }
        back.rebooting.set(false);
        hooks::start(&back);
        // On a task of its own, so that it comes after `on_start`.
        let booted = Rc::clone(&back);
        back.lane.tasks.spawn_local(async move { boot(&booted, booted.lane.fresh_boot_id()).await });
    });
}

/// A board's restart. When the command works, the machine goes down some time after it returns.
async fn command(device: &Rc<Device>, board: &Board) {
    let outcome = match board.command.split_first() {
        None => Err("no command is configured".to_owned()),
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
            // The device's own connection string is none of its business.
            for (variable, value) in std::env::vars_os() {
                if Mask::process().hides(&value.to_string_lossy()) {
                    command.env_remove(variable);
                }
            }
            match timeout(COMMAND, command.output()).await {
                Err(_) => Err(format!("{program} did not end within {}", format_duration(COMMAND))),
                Ok(Err(error)) => Err(format!("{program} cannot be run: {error}")),
                Ok(Ok(output)) if output.status.success() => Ok(()),
                Ok(Ok(output)) => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    Err(format!("{program} ended with {}: {}", output.status, said.trim()))
                }
            }
        }
    };
    if let Err(why) = outcome {
        device.memory_mut().reboot = None;
        device.save().await;
        device.fault(Diagnostic::error(format!("the restart failed: {why}")));
    }
    device.rebooting.set(false);
}

/// What a device is at the agent's start.
pub(crate) struct Waking {
    pub(crate) memory: Memory,
    /// A restart that was asked for and did not happen.
    pub(crate) missed: Option<Diagnostic>,
}

/// Puts together what is remembered and the boot that the machine is in. `fresh` is a boot id for a simulated device
/// that never was. Reads the board's boot id: not for a lane.
pub(crate) fn wake(remembered: Option<Memory>, board: Option<&Board>, fresh: String) -> Waking {
    // It could be read when the agent started; should that change, the boot counts as the one that is remembered.
    let current = board.and_then(|board| fs::read_to_string(&board.boot_id).ok()).map(|id| id.trim().to_owned());
    let Some(mut memory) = remembered else {
        // The very first start is no boot: nothing was there that could have gone down.
        let boot_id = current.unwrap_or(fresh);
        return Waking {
            memory: Memory { greeted: Some(boot_id.clone()), boot_id, ..Memory::default() },
            missed: None,
        };
    };
    if let Some(current) = current {
        memory.boot_id = current;
    } else if board.is_none() && memory.reboot.is_some() {
        // A simulated device whose agent ended during its restart has restarted by being here again.
        memory.boot_id = fresh;
    }
    let missed = memory.reboot.take().filter(|pending| pending.boot_id == memory.boot_id).map(|pending| {
        Diagnostic::warning(format!(
            "the restart asked for at {} has not happened: the machine is in the same boot",
            pending.asked
        ))
    });
    Waking { memory, missed }
}

/// At the agent's start: `on_boot`, if the boot was not greeted yet.
pub(crate) fn greet_if_new(device: &Rc<Device>) {
    let new = {
        let memory = device.memory();
        memory.greeted.as_deref() != Some(&memory.boot_id)
    };
    let device = Rc::clone(device);
    let tasks = device.lane.tasks.clone();
    tasks.spawn_local(async move {
        device.save().await;
        if new {
            greet(&device).await;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(boot: &str, greeted: &str, pending: Option<&str>) -> Option<Memory> {
        Some(Memory {
            boot_id: boot.into(),
            greeted: Some(greeted.into()),
            reboot: pending.map(|boot| Box::new(PendingReboot { asked: "then".into(), boot_id: boot.into() })),
            ..Memory::default()
        })
    }

    #[test]
    fn what_a_start_is() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("boot_id");
        fs::write(&file, "now\n").unwrap();
        let board = Board { command: vec![], boot_id: file };
        // Remembered, board or simulated; then: boot, to be greeted, missed.
        for (memory, board, boot, greet, missed) in [
            (None, None, "fresh", false, false),
            (None, Some(&board), "now", false, false),
            (remembered("old", "old", None), None, "old", false, false),
            (remembered("old", "older", None), None, "old", true, false),
            (remembered("old", "old", Some("old")), None, "fresh", true, false),
            (remembered("now", "now", None), Some(&board), "now", false, false),
            (remembered("old", "old", None), Some(&board), "now", true, false),
            (remembered("old", "old", Some("old")), Some(&board), "now", true, false),
            (remembered("now", "now", Some("now")), Some(&board), "now", false, true),
            (remembered("now", "old", None), Some(&board), "now", true, false),
        ] {
            let label = format!("{memory:?} {board:?}");
            let waking = wake(memory, board, "fresh".into());
            assert_eq!(waking.memory.boot_id, boot, "{label}");
            assert_eq!(waking.memory.greeted.as_deref() != Some(boot), greet, "{label}");
            assert_eq!(waking.missed.is_some(), missed, "{label}");
            assert_eq!(waking.memory.reboot, None, "{label}");
        }
    }
}
