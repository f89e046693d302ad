//! From the bytes of one packet to rumqttc's packet types, with every check that MQTT 3.1.1 asks of a receiver.

use bytes::Bytes;
use rumqttc::mqttbytes::v4::{PubComp, PubRec, PubRel};

use super::frame::Frame;
use super::reader::Reader;
use super::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Login, MqttError, Packet, Protocol, PubAck, Publish, QoS, SubAck,
    Subscribe, SubscribeFilter, SubscribeReasonCode, UnsubAck, Unsubscribe, Violation,
};

const PROTOCOL: &str = "MQTT";
/// The name that MQTT 3.1 used; such a client deserves the answer "wrong version" rather than silence.
const PROTOCOL_31: &str = "MQIsdp";
const LEVEL: u8 = 4;

/// What rumqttc's types cannot carry: an absent user name and an empty one look alike there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawFlags {
    /// CONNECT: the user name field is present.
    pub has_user: bool,
    /// CONNECT: the password field is present.
    pub has_password: bool,
}

pub(super) fn packet(frame: Frame, bytes: &[u8]) -> Result<(Packet, RawFlags), MqttError> {
    let mut reader = Reader::new(&bytes[frame.head..frame.total]);
    let reader = &mut reader;
    let packet = match frame.kind {
        1 => return connect(reader).map(|(connect, flags)| (Packet::Connect(connect), flags)),
        2 => Packet::ConnAck(conn_ack(reader)?),
        3 => Packet::Publish(publish(frame.flags, reader)?),
        4 => Packet::PubAck(PubAck { pkid: reader.packet_id()? }),
        5 => Packet::PubRec(PubRec { pkid: reader.packet_id()? }),
        6 => Packet::PubRel(PubRel { pkid: reader.packet_id()? }),
        7 => Packet::PubComp(PubComp { pkid: reader.packet_id()? }),
        8 => Packet::Subscribe(subscribe(reader)?),
        9 => Packet::SubAck(sub_ack(reader)?),
        10 => Packet::Unsubscribe(unsubscribe(reader)?),
        11 => Packet::UnsubAck(UnsubAck { pkid: reader.packet_id()? }),
        12 => Packet::PingReq,
        13 => Packet::PingResp,
        14 => Packet::Disconnect,
        kind => return Err(Violation::PacketType(kind).into()),
    };
    reader.end()?;
    Ok((packet, RawFlags::default()))
}

fn publish(flags: u8, reader: &mut Reader<'_>) -> Result<Publish, Violation> {
    let qos = quality((flags >> 1) & 0b11)?;
    let dup = flags & 0b1000 != 0;
    if dup && qos == QoS::AtMostOnce {
        return Err(Violation::DupAtMostOnce);
    }
    let topic = reader.topic()?.to_owned();
    let pkid = if qos == QoS::AtMostOnce { 0 } else { reader.packet_id()? };
    // One exact copy: a slice of the receive buffer would keep all of that buffer alive.
    let payload = Bytes::copy_from_slice(reader.rest());
    Ok(Publish { dup, qos, retain: flags & 1 != 0, topic, pkid, payload })
}

fn connect(reader: &mut Reader<'_>) -> Result<(Connect, RawFlags), MqttError> {
    let name = reader.text()?;
    let level = reader.byte()?;
    match (name, level) {
        (PROTOCOL, LEVEL) => {}
        (PROTOCOL, _) => return Err(MqttError::Level(level)),
        (PROTOCOL_31, _) if level != LEVEL => return Err(MqttError::Level(level)),
        _ => return Err(Violation::ProtocolName.into()),
    }
    let flags = ConnectFlags(reader.byte()?);
    flags.check()?;
    let keep_alive = reader.number()?;
    let client_id = reader.text()?.to_owned();
    let last_will = if flags.will() { Some(will(flags, reader)?) } else { None };
    let username = if flags.user() { Some(reader.text()?) } else { None };
    let password = if flags.password() { Some(reader.binary()?) } else { None };
    reader.end()?;
    // MQTT allows any bytes here; every password in use is text, and rumqttc's type holds text.
    let password = password.map(|bytes| std::str::from_utf8(bytes).map_err(|_| Violation::NotUtf8)).transpose()?;
    let raw = RawFlags { has_user: username.is_some(), has_password: password.is_some() };
    let login = username.map(|user| Login::new(user, password.unwrap_or_default()));
    let clean_session = flags.clean();
    Ok((Connect { protocol: Protocol::V4, keep_alive, client_id, clean_session, last_will, login }, raw))
}

