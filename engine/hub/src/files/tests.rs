//! Contents alone, without HTTP: whatever the pieces and wherever they stop, room is given back and nothing half is kept.

use std::collections::HashSet;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::{Body, Frame};
use proptest::prelude::*;
use wire::blob::BlockId;

use super::{FileLimits, Files};

const LIMITS: FileLimits = FileLimits { file: 1_000, total: 3_000, ttl: std::time::Duration::from_secs(60) };

fn files(folder: &std::path::Path, known: &[u64]) -> std::sync::Arc<Files> {
    let known: HashSet<u64> = known.iter().copied().collect();
    Files::open(Some(folder), LIMITS, &known, &HashSet::from(["ab".to_owned()])).unwrap().0
}

/// A body in pieces that breaks off after them, or not.
fn body(pieces: Vec<usize>, broken: bool) -> impl Body<Data = Bytes, Error = String> + Unpin {
    let pieces = pieces.into_iter().map(|size| Ok(Frame::data(Bytes::from(vec![7; size]))));
    let end = broken.then(|| Err("cut off".to_owned()));
    StreamBody::new(stream::iter(pieces.chain(end)))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pieces_become_a_file_or_nothing(pieces in proptest::collection::vec(0_usize..400, 0..6), broken: bool) {
        runtime().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let files = files(folder.path(), &[]);
            let size = pieces.iter().sum::<usize>() as u64;
            let received = files.receive(body(pieces, broken), LIMITS.file).await;
            assert_eq!(received.is_ok(), !broken && size <= LIMITS.file);
            if let Ok(written) = received {
                assert_eq!((written.size, files.counts().bytes), (size, size));
                assert_eq!(std::fs::metadata(&written.path).unwrap().len(), size);
            }
            // It had no name: it is gone, and so is what it took.
            assert_eq!(files.counts().bytes, 0);
            assert_eq!(std::fs::read_dir(folder.path().join("files")).unwrap().count(), 0);
        });
    }

    /// Blocks in any order, some of them twice: what a new start finds is what was acknowledged.
    #[test]
    fn blocks_count_once_and_are_found_again(sent in proptest::collection::vec((0_u8..5, 0_usize..200), 1..10)) {
        runtime().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let first = files(folder.path(), &[]);
            let mut last = std::collections::BTreeMap::new();
            for (id, size) in sent {
                let id = BlockId::of_hex(&format!("{id:02x}")).unwrap();
                first.put_block("ab", id.clone(), body(vec![size], false)).await.unwrap();
                last.insert(id, size as u64);
            }
            let bytes = last.values().sum::<u64>();
            assert_eq!((first.counts().bytes, first.counts().blocks), (bytes, last.len()));
            drop(first);
            let again = files(folder.path(), &[]);
            assert_eq!((again.counts().bytes, again.counts().blocks), (bytes, last.len()));
            let written = again.compose("ab", last.keys().cloned().collect()).await.unwrap();
            assert_eq!(written.size, bytes);
            again.forget_blocks("ab").await;
            assert_eq!((again.counts().bytes, again.counts().blocks), (bytes, 0));
            drop(written);
            assert_eq!(again.counts().bytes, 0);
        });
    }
}

#[tokio::test]
async fn all_files_together_have_a_bound_and_room_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path(), &[]);
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(files.receive(body(vec![1_000], false), LIMITS.file).await.unwrap());
    }
    assert_eq!(files.receive(body(vec![1], false), LIMITS.file).await.unwrap_err().code, "UploadsFull");
    kept.pop();
    assert!(files.receive(body(vec![1], false), LIMITS.file).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_falls_silent_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path(), &[]);
    let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let refused = files.receive(silent, LIMITS.file).await.unwrap_err();
    assert_eq!((refused.status, refused.code), (400, "IncompleteBody"));
    assert_eq!(files.counts().bytes, 0);
}

#[test]
fn a_hub_that_keeps_nothing_leaves_nothing() {
    let (files, _) = Files::open(None, LIMITS, &HashSet::new(), &HashSet::new()).unwrap();
    let folder = files.place.file(0).parent().unwrap().to_owned();
    runtime().block_on(async {
        files.receive(body(vec![10], false), LIMITS.file).await.unwrap().keep();
    });
    assert!(folder.is_dir());
    drop(files);
    assert!(!folder.exists());
}
