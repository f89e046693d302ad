//! The fixed header: where one packet ends in a stream of bytes, and whether its announced size is taken at all.

use super::{MqttError, Violation};

/// At most four bytes of remaining length, so a packet is below 256 MiB.
const LENGTH_BYTES: usize = 4;

/// A whole packet found at the start of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Packet type, 1 to 14.
    pub(super) kind: u8,
    /// The low four bits of the first byte.
    pub(super) flags: u8,
    /// Bytes of the fixed header.
    pub(super) head: usize,
    /// Bytes of the packet, header included.
    pub(super) total: usize,
}

/// Finds the first packet; `None` when bytes are missing. The first byte and the announced length are judged as soon
/// as they are there, so nobody buffers a packet that will be refused.
pub(super) fn first(bytes: &[u8], max_packet: usize) -> Result<Option<Frame>, MqttError> {
    let Some((&lead, rest)) = bytes.split_first() else { return Ok(None) };
    let (kind, flags) = (lead >> 4, lead & 0x0f);
    check_lead(kind, flags)?;
    let Some((length, length_bytes)) = remaining_length(rest)? else { return Ok(None) };
    let head = 1 + length_bytes;
    let total = head + length;
    if total > max_packet {
        return Err(MqttError::TooLarge { announced: total, limit: max_packet });
    }
    Ok((bytes.len() >= total).then_some(Frame { kind, flags, head, total }))
}

fn check_lead(kind: u8, flags: u8) -> Result<(), Violation> {
    let wanted = match kind {
        0 | 15 => return Err(Violation::PacketType(kind)),
        // PUBLISH carries its own meaning there.
        3 => return Ok(()),
        6 | 8 | 10 => 0b0010,
        _ => 0,
    };
    if flags == wanted { Ok(()) } else { Err(Violation::Flags { kind, flags }) }
}

fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Violation> {
    let mut length = 0;
    for (index, byte) in bytes.iter().take(LENGTH_BYTES).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 1)));
        }
    }
    if bytes.len() < LENGTH_BYTES { Ok(None) } else { Err(Violation::RemainingLength) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_one_to_four_bytes_are_read() {
        for (bytes, wanted) in [
            (&[0x00][..], Some((0, 1))),
            (&[0x7f], Some((127, 1))),
            (&[0x80, 0x01], Some((128, 2))),
            (&[0xff, 0x7f], Some((16_383, 2))),
            (&[0xff, 0xff, 0xff, 0x7f], Some((268_435_455, 4))),
            (&[0x80, 0x80, 0x80], None),
            (&[], None),
        ] {
            assert_eq!(remaining_length(bytes), Ok(wanted), "{bytes:?}");
        }
        assert_eq!(remaining_length(&[0x80, 0x80, 0x80, 0x80]), Err(Violation::RemainingLength));
    }

    #[test]
    fn a_too_large_packet_is_refused_from_its_header_alone() {
        let refused = first(&[0x30, 0xff, 0xff, 0xff, 0x7f], 1024);
        assert!(matches!(refused, Err(MqttError::TooLarge { announced: 268_435_460, limit: 1024 })), "{refused:?}");
        assert!(matches!(first(&[0x30, 100], 102), Ok(None)));
        assert!(matches!(first(&[0x30, 100], 101), Err(MqttError::TooLarge { .. })));
    }
}
