//! What devices say of themselves, and what methods take.

use serde_json::{Value, json};

use super::rig::{Rig, habits, load, on_lane};
use crate::lane::Habits;

const SLOT: &str = r#"
on_method("plain", |device, request| 1);
on_method("slot", #{ mode: "restart", params: #{ slot: "integer", note: "text?", rate: "number?", of: "list?", with: "map?", any: "any?", force: "boolean?" } },
    |device, request| { sleep(request.param("wait", 0)); request.param("slot") });
"#;

fn announcing() -> Habits {
    Habits { announce: true, ..habits() }
}

#[tokio::test(start_paused = true)]
async fn methods_are_announced_once_and_again_when_they_change() {
    on_lane(async {
        let mut rig = Rig::with(SLOT, announcing());
        rig.connect(1, json!({})).await;
        let announced = rig.take_report().await;
        let scripts = load(SLOT).unwrap().version;
        assert_eq!(announced["iotplay"]["methods"], json!(["plain", "slot"]));
        assert_eq!(announced["iotplay"]["scripts"], json!(scripts));
        assert_eq!(announced["iotplay"]["params"][0]["method"], "slot");
        assert_eq!(announced["iotplay"]["params"][0]["takes"]["note"], "text?");
        assert_eq!(announced["iotplay"]["agent"], env!("CARGO_PKG_VERSION"));
        rig.silent().await;
        rig.lane.scripts.swap(load("on_method('other', |device, request| 1);").unwrap());
        crate::fleet::renew_all(&rig.lane).await;
        let announced = rig.take_report().await;
        assert_eq!(
            (&announced["iotplay"]["methods"], &announced["iotplay"]["params"]),
            (&json!(["other"]), &json!([]))
        );
        crate::fleet::renew_all(&rig.lane).await;
        rig.silent().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_announcement_is_bounded_and_off_unless_it_is_wanted() {
    on_lane(async {
        let many: String =
            (0..400).map(|n| format!("on_method('a-rather-long-name-{n}', |device, request| 1);\n")).collect();
        let mut rig = Rig::with(&many, announcing());
        rig.connect(1, json!({})).await;
        let announced = rig.take_report().await;
        assert_eq!(announced["iotplay"]["methods"], Value::Null);
        assert!(announced["iotplay"]["scripts"].is_string());
        let mut rig = Rig::up(SLOT, json!({})).await;
        rig.silent().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_without_what_a_method_takes_is_refused_before_anything_makes_way() {
    on_lane(async {
        let mut rig = Rig::up(SLOT, json!({})).await;
        let slow = rig.call("slot", r#"{"slot":1,"wait":5}"#);
        for (payload, said) in [
            ("", "`slot` is missing: it is an integer"),
            (r#"{"slot":null}"#, "missing"),
            (r#"{"slot":1.5}"#, "`slot` is an integer, this is"),
            (r#"{"slot":1,"note":2}"#, "`note` is a text"),
            (r#"{"slot":1,"of":{}}"#, "`of` is a list"),
            (r#"{"slot":1,"with":[]}"#, "`with` is a map"),
            (r#"{"slot":1,"force":"yes"}"#, "`force` is a boolean"),
            (r#"{"slot":1,"rate":"fast"}"#, "`rate` is a number"),
        ] {
            let (status, answer) = rig.ask("slot", payload).await;
            assert_eq!(status, 400, "{payload}");
            assert!(answer["error"].as_str().unwrap().contains(said), "{payload}: {answer}");
        }
        assert_eq!(rig.reply().await, (slow, 200, json!(1)), "none of them took its place");
        let (status, answer) = rig.ask("slot", r#""{\"slot\":3,\"rate\":1,\"any\":[],\"more\":1}""#).await;
        assert_eq!((status, answer), (200, json!(3)), "as the tutorial sends it, and with more than was said");
    })
    .await;
}

#[test]
fn slips_in_params_are_found_at_load() {
    for (params, said) in [
        ("[]", "`params` is a map"),
        ("#{ a: \"int\" }", "`int` is no kind of parameter"),
        ("#{ a: 1 }", "is no kind"),
        ("#{ \"a.b\": \"text\" }", "`a.b` is no name"),
    ] {
        let found = load(&format!("on_method('m', #{{ params: {params} }}, |d, r| 1);")).unwrap_err().to_string();
        assert!(found.contains(said), "{params}: {found}");
    }
}
