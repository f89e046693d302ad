//! The page: what its data holds, and that nothing of it is more than text. How it behaves is asked in a story, by Node.

use serde_json::Value;

use super::stream::mixed;

const DATA: &str = "<script id=\"data\" type=\"application/json\">";

/// The text of the data element, as it stands in the page.
pub(crate) fn element(page: &str) -> &str {
    assert_eq!(page.matches(DATA).count(), 1);
    let start = page.find(DATA).expect("the data element") + DATA.len();
    let rest = &page[start..];
    &rest[..rest.find("</script>").expect("its end")]
}

pub(crate) fn data(page: &str) -> Value {
    serde_json::from_str(element(page)).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn text(data: &Value, place: &Value) -> String {
    match place.as_u64().expect("a place") {
        0 => String::new(),
        place => data["texts"][place as usize - 1].as_str().expect("a text").to_owned(),
    }
}

#[test]
fn the_data_names_every_device_step_and_reply() {
    let data = data(&mixed().papers().html);
    let devices = data["plays"][0]["devices"].as_array().unwrap();
    let ids: Vec<String> = devices.iter().map(|device| text(&data, &device[0])).collect();
    assert_eq!(ids, ["good", "again", "late", "saved", "away", "off"]);
    let words: Vec<&str> =
        devices.iter().map(|device| data["words"][device[1].as_u64().unwrap() as usize].as_str().unwrap()).collect();
    assert_eq!(words, ["ok", "ok", "timeout", "ok", "unreachable", "skipped"]);
    let late = &devices[2];
    assert_eq!((late[2].as_u64(), late[4].as_u64(), late[5].as_u64()), (Some(2), Some(2_500), Some(700)));
    let step = &late[8][0];
    let said: Vec<String> = [1, 7, 8, 9, 11].iter().map(|at| text(&data, &step[*at])).collect();
    assert_eq!(said, ["Ask", "did not answer in time", "{\"lost\":true}", "reboot.yaml:2:5", "look at it"]);
    assert_eq!((step[12][0][0].as_u64(), text(&data, &step[12][0][1])), (Some(1), "is busy".to_owned()));
    assert_eq!((data["exit"].as_u64(), data["began"].as_str()), (Some(4), Some("2026-11-23T13:27:42.118Z")));
}

#[test]
fn the_page_needs_nothing_and_runs_only_its_own_script() {
    let page = mixed().papers().html;
    for outside in
        ["http://", "https://", "src=", "href=", "@import", "url(", "innerHTML", "outerHTML", "document.write", "eval("]
    {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"), "a policy");
    assert_eq!(page.matches("<script").count(), 2, "the data, and the script whose hash the policy names");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("{{"), "no mark is left");
}
