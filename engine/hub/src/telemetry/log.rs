//! The newest messages of all devices, bounded by number, size and age, and a way to wait for the next one. In memory only: a hub
//! for tests is no archive, and a disk that every message waits for would make devices slower than they are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use base::Clock;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::{TelemetryDocument, TelemetryPage, TelemetryQuery};

use crate::seam::{HubEvent, HubLog, Telemetry};

/// Messages that are kept.
const MESSAGES: usize = 10_000;
/// Bytes of bodies, properties and bookkeeping that are kept.
const BYTES: usize = 64 * 1024 * 1024;
/// How long they are: as long as the built-in endpoint of IoT Hub keeps them when nothing else is said.
const AGE: Duration = Duration::from_secs(24 * 3600);
/// What a message costs beside its body and properties.
const OVERHEAD: usize = 300;
/// Bytes of bodies in one answer; at least one message is.
const ANSWER: usize = 8 * 1024 * 1024;

/// See the module's description. One per hub.
pub(crate) struct TelemetryLog {
    clock: Clock,
    stop: CancellationToken,
    kept: Mutex<Kept>,
    came: Notify,
}

#[derive(Debug)]
struct Kept {
    /// The number of the oldest one that is kept; numbers grow by one.
    first: u64,
    messages: VecDeque<Arc<Telemetry>>,
    bytes: usize,
}

fn cost(message: &Telemetry) -> usize {
    message.body.len() + message.properties.counted_bytes() + OVERHEAD
}

impl Kept {
    fn forget_first(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= cost(&message);
            self.first += 1;
        }
    }

    fn forget_old(&mut self, now: SystemTime) {
        while self.messages.front().is_some_and(|message| message.enqueued + AGE <= now) {
            self.forget_first();
        }
    }

    fn push(&mut self, message: Arc<Telemetry>) {
        self.bytes += cost(&message);
        self.messages.push_back(message);
        while self.messages.len() > MESSAGES || self.bytes > BYTES {
            self.forget_first();
        }
    }

    fn page(&self, query: &TelemetryQuery) -> TelemetryPage {
        let end = self.first + self.messages.len() as u64;
        // A number from before a restart is below all of today's, one that was made up may be above.
        let from = query.after.map_or(self.first, |after| after.saturating_add(1)).clamp(self.first, end);
        let forgotten = query.after.map_or(0, |after| self.first.saturating_sub(after.saturating_add(1)));
        let skipped = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let wanted = (from..).zip(self.messages.iter().skip(skipped));
        let wanted =
            wanted.filter(|(_, message)| query.takes(&message.identity.device, message.enqueued, &message.properties));
        let mut picked: Vec<(u64, &Arc<Telemetry>)> = match query.last {
            None => wanted.take(query.page()).collect(),
            Some(_) => {
                let mut all: Vec<_> = wanted.collect();
                all.split_off(all.len().saturating_sub(query.page()))
            }
        };
        let mut bytes = 0;
        let fits = picked.iter().take_while(|(_, message)| {
            let first = bytes == 0;
            bytes += cost(message);
            first || bytes <= ANSWER
        });
        let fits = fits.count();
        let all = picked.len() == fits && (query.last.is_some() || fits < query.page());
        picked.truncate(fits);
        let next = match picked.last() {
            Some((number, _)) if !all => *number,
            _ => end.saturating_sub(1),
        };
        TelemetryPage { messages: picked.into_iter().map(|(_, message)| document(message)).collect(), next, forgotten }
    }
}

fn document(message: &Telemetry) -> TelemetryDocument {
    let stamps = message.stamps().into_iter().map(|(name, value)| (name.to_owned(), Some(value)));
    let mut document = TelemetryDocument {
        enqueued_time: base::rfc3339_ticks(message.enqueued),
        device_id: message.identity.device.clone(),
        module_id: message.identity.module.clone(),
        will: false,
        system_properties: stamps.collect(),
        properties: std::collections::BTreeMap::new(),
        body: message.body.clone(),
    };
    document.sort(&message.properties);
    document
}

