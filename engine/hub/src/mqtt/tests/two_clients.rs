//! Sessions against a model: two clients, with two identities or one, do what they like; the hub keeps what it should.
//! `PROPTEST_CASES` says how often.

use net::mqtt::{Packet, QoS, SubscribeReasonCode};
use proptest::prelude::*;

use super::stage::{DESIRED, Device, METHODS, Stage, TWIN_RESPONSES, connect, identity, settle};

const GRANTED: SubscribeReasonCode = SubscribeReasonCode::Success(QoS::AtLeastOnce);

/// What two clients may do with one identity, or each with its own.
#[derive(Clone, Debug)]
enum Deed {
    Connect { clean: bool },
    Subscribe(usize),
    Unsubscribe(usize),
    Telemetry,
    Desired,
    Drop,
    Goodbye,
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let deed = prop_oneof![
        3 => any::<bool>().prop_map(|clean| Deed::Connect { clean }),
        3 => (0usize..3).prop_map(Deed::Subscribe),
        1 => (0usize..3).prop_map(Deed::Unsubscribe),
        2 => Just(Deed::Telemetry),
        2 => Just(Deed::Desired),
        1 => Just(Deed::Drop),
        1 => Just(Deed::Goodbye),
    ];
    proptest::collection::vec((0usize..2, deed), 1..40)
}

/// What a session should be, kept beside the hub.
#[derive(Default)]
struct Model {
    device: Option<Device>,
    kept: Option<Vec<usize>>,
    clean: bool,
    subscribed: Vec<usize>,
    version: u64,
}

const FILTERS: [&str; 3] = [DESIRED, METHODS, TWIN_RESPONSES];

async fn act(stage: &Stage, id: &str, model: &mut Model, deed: &Deed) -> usize {
    match (deed, &mut model.device) {
        (Deed::Connect { clean }, _) => {
            let mut device = stage.dial();
            let mut hello = connect(id);
            hello.clean_session = *clean;
            let present = device.hello(&hello).await.session_present;
            assert_eq!(present, !clean && model.kept.is_some());
            model.subscribed = if *clean { Vec::new() } else { model.kept.clone().unwrap_or_default() };
            model.kept = (!clean).then(|| model.subscribed.clone());
            (model.clean, model.device) = (*clean, Some(device));
        }
        (Deed::Subscribe(filter), Some(device)) => {
            assert_eq!(device.subscribe(&[FILTERS[*filter]]).await, [GRANTED]);
            if !model.subscribed.contains(filter) {
                model.subscribed.push(*filter);
            }
        }
        (Deed::Unsubscribe(filter), Some(device)) => {
            device.unsubscribe(&[FILTERS[*filter]]).await;
            model.subscribed.retain(|one| one != filter);
        }
        (Deed::Telemetry, Some(device)) => {
            device.publish_acknowledged(&format!("devices/{id}/messages/events/"), b"x").await;
            return 1;
        }
        (Deed::Desired, device) => {
            model.version += 1;
            stage.exchange().desired(&identity(id), model.version, &"{}".into());
            if let Some(device) = device {
                if model.subscribed.contains(&0) {
                    let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={}", model.version);
                    assert_eq!(device.receive_publish().await.topic, topic);
                } else {
                    device.hears_nothing().await;
                }
            }
        }
        (Deed::Goodbye, Some(device)) => {
            device.send(&Packet::Disconnect).await;
            model.device = None;
            settle().await;
        }
        (Deed::Drop, _) => {
            model.device = None;
            settle().await;
        }
        (_, None) => {}
    }
    if !model.clean && model.kept.is_some() {
        model.kept = Some(model.subscribed.clone());
    }
    0
}

proptest! {
    #[test]
    fn two_clients_do_what_they_like_and_sessions_stay_right(deeds in deeds(), one_identity: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new();
            let mut models = [Model::default(), Model::default()];
            let mut sent = 0;
            for (client, deed) in &deeds {
                // With one identity both clients act through the same session: the later connection is the one that counts.
                let client = if one_identity { 0 } else { *client };
                sent += act(&stage, ["d", "e"][client], &mut models[client], deed).await;
            }
            assert_eq!(stage.telemetry().len(), sent);
            let open = models.iter().filter(|model| model.device.is_some()).count();
            assert_eq!(stage.exchange().connected(), open);
        });
    }
}
