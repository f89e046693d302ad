//! Who looks after a running agent: the page for Prometheus, the health page, and systemd.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use agent::{AgentMetrics, AgentStatus, RunningAgent};
use net::metrics::{Page, serve};
use tokio::net::TcpListener;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::process::{Notify, Trouble, err};

/// How often the agent's thread shows that it lives, where somebody looks.
pub(super) const PULSE: Duration = Duration::from_secs(1);

/// A thread that has not shown itself for this long is held up.
const HELD_UP: Duration = Duration::from_secs(10);

/// The listener for the numbers, bound before anything else starts.
pub(super) async fn listen(port: u16) -> Result<TcpListener, Trouble> {
    let at = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let listener = TcpListener::bind(at).await.map_err(|error| {
        Trouble::usage(format!("--metrics-port: {at}: {error}")).help("--metrics-port 0 takes a free port")
    })?;
    let at = listener.local_addr().map_err(|error| Trouble::internal(error.to_string()))?;
    err(&format!("metrics http://{at}/metrics, http://{at}/health"));
    Ok(listener)
}

/// Serves both pages until dropped; without a listener, waits for that.
pub(super) async fn numbers(
    listener: Option<TcpListener>,
    metrics: AgentMetrics,
    running: &RunningAgent,
    count: usize,
) {
    let Some(listener) = listener else { return std::future::pending().await };
    let started = Instant::now();
    let (status, shown) = (running.watcher(), running.watcher());
    let health = move || {
        let status = status.status();
        // How many pulses there should have been, and how many there were.
        let due = started.elapsed().saturating_sub(HELD_UP).as_secs() / PULSE.as_secs();
        health(&status, count, status.pulses >= due)
    };
    let pages: Vec<Page> =
        vec![("/metrics", Arc::new(move || (true, metrics.text(&shown.status())))), ("/health", Arc::new(health))];
    serve(listener, pages, CancellationToken::new()).await;
}

/// `ok`, or everything that is not.
fn health(status: &AgentStatus, count: usize, alive: bool) -> (bool, String) {
    let mut wrong = Vec::new();
    if !alive {
        wrong.push("the agent's thread is held up".to_owned());
    }
    if status.connected < count as u64 {
        wrong.push(format!("{} of {count} devices connected", status.connected));
    }
    if status.broken {
        wrong.push("the scripts on disk do not load, older ones are in force".to_owned());
    }
    (wrong.is_empty(), if wrong.is_empty() { "ok\n".to_owned() } else { format!("{}\n", wrong.join("\n")) })
}

/// Tells systemd how it goes, and that the agent's thread lives: a held-up thread is not spoken for.
pub(super) async fn tell(notify: &Notify, running: &RunningAgent, count: usize) {
    if !notify.is_heard() {
        return std::future::pending().await;
    }
    let mut said = String::new();
    let mut beats = 0;
    let every = notify.every().unwrap_or(PULSE * 5);
    let mut ticks = interval(every.min(PULSE * 5));
    notify.ready("connecting");
    loop {
        ticks.tick().await;
        let status = running.status();
        if notify.every().is_some() && status.pulses != beats {
            beats = status.pulses;
            notify.alive();
        }
        let (_, text) = health(&status, count, true);
        let text = if text == "ok\n" {
            format!("{count} connected, {} calls", status.calls)
        } else {
            text.trim_end().to_owned()
        };
        if text != said {
            notify.status(&text);
            said = text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_names_everything_that_is_wrong() {
        let good = AgentStatus { connected: 2, ..AgentStatus::default() };
        assert_eq!(health(&good, 2, true), (true, "ok\n".to_owned()));
        let bad = AgentStatus { connected: 1, broken: true, ..good };
        let (fine, text) = health(&bad, 2, false);
        assert!(!fine && text.contains("held up") && text.contains("1 of 2") && text.contains("do not load"), "{text}");
    }
}
