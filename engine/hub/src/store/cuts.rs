//! The file of the state cut at every byte, left by a hub that stopped and by one that was killed: each cut opens with
//! everything that was acknowledged, or is refused with the file's name. Never a panic, never less than all. Some of the cuts go
//! through a file; all of them, by command, through a copy in memory that only holds what was changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::disk::read_backend;
use super::{Store, StoreOpenError, Table, Write};

/// Cuts of each file; `IOTPLAY_TEST_CUTS` asks for another number, and one beyond the file's length cuts at every byte.
const CUTS: usize = 2_048;
/// Changed bytes: the check is the same, so fewer do.
const CHANGED: usize = 256;

type Rows = BTreeMap<(Table, String), Vec<u8>>;

fn open(path: &Path) -> Result<(Store, crate::store::StoreWorkers, Rows), StoreOpenError> {
    let mut rows = Rows::new();
    let (store, workers) = Store::open(path, &mut |table, key, value| {
        rows.insert((table, key.to_owned()), value.to_vec());
        Ok(())
    })?;
    Ok((store, workers, rows))
}

/// A file with some history: many groups of commits, documents that grow and go. `killed` is its copy before the store closed.
fn write_history(path: &Path, killed: &Path) -> Rows {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, workers, _) = open(path).unwrap();
        let running = tokio::spawn(workers.acknowledged.run());
        for round in 0..40 {
            let mut waiting = Vec::new();
            for device in 0..20 {
                let key = format!("device-{device}");
                let (sender, written) = tokio::sync::oneshot::channel();
                let write = if (device + round) % 7 == 0 {
                    Write::remove(Table::Twins, key)
                } else {
                    Write::put(Table::Twins, key, vec![b'x'; 40 + (round * 37 + device * 11) % 400])
                };
                let slot = store.slot().await.unwrap();
                store.write(slot, vec![write], Box::new(|result| sender.send(result).unwrap()));
                waiting.push(written);
            }
            for written in waiting {
                written.await.unwrap().unwrap();
            }
        }
        std::fs::copy(path, killed).unwrap();
        store.close();
        workers.writer.unwrap().join().unwrap();
        running.await.unwrap();
    });
    let (store, workers, rows) = open(path).unwrap();
    store.close();
    workers.writer.unwrap().join().unwrap();
    rows
}

/// The places of `wanted` in a file, from its beginning to its end.
fn places(length: usize, wanted: usize) -> impl Iterator<Item = usize> {
    (0..=wanted).map(move |index| length * index / wanted.max(1))
}

fn wanted(default: usize) -> usize {
    std::env::var("IOTPLAY_TEST_CUTS").ok().and_then(|cuts| cuts.parse().ok()).unwrap_or(default)
}

/// Opens what was left of a file; how often it was whole.
fn count_whole(left: impl Iterator<Item = Vec<u8>>, rows: &Rows) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.redb");
    let mut whole = 0;
    for (index, bytes) in left.enumerate() {
        std::fs::write(&path, bytes).unwrap();
        match open(&path) {
            Ok((store, workers, found)) => {
                whole += 1;
                assert_eq!(&found, rows, "number {index}");
                store.close();
                workers.writer.unwrap().join().unwrap();
            }
            Err(error) => {
                assert!(error.to_string().contains("hub.redb"), "{error}");
                assert!(matches!(error, StoreOpenError::Damaged { .. }), "number {index}: {error:?}");
            }
        }
    }
    whole
}

/// The files that a hub leaves when it stops and when it is killed, and what is in both.
fn left_behind() -> (Vec<u8>, Vec<u8>, Rows) {
    let folder = tempfile::tempdir().unwrap();
    let (stopped, killed) = (folder.path().join("stopped.redb"), folder.path().join("killed.redb"));
    let rows = write_history(&stopped, &killed);
    (std::fs::read(stopped).unwrap(), std::fs::read(killed).unwrap(), rows)
}

