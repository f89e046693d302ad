//! The file of the state cut at every byte, left by a hub that stopped and by one that was killed: each cut opens with
//! everything that was acknowledged, or is refused with the file's name. Never a panic, never less than all.

use std::collections::BTreeMap;
use std::path::Path;

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