impl TelemetryLog {
    /// Waiting for messages ends with `stop`.
    pub(crate) fn new(clock: Clock, stop: CancellationToken) -> Self {
        // Of the time, so that what a reader has seen before a restart is behind it.
        let since = clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let first = u64::try_from(since.as_micros()).unwrap_or(0);
        let kept = Kept { first, messages: VecDeque::new(), bytes: 0 };
        Self { clock, stop, kept: Mutex::new(kept), came: Notify::new() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("a queue is plain data: nothing panics while it is held")
    }

    /// A sink that keeps the messages of every event and passes all of them on.
    pub(crate) fn before(self: &Arc<Self>, log: HubLog) -> HubLog {
        let kept = Arc::clone(self);
        HubLog::new(move |event| {
            if let HubEvent::Telemetry(message) = &event {
                kept.kept().push(Arc::clone(message));
                kept.came.notify_waiters();
            }
            log.say(event);
        })
    }

    /// What is asked for; waits for the first one as long as the query says.
    pub(crate) async fn read(&self, mut query: TelemetryQuery) -> TelemetryPage {
        let deadline = Instant::now() + query.wait;
        loop {
            let came = self.came.notified();
            tokio::pin!(came);
            // Registered before the look, so that a message in between is not missed.
            came.as_mut().enable();
            let page = {
                let mut kept = self.kept();
                kept.forget_old(self.clock.now());
                kept.page(&query)
            };
            if !page.messages.is_empty() || query.wait.is_zero() {
                return page;
            }
            // What is there was looked at; the next look is at what came since.
            query.after = Some(page.next);
            let waited = timeout_at(deadline, self.stop.run_until_cancelled(came)).await;
            if !matches!(waited, Ok(Some(()))) {
                return page;
            }
        }
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.kept().messages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::Sender;
    use base::ManualClock;
    use proptest::prelude::*;

    fn message(device: &str, body: &str, enqueued: SystemTime) -> Arc<Telemetry> {
        let sender = Sender { auth_method: "{}", generation: "1".into(), model_id: None };
        Arc::new(Telemetry {
            identity: device.parse().unwrap(),
            properties: "%24.ct=t&k=v&iothub-MessageType=Will".parse().unwrap(),
            sender: Arc::new(sender),
            body: body.to_owned().into(),
            enqueued,
        })
    }

    fn log() -> (Arc<TelemetryLog>, HubLog, ManualClock) {
        let (clock, hand) = Clock::manual(SystemTime::UNIX_EPOCH + AGE);
        let log = Arc::new(TelemetryLog::new(clock, CancellationToken::new()));
        let sink = log.before(HubLog::none());
        (log, sink, hand)
    }

    fn bodies(page: &TelemetryPage) -> Vec<String> {
        page.messages.iter().map(|message| String::from_utf8(message.body.to_vec()).unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn pages_filters_and_the_newest() {
        let (log, sink, hand) = log();
        for number in 0..2_500 {
            let device = if number % 2 == 0 { "even" } else { "odd/m" };
            sink.say(HubEvent::Telemetry(message(device, &number.to_string(), log.clock.now())));
        }
        let first = log.read(TelemetryQuery::default()).await;
        assert_eq!((bodies(&first)[0].as_str(), first.messages.len(), first.forgotten), ("0", 1_000, 0));
        let third = TelemetryQuery { after: Some(first.next + 1_000), ..TelemetryQuery::default() };
        let third = log.read(third).await;
        assert_eq!((bodies(&third)[0].as_str(), third.messages.len()), ("2000", 500));
        let none = log.read(TelemetryQuery { after: Some(third.next), ..TelemetryQuery::default() }).await;
        assert_eq!((none.messages.len(), none.next), (0, third.next));
        let last = TelemetryQuery { last: Some(2), device: Some("odd".parse().unwrap()), ..TelemetryQuery::default() };
        let last = log.read(last).await;
        assert_eq!((bodies(&last), last.next), (vec!["2497".to_owned(), "2499".to_owned()], third.next));
        let shown = &last.messages[0];
        assert_eq!((shown.will, shown.module_id.as_ref().unwrap().as_str()), (true, "m"));
        assert_eq!(shown.system_properties["content-type"].as_deref(), Some("t"));
        assert_eq!(shown.properties_text(), "iothub-MessageType=Will k=v");
        hand.advance(AGE);
        let old = log.read(TelemetryQuery { after: Some(first.next), ..TelemetryQuery::default() }).await;
        assert_eq!((old.messages.len(), old.forgotten), (0, 1_500));
        assert_eq!(log.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_first_one_that_is_asked_for() {
        let (log, sink, _hand) = log();
        let wait = Duration::from_secs(20);
        let query = TelemetryQuery { wait, device: Some("d".parse().unwrap()), ..TelemetryQuery::default() };
        let start = Instant::now();
        assert!(log.read(query.clone()).await.messages.is_empty());
        assert_eq!(start.elapsed(), wait);
        let reading = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.read(query).await }
        });
        tokio::task::yield_now().await;
        sink.say(HubEvent::Telemetry(message("e", "not mine", log.clock.now())));
        tokio::task::yield_now().await;
        sink.say(HubEvent::Telemetry(message("d", "mine", log.clock.now())));
        assert_eq!(bodies(&reading.await.unwrap()), ["mine"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_stops_keeps_nobody_waiting() {
        let (log, _sink, _hand) = log();
        log.stop.cancel();
        let start = Instant::now();
        log.read(TelemetryQuery { wait: Duration::from_secs(20), ..TelemetryQuery::default() }).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    proptest! {
        /// Whatever comes: never more than the bounds, and the newest are there.
        #[test]
        fn bounded(sizes in proptest::collection::vec(0_usize..262_144, 1..400)) {
            let (log, sink, _hand) = log();
            for size in &sizes {
                sink.say(HubEvent::Telemetry(message("d", &"x".repeat(*size), log.clock.now())));
            }
            let kept = log.kept();
            prop_assert!(kept.bytes <= BYTES && kept.messages.len() <= MESSAGES);
            prop_assert_eq!(kept.bytes, kept.messages.iter().map(|message| cost(message)).sum::<usize>());
            prop_assert_eq!(kept.messages.back().unwrap().body.len(), *sizes.last().unwrap());
            let all: usize = sizes.iter().map(|size| size + OVERHEAD + 100).sum();
            prop_assert!(all > BYTES || kept.messages.len() == sizes.len());
        }
    }
}
