//! From nothing to a [`Line`]: a stream, login, subscriptions, each attempt within one deadline, few at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Diagnostic};
use net::mqtt::{ConnAck, ConnectReturnCode, Connection, Limits, MqttError, Packet, QoS, Subscribe, SubscribeFilter};
use net::tls::TlsConnector;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wire::{DeviceFilter, limits};

use super::line::{Line, granted, reason};
use super::login::{Login, keep_alive, refused};
use super::open::DeviceStream;
use crate::config::LinkConfig;

/// The largest packet: the largest message and the longest topic beside it, and a header.
const MOST_BYTES: usize = limits::D2C_BYTES + limits::TOPIC_BYTES + 64;

/// Packets that may come before the subscriptions are confirmed: a kept session's, one for each call that waits.
const MOST_EARLY: usize = 64;

/// The packet id of the one SUBSCRIBE, which is the first packet that needs one.
const SUBSCRIBE_ID: u16 = 1;

/// Why there is no line.
#[derive(Debug)]
pub(super) enum DialError {
    /// Another try may work.
    Unreachable(String),
    /// The hub said no.
    Refused(Diagnostic),
    /// Not before the device's token is replaced.
    Stale(Diagnostic),
    /// No try will ever work.
    Never(Diagnostic),
}

/// What all devices of a lane share to connect.
pub(crate) struct Dialer {
    pub(crate) config: LinkConfig,
    pub(crate) clock: Clock,
    pub(crate) rng: RefCell<StdRng>,
    pub(super) connector: TlsConnector,
    gate: Semaphore,
}

impl Dialer {
    pub(crate) fn new(
        config: LinkConfig,
        clock: Clock,
        rng: StdRng,
        tls: Arc<tokio_rustls::rustls::ClientConfig>,
    ) -> Self {
        let gate = Semaphore::new(config.connects_at_once.max(1));
        Self { config, clock, rng: RefCell::new(rng), connector: TlsConnector::from(tls), gate }
    }

    /// One attempt.
    pub(super) async fn dial(self: Rc<Self>, login: Rc<Login>) -> Result<Line<DeviceStream>, DialError> {
        let _turn = self.gate.acquire().await.expect("the gate is never closed");
        let limit = self.config.connect_timeout;
        // Made only now: most of a fleet waits for its turn, and an attempt is large.
        match timeout(limit, Box::pin(self.attempt(&login))).await {
            Ok(result) => result,
            Err(_) => Err(DialError::Unreachable(format!(
                "{} did not answer within {}",
                login.dial(),
                base::format_duration(limit)
            ))),
        }
    }

    async fn attempt(&self, login: &Login) -> Result<Line<DeviceStream>, DialError> {
        login.refresh().await.map_err(DialError::Stale)?;
        let (connect, valid) = login.connect(&self.config, &self.clock).map_err(if login.is_replaced() {
            DialError::Stale
        } else {
            DialError::Never
        })?;
        let stream = self.open(login.dial()).await?;
        let mut connection = Connection::new(stream, Limits { max_packet: MOST_BYTES });
        queue(&mut connection, &Packet::Connect(connect))?;
        match next(&mut connection).await? {
            Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, .. }) => {}
            Packet::ConnAck(ConnAck { code, .. }) => return Err(no(login, code)),
            other => return Err(DialError::Unreachable(format!("{} answered the login with {other:?}", login.dial()))),
        }
        let early = subscribe(&mut connection).await?;
        let jitter = self.rng.borrow_mut().random_range(0.0..1.0);
        Ok(Line::new(
            connection,
            login.identity().clone(),
            (keep_alive(&self.config), self.config.patience),
            valid,
            early,
            jitter,
        ))
    }

    /// A pause out of `backoff`'s row.
    pub(super) fn pause(&self, backoff: &mut base::Backoff) -> Duration {
        backoff.next(&mut *self.rng.borrow_mut())
    }
}

fn no(login: &Login, code: ConnectReturnCode) -> DialError {
    match code {
        ConnectReturnCode::ServiceUnavailable => {
            DialError::Unreachable(format!("{} is not available now (code 3)", login.dial()))
        }
        _ => DialError::Refused(refused(login, &format!("code {}: {code:?}", code as u8))),
    }
}

fn broken(error: &MqttError) -> DialError {
    DialError::Unreachable(reason(error))
}

fn queue(connection: &mut Connection<DeviceStream>, packet: &Packet) -> Result<(), DialError> {
    connection.queue(packet).map_err(|error| broken(&error))
}

async fn next(connection: &mut Connection<DeviceStream>) -> Result<Packet, DialError> {
    match connection.read().await.map_err(|error| broken(&error))? {
        Some(incoming) => Ok(incoming.packet),
        None => Err(DialError::Unreachable("the hub closed the connection during the login".into())),
    }
}

/// Subscribes to all that a session needs. Done on every connection: how long a hub keeps subscriptions is not known.
/// Returns what came in between, for a kept session's calls may arrive at once.
async fn subscribe(connection: &mut Connection<DeviceStream>) -> Result<VecDeque<Packet>, DialError> {
    let filters = [DeviceFilter::Methods, DeviceFilter::TwinResponses, DeviceFilter::Desired];
    let asked = filters.iter().map(|filter| SubscribeFilter::new(filter.to_string(), QoS::AtMostOnce));
    let mut packet = Subscribe::new_many(asked);
    packet.pkid = SUBSCRIBE_ID;
    queue(connection, &Packet::Subscribe(packet))?;
    let mut early = VecDeque::new();
    loop {
        match next(connection).await? {
            Packet::SubAck(ack) if ack.pkid == SUBSCRIBE_ID => {
                let missing = filters.iter().zip(&ack.return_codes).find(|(_, code)| !granted(**code));
                return match missing {
                    None => Ok(early),
                    Some((filter, _)) => {
                        Err(DialError::Unreachable(format!("the hub refused the subscription to {filter}")))
                    }
                };
            }
            packet if early.len() < MOST_EARLY => early.push_back(packet),
            _ => {
                return Err(DialError::Unreachable(
                    "the hub sent too much before it confirmed the subscriptions".into(),
                ));
            }
        }
    }
}