fn will(flags: ConnectFlags, reader: &mut Reader<'_>) -> Result<LastWill, Violation> {
    let topic = reader.topic()?.to_owned();
    let message = Bytes::copy_from_slice(reader.binary()?);
    Ok(LastWill { topic, message, qos: quality(flags.will_qos())?, retain: flags.will_retain() })
}

/// The byte of CONNECT that says which fields follow.
#[derive(Clone, Copy)]
struct ConnectFlags(u8);

impl ConnectFlags {
    fn bit(self, bit: u8) -> bool {
        self.0 & (1 << bit) != 0
    }
    fn clean(self) -> bool {
        self.bit(1)
    }
    fn will(self) -> bool {
        self.bit(2)
    }
    fn will_qos(self) -> u8 {
        (self.0 >> 3) & 0b11
    }
    fn will_retain(self) -> bool {
        self.bit(5)
    }
    fn password(self) -> bool {
        self.bit(6)
    }
    fn user(self) -> bool {
        self.bit(7)
    }

    fn check(self) -> Result<(), Violation> {
        let reserved = self.bit(0);
        let half_a_will = !self.will() && (self.will_qos() != 0 || self.will_retain());
        let nameless_password = self.password() && !self.user();
        if reserved || half_a_will || nameless_password || self.will_qos() == 3 {
            return Err(Violation::ConnectFlags(self.0));
        }
        Ok(())
    }
}

fn conn_ack(reader: &mut Reader<'_>) -> Result<ConnAck, Violation> {
    let flags = reader.byte()?;
    let code = match reader.byte()? {
        0 => ConnectReturnCode::Success,
        1 => ConnectReturnCode::RefusedProtocolVersion,
        2 => ConnectReturnCode::BadClientId,
        3 => ConnectReturnCode::ServiceUnavailable,
        4 => ConnectReturnCode::BadUserNamePassword,
        5 => ConnectReturnCode::NotAuthorized,
        other => return Err(Violation::ReturnCode(other)),
    };
    if flags > 1 || (flags == 1 && code != ConnectReturnCode::Success) {
        return Err(Violation::ConnAckFlags(flags));
    }
    Ok(ConnAck { session_present: flags == 1, code })
}

fn subscribe(reader: &mut Reader<'_>) -> Result<Subscribe, Violation> {
    let pkid = reader.packet_id()?;
    let mut filters = Vec::new();
    while !reader.is_empty() {
        let path = reader.filter()?.to_owned();
        filters.push(SubscribeFilter { path, qos: quality(reader.byte()?)? });
    }
    if filters.is_empty() { Err(Violation::NoFilters) } else { Ok(Subscribe { pkid, filters }) }
}

fn sub_ack(reader: &mut Reader<'_>) -> Result<SubAck, Violation> {
    let pkid = reader.packet_id()?;
    let mut return_codes = Vec::new();
    while !reader.is_empty() {
        return_codes.push(match reader.byte()? {
            0x80 => SubscribeReasonCode::Failure,
            code => SubscribeReasonCode::Success(quality(code).map_err(|_| Violation::ReturnCode(code))?),
        });
    }
    if return_codes.is_empty() { Err(Violation::NoFilters) } else { Ok(SubAck { pkid, return_codes }) }
}

fn unsubscribe(reader: &mut Reader<'_>) -> Result<Unsubscribe, Violation> {
    let pkid = reader.packet_id()?;
    let mut topics = Vec::new();
    while !reader.is_empty() {
        topics.push(reader.filter()?.to_owned());
    }
    if topics.is_empty() { Err(Violation::NoFilters) } else { Ok(Unsubscribe { pkid, topics }) }
}

fn quality(bits: u8) -> Result<QoS, Violation> {
    match bits {
        0 => Ok(QoS::AtMostOnce),
        1 => Ok(QoS::AtLeastOnce),
        2 => Ok(QoS::ExactlyOnce),
        other => Err(Violation::QoS(other)),
    }
}
