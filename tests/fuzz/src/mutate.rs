//! Breaks an input a little: bits, bytes, lengths, words, halves of other inputs.

use crate::random::Random;

/// Longer inputs are cut: what grows from round to round would only become slow.
const LONGEST: usize = 16 * 1024;
/// Numbers at which code turns.
const EDGES: [&[u8]; 22] = [
    b"0",
    b"-1",
    b"1e308",
    b"-0.0",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"2147483648",
    b"65536",
    b"\0",
    b"\xff\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x98\x80",
    b"%00",
    b"%",
    b"\r\n",
    b"${{",
    b"}}",
];

/// Some changes to the bytes; `words` are those of the language, `other` is a second input to take pieces from.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random, words: &[&[u8]], other: &[u8]) {
    let most = if random.once_in(8) { 16 } else { 3 };
    let changes = 1 + random.below(most);
    for _ in 0..changes {
        change(bytes, random, words, other);
        bytes.truncate(LONGEST);
    }
}

fn change(bytes: &mut Vec<u8>, random: &mut Random, words: &[&[u8]], other: &[u8]) {
    let at = random.below(bytes.len() + 1);
    let reach = if random.once_in(4) { 64 } else { 4 };
    let end = (at + 1 + random.below(reach)).min(bytes.len()).max(at);
    match random.below(9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = random.byte(),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let again = bytes[at..end].to_vec();
            let times = if random.once_in(16) { 64 } else { 1 };
            let many: Vec<u8> = again.repeat(times);
            drop(bytes.splice(at..at, many));
        }
        4 if !words.is_empty() => drop(bytes.splice(at..at, random.pick(words).iter().copied())),
        5 => drop(bytes.splice(at..end, random.pick(&EDGES).iter().copied())),
        6 if !other.is_empty() => {
            let from = random.below(other.len());
            let to = (from + 1 + random.below(64)).min(other.len());
            drop(bytes.splice(at..end, other[from..to].iter().copied()));
        }
        7 if !other.is_empty() => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len())..]);
        }
        8 if random.once_in(4) => bytes.truncate(at),
        _ => bytes.insert(at, random.byte()),
    }
}