#[test]
fn the_file_of_a_stopped_hub_cut_at_any_byte_opens_whole_or_is_refused_by_name() {
    let (stopped, _, rows) = left_behind();
    let cuts = places(stopped.len(), wanted(CUTS)).map(|length| stopped[..length].to_vec());
    assert!(count_whole(cuts, &rows) > 0, "the whole file opens");
}

#[test]
fn the_file_of_a_killed_hub_cut_at_any_byte_opens_whole_or_is_refused_by_name() {
    let (_, killed, rows) = left_behind();
    let cuts = places(killed.len(), wanted(CUTS)).map(|length| killed[..length].to_vec());
    assert!(count_whole(cuts, &rows) > 0, "the whole file opens");
}

/// A file that was cut, in memory: the bytes that were left are shared, and what is written goes beside them.
#[derive(Debug)]
struct Cut {
    left: Arc<[u8]>,
    state: Mutex<Overlay>,
}

#[derive(Debug)]
struct Overlay {
    length: usize,
    /// Of `left`, what still counts: nothing that was cut off later comes back.
    kept: usize,
    written: BTreeMap<usize, u8>,
}

impl Cut {
    fn new(left: &Arc<[u8]>, length: usize) -> Self {
        let state = Mutex::new(Overlay { length, kept: length, written: BTreeMap::new() });
        Self { left: Arc::clone(left), state }
    }
}

impl redb::StorageBackend for Cut {
    fn len(&self) -> Result<u64, std::io::Error> {
        Ok(self.state.lock().unwrap().length as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        let (state, from) = (self.state.lock().unwrap(), usize::try_from(offset).unwrap());
        let to = from.checked_add(out.len()).filter(|to| *to <= state.length);
        let to = to.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::UnexpectedEof))?;
        out.fill(0);
        let (begin, end) = (from.min(state.kept), to.min(state.kept));
        out[..end - begin].copy_from_slice(&self.left[begin..end]);
        for (at, byte) in state.written.range(from..to) {
            out[at - from] = *byte;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), std::io::Error> {
        let (mut state, length) = (self.state.lock().unwrap(), usize::try_from(length).unwrap());
        (state.length, state.kept) = (length, state.kept.min(length));
        drop(state.written.split_off(&length));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        let (mut state, from) = (self.state.lock().unwrap(), usize::try_from(offset).unwrap());
        state.length = state.length.max(from + data.len());
        state.written.extend(data.iter().enumerate().map(|(index, byte)| (from + index, *byte)));
        Ok(())
    }
}

/// Opens these lengths of a file, each with the checks that the hub makes; how often it was whole.
fn count_whole_in_memory(left: &Arc<[u8]>, lengths: impl Iterator<Item = usize>, rows: &Rows) -> usize {
    let mut whole = 0;
    // What is said of the damage is tried through the file; here it would only fill the log.
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for length in lengths {
        let mut found = Rows::new();
        let mut row = |table, key: &str, value: &[u8]| {
            found.insert((table, key.to_owned()), value.to_vec());
            Ok(())
        };
        match read_backend(Path::new("hub.redb"), Cut::new(left, length), &mut row) {
            Ok(()) => {
                whole += 1;
                assert_eq!(&found, rows, "{length} bytes");
            }
            Err(error) => assert!(matches!(error, StoreOpenError::Damaged { .. }), "{length} bytes: {error:?}"),
        }
    }
    std::panic::set_hook(loud);
    whole
}

#[test]
fn cut_at_every_byte_it_opens_whole_or_is_refused() {
    let (stopped, killed, rows) = left_behind();
    for bytes in [stopped, killed] {
        let left: Arc<[u8]> = bytes.into();
        // Nothing at all is another case: a new file, which the hub never takes for its own.
        let lengths = 1..=left.len();
        let whole = count_whole_in_memory(&left, lengths, &rows);
        assert!(whole > 0, "the whole file opens");
    }
}

#[test]
fn a_byte_changed_anywhere_is_noticed_or_does_not_matter() {
    let (stopped, _, rows) = left_behind();
    let changed = places(stopped.len() - 1, wanted(CHANGED)).map(|at| {
        let mut bytes = stopped.clone();
        bytes[at] ^= 0x55;
        bytes
    });
    count_whole(changed, &rows);
}
