//! Faults that come and go with time: what begins is shown to the connections that are there, what is over is taken away. And what
//! people do with them: look, clear.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wire::Identity;

use super::kind::{How, Kind};
use super::table::Faults;
use crate::exchange::Exchange;
use crate::link::{Ending, Link};

impl Faults {
    /// Lets faults begin and end until `stop`.
    pub(crate) async fn run(self: Arc<Self>, exchange: Arc<Exchange>, stop: CancellationToken) {
        loop {
            let next = self.turn(&exchange);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                () = async {
                    match next {
                        Some(at) => sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
        }
    }

    /// Shows what has begun and removes what is over; when to look again.
    pub(crate) fn turn(&self, exchange: &Exchange) -> Option<Instant> {
        let now = Instant::now();
        let (mut bytes, mut said) = (false, Vec::new());
        let links = if self.none() { Vec::new() } else { exchange.connections() };
        let mut blows: Vec<(Arc<Link>, Kind)> = Vec::new();
        let mut table = self.table();
        for placed in table.placed.iter_mut().filter(|placed| !placed.begun && placed.begins <= now) {
            placed.begun = true;
            bytes |= placed.spec.kind.is_of_bytes();
            if !placed.spec.is_at_once() {
                continue;
            }
            for (identity, link) in &links {
                if placed.hits(Some(identity), self.registered()) {
                    blows.push((Arc::clone(link), placed.spec.kind));
                    said.push(placed.event(Some(identity), format!("its connection {}", placed.spec.kind.told())));
                }
            }
        }
        table.placed.retain(|placed| {
            let over = placed.ends.is_some_and(|ends| ends <= now) || (placed.begun && placed.spec.is_one_blow());
            bytes |= over && placed.spec.kind.is_of_bytes();
            !over
        });
        self.recount(&table);
        let next = table.placed.iter().filter_map(|one| if one.begun { one.ends } else { Some(one.begins) }).min();
        drop(table);
        for event in said {
            self.say(event);
        }
        for (link, kind) in blows {
            strike(&link, kind, now);
        }
        if bytes {
            self.set_paces(&links);
        }
        next
    }

    fn set_paces(&self, links: &[(Identity, Arc<Link>)]) {
        for (identity, link) in links {
            link.strain().go(self.pace(identity));
        }
    }

    /// Takes a fault away, or all of them; how many. Whoever fell silent is heard again.
    pub(crate) fn clear(&self, id: Option<u64>, exchange: &Exchange) -> usize {
        let links = exchange.connections();
        let mut table = self.table();
        let before = table.placed.len();
        let mut silent = false;
        table.placed.retain(|placed| {
            let stays = id.is_some_and(|id| id != placed.id);
            silent |= !stays && matches!(placed.spec.kind, Kind::Stalls(_) | Kind::Cuts(How::Silence));
            stays
        });
        // One that silenced for good is over as soon as it has begun: only clearing everything means it too.
        silent |= id.is_none();
        let cleared = before - table.placed.len();
        self.recount(&table);
        drop(table);
        if silent {
            links.iter().for_each(|(_, link)| link.strain().speak());
        }
        self.set_paces(&links);
        self.changed.notify_one();
        cleared
    }

    /// The faults in place, for people and their programs.
    pub(crate) fn document(&self) -> Value {
        let now = Instant::now();
        let seconds = |time: Duration| time.as_millis() as f64 / 1_000.0;
        let table = self.table();
        let one = |placed: &super::table::Placed| {
            let begins = placed.begins.saturating_duration_since(now);
            json!({
                "id": placed.id.to_string(),
                "fault": placed.spec.kind.name(),
                "told": placed.spec.told(),
                "shown": placed.shown,
                "beginsInSeconds": seconds(begins),
                "endsInSeconds": placed.ends.map(|ends| seconds(ends.saturating_duration_since(now))),
            })
        };
        Value::Array(table.placed.iter().map(one).collect())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table().placed.len()
    }
}

/// Lets a connection end, or fall silent.
fn strike(link: &Link, kind: Kind, now: Instant) {
    match kind {
        Kind::Cuts(How::Silence) => link.strain().fall_silent(),
        Kind::Cuts(how) => {
            if how == How::Reset {
                link.strain().end_with_reset();
            }
            link.end(Ending::Fault(how));
        }
        Kind::Stalls(takes) => link.strain().stall(now + takes),
        _ => {}
    }
}
