//! The lines of an outbox's file: length, checksum and content of each. Knows no file; what it reads it does not trust.

use bytes::Bytes;
use serde_json::{Map, Value};
use wire::PropertyBag;
use wire::limits::{D2C_BYTES, TOPIC_BYTES};

/// Length and checksum before each record.
const HEAD: usize = 8;

/// Kind and number before each content.
const FRONT: usize = 9;

/// The largest record: the largest message, with its properties three times as long as percent-encoding makes them.
const LONGEST: usize = FRONT + 4 + D2C_BYTES + 3 * TOPIC_BYTES;

const MESSAGE: u8 = b'm';
const MESSAGE_DONE: u8 = b'd';
const REPORT: u8 = b'r';
const REPORTS_DONE: u8 = b's';

/// What one record says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    /// A message waits.
    Message { number: u64, properties: PropertyBag, body: Bytes },
    /// It was taken, dropped or given up.
    MessageDone { number: u64 },
    /// A patch waits.
    Report { number: u64, patch: Map<String, Value> },
    /// This patch and those before it are answered.
    ReportsDone { number: u64 },
}

impl Record {
    /// Its number among its kind.
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Message { number, .. }
            | Self::MessageDone { number }
            | Self::Report { number, .. }
            | Self::ReportsDone { number } => *number,
        }
    }
}

/// How the reading of a file's content ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At its last byte.
    Whole,
    /// Within the last record, as a power cut leaves it. Whole records end here.
    Torn(usize),
    /// At a record that was written whole and is not what was written. Whole records end here.
    Damaged(usize),
}

/// Appends the record of a message.
pub(super) fn put_message(to: &mut Vec<u8>, number: u64, properties: &PropertyBag, body: &[u8]) {
    let bag = properties.to_string();
    let length = u32::try_from(bag.len()).expect("a topic has at most 64 KiB");
    put(to, MESSAGE, number, &[&length.to_le_bytes(), bag.as_bytes(), body]);
}

/// Appends the end of a message.
pub(super) fn put_message_done(to: &mut Vec<u8>, number: u64) {
    put(to, MESSAGE_DONE, number, &[]);
}

/// Appends the record of a patch.
pub(crate) fn put_report(to: &mut Vec<u8>, number: u64, patch: &Map<String, Value>) {
    let bytes = serde_json::to_vec(patch).expect("a map with text keys is JSON");
    put(to, REPORT, number, &[&bytes]);
}

/// Appends the end of all patches up to this one.
pub(crate) fn put_reports_done(to: &mut Vec<u8>, number: u64) {
    put(to, REPORTS_DONE, number, &[]);
}

fn put(to: &mut Vec<u8>, kind: u8, number: u64, parts: &[&[u8]]) {
    let start = to.len();
    to.extend([0; HEAD]);
    to.push(kind);
    to.extend(number.to_le_bytes());
    parts.iter().for_each(|part| to.extend_from_slice(part));
    let content = &to[start + HEAD..];
    let length = u32::try_from(content.len()).expect("a record is far smaller than 4 GiB");
    let sum = checksum(content);
    to[start..start + 4].copy_from_slice(&length.to_le_bytes());
    to[start + 4..start + HEAD].copy_from_slice(&sum.to_le_bytes());
}

/// All whole records, and how it ended.
pub(super) fn read(bytes: &[u8]) -> (Vec<Record>, End) {
    let (mut records, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = &bytes[at..];
        // A file system may give back zeros where the last write did not reach the disk.
        if rest.len() < HEAD || rest.iter().all(|byte| *byte == 0) {
            return (records, End::Torn(at));
        }
        let (length, sum) = (word(&rest[..4]) as usize, word(&rest[4..HEAD]));
        if !(FRONT..=LONGEST).contains(&length) {
            return (records, End::Damaged(at));
        }
        let Some(content) = rest.get(HEAD..HEAD + length) else { return (records, End::Torn(at)) };
        match parse(content).filter(|_| checksum(content) == sum) {
            Some(record) => records.push(record),
            None if at + HEAD + length == bytes.len() => return (records, End::Torn(at)),
            None => return (records, End::Damaged(at)),
        }
        at += HEAD + length;
    }
    (records, End::Whole)
}

fn parse(content: &[u8]) -> Option<Record> {
    let (kind, rest) = content.split_first()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let number = u64::from_le_bytes(*number);
    Some(match *kind {
        MESSAGE => {
            let (length, rest) = rest.split_at_checked(4)?;
            let (bag, body) = rest.split_at_checked(word(length) as usize)?;
            let properties = std::str::from_utf8(bag).ok()?.parse().ok()?;
            Record::Message { number, properties, body: Bytes::copy_from_slice(body) }
        }
        MESSAGE_DONE => Record::MessageDone { number },
        REPORT => Record::Report { number, patch: serde_json::from_slice(rest).ok()? },
        REPORTS_DONE => Record::ReportsDone { number },
        _ => return None,
    })
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes are asked for"))
}

/// CRC-32 (IEEE 802.3), a table of 16: small, and quick enough for what a device sends.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = {
        let (mut table, mut at) = ([0; 16], 0);
        while at < 16 {
            let (mut value, mut bit) = (at as u32, 0);
            while bit < 4 {
                value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    let step = |sum: u32, nibble: u32| TABLE[((sum ^ nibble) & 15) as usize] ^ (sum >> 4);
    let all = |sum, byte: &u8| step(step(sum, u32::from(*byte)), u32::from(*byte) >> 4);
    !bytes.iter().fold(!0, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn some() -> (Vec<u8>, Vec<usize>) {
        let mut bag = PropertyBag::default();
        bag.push("$.mid", "a-1");
        bag.push("key with blanks", "\u{e9}=&");
        let patch = json!({"a": {"b": null}}).as_object().unwrap().clone();
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        let mut put = |write: &dyn Fn(&mut Vec<u8>)| {
            write(&mut bytes);
            ends.push(bytes.len());
        };
        put(&|to| put_message(to, 1, &bag, b"\0body\xff"));
        put(&|to| put_report(to, 7, &patch));
        put(&|to| put_message_done(to, 1));
        put(&|to| put_message(to, 2, &PropertyBag::default(), b""));
        put(&|to| put_reports_done(to, 7));
        (bytes, ends)
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_file_cut_anywhere_gives_its_whole_records() {
        let (bytes, ends) = some();
        let (all, end) = read(&bytes);
        assert_eq!((all.len(), end), (5, End::Whole));
        for cut in 0..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let expected = if ends.contains(&cut) { End::Whole } else { End::Torn(ends[whole]) };
            let (read, end) = read(&bytes[..cut]);
            assert_eq!((&read[..], end), (&all[..whole], expected), "cut at {cut}");
            let mut zeros = bytes[..cut].to_vec();
            zeros.resize(cut + 64, 0);
            let (kept, _) = super::read(&zeros);
            assert!(kept.starts_with(&all[..whole]) && kept.len() <= whole + 1, "zeros from {cut}");
        }
    }

    #[test]
    fn damage_before_the_end_is_told_from_a_torn_end() {
        let (bytes, ends) = some();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x41;
            let hit = ends.iter().filter(|end| **end <= at).count() - 1;
            let (records, end) = read(&other);
            assert_eq!(records.len(), hit, "byte {at}");
            assert!(matches!(end, End::Damaged(from) | End::Torn(from) if from == ends[hit]), "byte {at}: {end:?}");
        }
    }

    proptest! {
        #[test]
        fn scraps_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let (records, _) = read(&bytes);
            prop_assert!(records.len() <= bytes.len() / (HEAD + FRONT));
        }
    }
}
