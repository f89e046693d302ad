//! The heads of frames and their masks, pure: bytes in, a checked head out, and back. Also the proof of a handshake.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::WsViolation;

/// The largest payload of one frame that is taken. SDKs put a packet, or a few small ones, into a frame, and the largest
/// packet has less than half of this; nothing is held in memory for it.
pub const MAX_FRAME: u64 = 1024 * 1024;
/// The longest head: two bytes, eight of length, four of mask.
pub(super) const LONGEST_HEAD: usize = 14;
/// The largest payload of Close, Ping and Pong.
pub(super) const MAX_CONTROL: u64 = 125;

/// Fixed by RFC 6455: a server that knows it is no other kind of server.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The head of a frame, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) length: u64,
}

/// How many bytes the head has that begins with these; at most two are looked at.
pub(super) fn head_length(bytes: &[u8]) -> usize {
    let [_, second, ..] = bytes else { return 2 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 == 0 { 0 } else { 4 }
}

/// Reads a whole head, as [`head_length`] measures it. `masked` is what the peer's role asks of it.
pub(super) fn read_head(bytes: &[u8], masked: bool) -> Result<Head, WsViolation> {
    let [first, second, rest @ ..] = bytes else { return Err(WsViolation::Length) };
    if first & 0x70 != 0 {
        return Err(WsViolation::ReservedBits);
    }
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 => return Err(WsViolation::Text),
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        other => return Err(WsViolation::Opcode(other)),
    };
    if (second & 0x80 != 0) != masked {
        return Err(WsViolation::Masking);
    }
    let (length, rest) = read_length(second & 0x7f, rest)?;
    let last = first & 0x80 != 0;
    if opcode.is_control() && (!last || length > MAX_CONTROL) {
        return Err(WsViolation::Control);
    }
    if length > MAX_FRAME {
        return Err(WsViolation::TooLarge(length));
    }
    let mask = match (masked, rest) {
        (true, [a, b, c, d]) => Some([*a, *b, *c, *d]),
        (false, []) => None,
        _ => return Err(WsViolation::Length),
    };
    Ok(Head { last, opcode, mask, length })
}

fn read_length(short: u8, rest: &[u8]) -> Result<(u64, &[u8]), WsViolation> {
    match short {
        126 => {
            let (bytes, rest) = rest.split_first_chunk::<2>().ok_or(WsViolation::Length)?;
            let length = u64::from(u16::from_be_bytes(*bytes));
            if length < 126 { Err(WsViolation::Length) } else { Ok((length, rest)) }
        }
        127 => {
            let (bytes, rest) = rest.split_first_chunk::<8>().ok_or(WsViolation::Length)?;
            let length = u64::from_be_bytes(*bytes);
            if length <= u64::from(u16::MAX) || length >> 63 != 0 {
                return Err(WsViolation::Length);
            }
            Ok((length, rest))
        }
        length => Ok((u64::from(length), rest)),
    }
}

/// Writes a whole frame behind what is in `out`, masked if there is a mask.
pub(super) fn write(opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    out.push(0x80 | opcode as u8);
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..126), _) => out.push(masked | length),
        (_, Ok(length)) => {
            out.push(masked | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(mask.into_iter().flatten());
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[start..], mask);
    }
}

/// Puts a mask on, or takes it off.
pub(super) fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    for chunk in bytes.chunks_mut(4) {
        for (byte, mask) in chunk.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

/// The mask as it stands `taken` bytes later.
pub(super) fn turn_mask(mask: [u8; 4], taken: usize) -> [u8; 4] {
    let mut mask = mask;
    mask.rotate_left(taken % 4);
    mask
}

/// What a server answers to a client's key (`Sec-WebSocket-Accept` to `Sec-WebSocket-Key`).
pub fn accept_key(key: &str) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key.as_bytes());
    digest.update(GUID.as_bytes());
    STANDARD.encode(digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc_is_answered() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let head = read_head(&[0x82, 0x7e, 0x01, 0x00], false).unwrap();
        assert_eq!(head, Head { last: true, opcode: Opcode::Binary, mask: None, length: 256 });
        let head = read_head(&[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d], true).unwrap();
        assert_eq!(head.mask, Some([0x37, 0xfa, 0x21, 0x3d]));
    }

    #[test]
    fn what_breaks_the_rules_is_named() {
        for (bytes, masked, violation) in [
            (&[0xc2, 0x00][..], false, WsViolation::ReservedBits),
            (&[0x81, 0x00], false, WsViolation::Text),
            (&[0x83, 0x00], false, WsViolation::Opcode(3)),
            (&[0x8b, 0x00], false, WsViolation::Opcode(11)),
            (&[0x82, 0x00], true, WsViolation::Masking),
            (&[0x82, 0x80, 1, 2, 3, 4], false, WsViolation::Masking),
            (&[0x82, 0x7e, 0, 125], false, WsViolation::Length),
            (&[0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff], false, WsViolation::Length),
            (&[0x82, 0x7f, 0x80, 0, 0, 0, 0, 1, 0, 0], false, WsViolation::Length),
            (&[0x82, 0x7f, 0, 0, 0, 0, 0, 0x10, 0, 1], false, WsViolation::TooLarge(1_048_577)),
            (&[0x09, 0x00], false, WsViolation::Control),
            (&[0x89, 0x7e, 0, 126], false, WsViolation::Control),
        ] {
            assert_eq!(head_length(bytes), bytes.len());
            assert_eq!(read_head(bytes, masked), Err(violation), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn frames_round_trip(length in prop_oneof![0..300_usize, 65_000..66_000_usize], mask in any::<Option<[u8; 4]>>()) {
            let payload: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let mut frame = Vec::new();
            write(Opcode::Binary, &payload, mask, &mut frame);
            let at = head_length(&frame);
            let head = read_head(&frame[..at], mask.is_some()).unwrap();
            prop_assert_eq!(head, Head { last: true, opcode: Opcode::Binary, mask, length: length as u64 });
            let body = &mut frame[at..];
            // Taken off in two parts, as a stream does it.
            let cut = length / 3;
            if let Some(mask) = mask {
                apply_mask(&mut body[..cut], mask);
                apply_mask(&mut body[cut..], turn_mask(mask, cut));
            }
            prop_assert_eq!(&body[..], &payload[..]);
        }

        #[test]
        fn no_head_panics(bytes in proptest::collection::vec(any::<u8>(), 0..16), masked: bool) {
            let length = head_length(&bytes).min(bytes.len());
            let _ = read_head(&bytes[..length], masked);
        }
    }
}
