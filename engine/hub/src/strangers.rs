//! The places of those who have connected and not yet said who they are. While there is room everybody has his whole deadline; as
//! soon as somebody waits for a place, those who have been here longest without a word go. Knows nothing of protocols.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

/// See the module's description.
#[derive(Clone, Debug)]
pub(crate) struct Strangers {
    places: Arc<Semaphore>,
    /// How many wait for a place.
    waiting: watch::Sender<usize>,
    patience: Duration,
}

impl Strangers {
    /// So many places; while others wait, `patience` is what each stranger has.
    pub(crate) fn new(places: usize, patience: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), waiting: watch::Sender::new(0), patience }
    }

    /// A place, as soon as there is one.
    pub(crate) async fn place(&self) -> Place {
        let permit = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _waits = Waits::begin(&self.waiting);
                Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed")
            }
        };
        Place { _permit: permit, waiting: self.waiting.subscribe(), short: Instant::now() + self.patience }
    }
}

/// Somebody who waits, also when he gives up.
struct Waits<'a>(&'a watch::Sender<usize>);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// A stranger's place; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    waiting: watch::Receiver<usize>,
    /// When its time is over if others wait.
    short: Instant,
}

impl Place {
    /// Until this place is wanted by somebody else, and its time for that case is over.
    pub(crate) async fn wanted(&self) {
        sleep_until(self.short).await;
        let mut waiting = self.waiting.clone();
        if waiting.wait_for(|waiting| *waiting > 0).await.is_err() {
            // Whoever gave places is gone, so nobody waits.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);
    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn while_there_is_room_nobody_is_in_a_hurry() {
        let strangers = Strangers::new(2, PATIENCE);
        let (first, _second) = (strangers.place().await, strangers.place().await);
        assert!(tokio::time::timeout(LONG, first.wanted()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_waits_no_longer_than_the_patience_of_those_before() {
        let strangers = Strangers::new(2, PATIENCE);
        let slow: Vec<Place> = vec![strangers.place().await, strangers.place().await];
        let began = Instant::now();
        let leave = async {
            for place in slow {
                place.wanted().await;
            }
        };
        let (_third, ()) = tokio::join!(strangers.place(), leave);
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_hurries_nobody() {
        let strangers = Strangers::new(1, PATIENCE);
        let place = strangers.place().await;
        assert!(tokio::time::timeout(PATIENCE / 2, strangers.place()).await.is_err());
        assert!(tokio::time::timeout(LONG, place.wanted()).await.is_err());
    }
}
