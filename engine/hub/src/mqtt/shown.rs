//! Where faults that were asked for show on the device's side: at the login, and at each operation of a session.

use net::mqtt::ConnectReturnCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};
use wire::{ErrorCode, HubError, client_id};

use super::admission::{self, Admission};
use super::listener::Mqtt;
use super::session::Session;
use super::settings::UNANSWERED;
use crate::faults::{Deed, How, Point, Rejection, Shown, Strain};
use crate::link::Ending;
use crate::seam::Backing;

/// What is left to do at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// What should be done.
    Nothing,
    /// Refuse it.
    Reject(Rejection),
    /// Do it, and do not answer.
    DropReply,
    /// Do it twice.
    Twice,
    /// The device is out of reach: nothing.
    Skip,
}

impl<S: AsyncRead + AsyncWrite + Unpin, B: Backing> Session<S, B> {
    /// Lets happen what goes wrong at this point; says what is left to do.
    pub(super) async fn met(&mut self, point: Point<'_>) -> Result<Met, Ending> {
        if self.hub.faults.none() { Ok(Met::Nothing) } else { Box::pin(self.meet(point)).await }
    }

    async fn meet(&mut self, point: Point<'_>) -> Result<Met, Ending> {
        let Shown { wait, deed } = self.hub.faults.meet(point, Some(&self.login.identity));
        if !wait.is_zero() {
            self.hold(Instant::now() + wait).await?;
        }
        Ok(match deed {
            None => Met::Nothing,
            Some(Deed::Reject(how)) => Met::Reject(how),
            Some(Deed::DropReply) => Met::DropReply,
            Some(Deed::Twice) => Met::Twice,
            Some(Deed::Stall(takes)) => {
                self.link.strain().stall(Instant::now() + takes);
                Met::Nothing
            }
            Some(Deed::Cut(How::Silence)) => {
                self.link.strain().fall_silent();
                Met::Skip
            }
            Some(Deed::Cut(how)) => {
                if how == How::Reset {
                    self.link.strain().end_with_reset();
                }
                return Err(Ending::Fault(how));
            }
        })
    }
}

/// A refusal of a profile as an error of the hub.
pub(crate) fn refusal(how: Rejection) -> HubError {
    HubError::new(ErrorCode::of_status(how.status), "A fault that this hub was asked for.")
}

impl<B: Backing> Mqtt<B> {
    /// What goes wrong when a device that may come in does so.
    pub(super) async fn meet_connect(
        &self,
        admission: Admission,
        strain: &Strain,
    ) -> Result<Admission, admission::Rejection> {
        let Shown { wait, deed } = self.faults.meet(Point::Connect, Some(&admission.login.identity));
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let code = match deed {
            Some(Deed::Stall(takes)) => {
                strain.stall(Instant::now() + takes);
                return Ok(admission);
            }
            Some(Deed::Cut(how)) => {
                match how {
                    How::Reset => strain.end_with_reset(),
                    How::Close => {}
                    How::Silence => sleep(UNANSWERED).await,
                }
                None
            }
            Some(Deed::Reject(how)) => Some(return_code(how.code)),
            Some(Deed::DropReply | Deed::Twice) | None => return Ok(admission),
        };
        let client_id = Some(client_id(&admission.login.identity));
        Err(admission::Rejection { code, client_id, reason: "a fault that this hub was asked for".to_owned() })
    }
}

fn return_code(code: u8) -> ConnectReturnCode {
    match code {
        1 => ConnectReturnCode::RefusedProtocolVersion,
        2 => ConnectReturnCode::BadClientId,
        3 => ConnectReturnCode::ServiceUnavailable,
        4 => ConnectReturnCode::BadUserNamePassword,
        _ => ConnectReturnCode::NotAuthorized,
    }
}
