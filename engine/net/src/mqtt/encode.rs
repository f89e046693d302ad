//! From packets to bytes: rumqttc's encoder behind the checks it leaves to the caller.
//! It cuts a length above 65,535 silently, leaves half a packet behind on an error, and writes CONNECT's flags at an
//! index counted from the buffer's start; hence the checks before and the empty buffer for CONNECT.

use bytes::{BufMut, BytesMut};

use super::{Connect, Limits, MqttError, Packet, Publish, QoS};

/// Appends a packet; on an error the buffer is unchanged.
pub(super) fn packet(packet: &Packet, max_packet: usize, out: &mut BytesMut) -> Result<(), MqttError> {
    match packet {
        Packet::Publish(one) => return publish(&one.topic, one, &one.payload, max_packet, out),
        Packet::Connect(connect) => check_connect(connect)?,
        Packet::Subscribe(subscribe) => {
            check_id(subscribe.pkid)?;
            subscribe.filters.iter().try_for_each(|filter| check_text(&filter.path))?;
        }
        Packet::Unsubscribe(unsubscribe) => {
            check_id(unsubscribe.pkid)?;
            unsubscribe.topics.iter().try_for_each(|filter| check_text(filter))?;
        }
        _ => {}
    }
    let refused = |_| MqttError::Unwritable("too large for the connection's limit");
    if matches!(packet, Packet::Connect(_)) {
        let mut alone = BytesMut::with_capacity(packet.size());
        packet.write(&mut alone, max_packet).map_err(refused)?;
        out.extend_from_slice(&alone);
    } else {
        packet.write(out, max_packet).map_err(refused)?;
    }
    Ok(())
}

/// The header fields of a publish, apart from topic and payload.
pub(super) trait PublishHead {
    fn qos(&self) -> QoS;
    fn pkid(&self) -> u16;
    fn dup(&self) -> bool;
    fn retain(&self) -> bool;
}

impl PublishHead for Publish {
    fn qos(&self) -> QoS {
        self.qos
    }
    fn pkid(&self) -> u16 {
        self.pkid
    }
    fn dup(&self) -> bool {
        self.dup
    }
    fn retain(&self) -> bool {
        self.retain
    }
}

/// A publish of QoS 0 without flags: what a server sends most.
pub(super) struct AtMostOnce;

impl PublishHead for AtMostOnce {
    fn qos(&self) -> QoS {
        QoS::AtMostOnce
    }
    fn pkid(&self) -> u16 {
        0
    }
    fn dup(&self) -> bool {
        false
    }
    fn retain(&self) -> bool {
        false
    }
}

/// Appends a publish of QoS 0 to `out`, for a connection's [`queue_written`](super::Connection::queue_written): a
/// sender in another task prepares the bytes, the connection's own task only passes them on.
///
/// # Errors
/// [`MqttError::Unwritable`]; `out` is unchanged then.
pub fn write_publish(topic: &str, payload: &[u8], limits: Limits, out: &mut BytesMut) -> Result<(), MqttError> {
    publish(topic, &AtMostOnce, payload, limits.max_packet, out)
}

/// Appends a publish straight from borrowed parts, with no packet in between.
pub(super) fn publish(
    topic: &str,
    head: &impl PublishHead,
    payload: &[u8],
    max_packet: usize,
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    check_text(topic)?;
    let with_id = head.qos() != QoS::AtMostOnce;
    if with_id {
        check_id(head.pkid())?;
    }
    let length = 2 + topic.len() + if with_id { 2 } else { 0 } + payload.len();
    // One byte of type and four of length at most: exact enough for a limit.
    if length + 5 > max_packet.min(256 * 1024 * 1024) {
        return Err(MqttError::Unwritable("too large for the connection's limit"));
    }
    out.reserve(length + 5);
    out.put_u8(0x30 | (u8::from(head.dup()) << 3) | ((head.qos() as u8) << 1) | u8::from(head.retain()));
    put_length(length, out);
    out.put_u16(u16::try_from(topic.len()).expect("the text was checked to fit two bytes of length"));
    out.put_slice(topic.as_bytes());
    if with_id {
        out.put_u16(head.pkid());
    }
    out.put_slice(payload);
    Ok(())
}

fn put_length(mut length: usize, out: &mut BytesMut) {
    loop {
        let low = u8::try_from(length & 0x7f).expect("seven bits fit a byte");
        length >>= 7;
        out.put_u8(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

fn check_connect(connect: &Connect) -> Result<(), MqttError> {
    check_text(&connect.client_id)?;
    if let Some(login) = &connect.login {
        check_text(&login.username)?;
        check_text(&login.password)?;
        if login.username.is_empty() && !login.password.is_empty() {
            return Err(MqttError::Unwritable("a password needs a user name"));
        }
    }
    if let Some(will) = &connect.last_will {
        check_text(&will.topic)?;
        if will.message.len() > usize::from(u16::MAX) {
            return Err(MqttError::Unwritable("a will's message has at most 65535 bytes"));
        }
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), MqttError> {
    if text.len() > usize::from(u16::MAX) {
        return Err(MqttError::Unwritable("a text has at most 65535 bytes"));
    }
    Ok(())
}

fn check_id(pkid: u16) -> Result<(), MqttError> {
    if pkid == 0 { Err(MqttError::Unwritable("a packet identifier of 0")) } else { Ok(()) }
}
