//! The table alone: bounds, and pages that lose nothing.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use wire::ErrorCode;
use wire::blob::{BlobName, UploadNotice, UploadQuery, UploadStatus};

use super::table::Uploads;

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second)
}

fn blob(device: &str) -> BlobName {
    BlobName::new(device.parse().unwrap(), "a").unwrap()
}

fn failed() -> UploadNotice {
    let status_description = Some("x".repeat(5_000));
    UploadNotice { correlation_id: None, is_success: Some(false), status_code: Some(500), status_description }
}

#[test]
fn what_ended_is_bounded_and_the_oldest_go() {
    let mut uploads = Uploads::default();
    let mut first = None;
    for number in 0..10_002 {
        let name = blob("d");
        let (id, _) = uploads.ask(&name, number, at(number), at(number + 60)).unwrap();
        let (document, _) = uploads.notice(name.device(), &id, &failed(), at(number + 1)).unwrap();
        assert_eq!(document.status_description.unwrap().chars().count(), 1_024);
        first.get_or_insert(id);
    }
    assert_eq!(uploads.counts(), (0, 0));
    assert!(!uploads.knows(&first.unwrap(), &blob("d")));
    let mut query = UploadQuery::default();
    let mut seen = 0;
    loop {
        let page = uploads.page(&query);
        if page.uploads.is_empty() {
            break;
        }
        seen += page.uploads.len();
        query.after = Some(page.next);
    }
    assert_eq!(seen, 10_000);
}

proptest! {
    /// Devices ask, end and wait too long in any order: none has more than ten under way, and every place comes back.
    #[test]
    fn places_are_given_back(steps in proptest::collection::vec((0_u8..3, 0_u8..2, 0_u64..40), 1..120)) {
        let mut uploads = Uploads::default();
        let mut open: [Vec<(String, SystemTime)>; 2] = [Vec::new(), Vec::new()];
        let mut now = at(0);
        for (number, (step, who, wait)) in steps.into_iter().enumerate() {
            let (name, mine) = (blob(&format!("d{who}")), &mut open[usize::from(who)]);
            match step {
                0 => match uploads.ask(&name, number as u64, now, now + Duration::from_secs(60)) {
                    Ok((id, _)) => mine.push((id, now + Duration::from_secs(60))),
                    Err(error) => {
                        prop_assert_eq!(error.code, ErrorCode::ACTIVE_UPLOADS_EXCEEDED);
                        prop_assert_eq!(mine.len(), 10);
                    }
                },
                1 => {
                    if let Some((id, expires)) = mine.pop() {
                        let ended = uploads.notice(name.device(), &id, &failed(), now);
                        prop_assert_eq!(ended.is_ok(), expires > now);
                        if ended.is_err() {
                            mine.push((id, expires));
                        }
                    }
                }
                _ => {
                    now += Duration::from_secs(wait);
                    let (_, expired, _) = uploads.expire(now, 1_000);
                    prop_assert!(expired.iter().all(|document| document.status == UploadStatus::Expired));
                    for mine in &mut open {
                        mine.retain(|(_, expires)| *expires > now);
                    }
                }
            }
            prop_assert_eq!(uploads.counts().0, open.iter().map(Vec::len).sum::<usize>());
        }
    }
}
