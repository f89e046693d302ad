//! Cloud-to-device messages on one connection: takes them from the state when there is room, sends them, and passes the device's
//! acknowledgements on. What was sent and not acknowledged goes back to the state when the connection ends.

use net::mqtt::{Packet, Publish, QoS};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use wire::DeviceFilter;

use super::publish::broken;
use super::session::Session;
use super::settings::{IN_FLIGHT, UNSENT};
use super::shown::Met;
use super::window::Flight;
use crate::faults::Point;
use crate::link::Ending;
use crate::seam::{Backing, Delivery};

impl<S: AsyncRead + AsyncWrite + Unpin, B: Backing> Session<S, B> {
    /// With which quality of service the device asked for its messages; none when it did not.
    pub(super) fn message_quality(&self) -> Option<u8> {
        self.subscriptions.quality(&DeviceFilter::CloudToDevice(self.login.identity.clone()))
    }

    /// Sends what waits, as far as there is room.
    pub(super) async fn deliver(&mut self) -> Result<(), Ending> {
        let Some(quality) = self.message_quality() else { return Ok(()) };
        let settle = quality == 0;
        loop {
            let room = IN_FLIGHT - self.window.len();
            if room == 0 {
                // The next acknowledgement says when to look again.
                return Ok(());
            }
            let taken = self.hub.backing.take_messages(&self.login.identity, room, settle).await;
            if taken.is_empty() {
                return Ok(());
            }
            for delivery in taken {
                let met = self.met(Point::Delivery).await?;
                if met == Met::Skip {
                    return Ok(());
                }
                self.send(delivery, settle, met == Met::Twice)?;
            }
            if self.connection.queued() > UNSENT {
                // First the device must take these.
                self.link.message_waits();
                return Ok(());
            }
        }
    }

    fn send(&mut self, delivery: Delivery, settled: bool, twice: bool) -> Result<(), Ending> {
        let Delivery { sequence, topic, body, again } = delivery;
        if settled {
            return self.connection.queue_publish(&topic, &body).map_err(broken);
        }
        let flight = self.window.add(sequence, topic, body, Instant::now());
        self.connection.queue(&publish(flight, again)).map_err(broken)?;
        if twice {
            self.connection.queue(&publish(flight, true)).map_err(broken)?;
        }
        Ok(())
    }

    /// Sends once more what the device has had for so long that nobody can tell whether it arrived.
    pub(super) fn send_again(&mut self) -> Result<(), Ending> {
        for flight in self.window.overdue(Instant::now()) {
            self.connection.queue(&publish(flight, true)).map_err(broken)?;
        }
        Ok(())
    }

    /// The device has a message. One too many, or one for nothing, harms nobody.
    pub(super) async fn acknowledged(&mut self, id: u16) -> Result<(), Ending> {
        // What is lost stays under way, and is sent again.
        if matches!(self.met(Point::DeliveryAck).await?, Met::DropReply) {
            return Ok(());
        }
        if let Some(sequence) = self.window.settle(id) {
            self.hub.backing.settle_message(&self.login.identity, sequence).await;
            self.link.message_waits();
        }
        Ok(())
    }
}

fn publish(flight: &Flight, again: bool) -> Packet {
    let mut publish = Publish::new(&*flight.topic, QoS::AtLeastOnce, flight.body.clone());
    (publish.pkid, publish.dup) = (flight.id, again);
    Packet::Publish(publish)
}
