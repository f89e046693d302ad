//! The outcome table, row by row.

use super::*;
use wire::HubError;

fn reply(status: i32, payload: &str) -> Result<MethodReply, ClientError> {
    Ok(MethodReply::from_device(status, payload.as_bytes()).unwrap())
}

fn refused(code: ErrorCode) -> Result<MethodReply, ClientError> {
    Err(ClientError::Refused { error: HubError::new(code, "words"), help: Vec::new() })
}

fn lost() -> Result<MethodReply, ClientError> {
    Err(ClientError::Lost { message: "the connection to the hub h broke before the answer came (reset)".into() })
}

fn failed(result: &Result<MethodReply, ClientError>, accept: &[Accept]) -> Failure {
    match judge(result, accept, "30s") {
        Outcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn replies() {
    let ok = Outcome::changed(json!({"status": 200, "payload": {"a": 1}, "lost": false}));
    assert_eq!(judge(&reply(200, r#"{"a":1}"#), &[], "30s"), ok);
    assert_eq!(
        judge(&reply(299, ""), &[], "30s"),
        Outcome::changed(json!({"status": 299, "payload": null, "lost": false}))
    );
    let rejected = failed(&reply(409, r#""busy""#), &[Accept::Lost, Accept::Status(404)]);
    assert_eq!((rejected.class, rejected.status, rejected.in_doubt), (Class::Rejected, Some(409), false));
    assert_eq!(rejected.message, "answered 409 \"busy\"");
    assert_eq!(rejected.value, json!({"status": 409, "payload": "busy", "lost": false}));
    for (status, accept) in [
        (409, Accept::Status(409)),
        (499, Accept::Hundred(4)),
        (0, Accept::Any),
        (-7, Accept::Any),
        (-7, Accept::Status(-7)),
    ] {
        assert!(matches!(judge(&reply(status, ""), &[accept], "30s"), Outcome::Done { changed: true, .. }), "{status}");
    }
    assert_eq!(failed(&reply(300, ""), &[Accept::Hundred(2)]).class, Class::Rejected);
    assert_eq!(failed(&reply(-1, ""), &[Accept::Hundred(1)]).class, Class::Rejected);
}

#[test]
fn unreachable_devices() {
    let offline = failed(&refused(ErrorCode::DEVICE_NOT_ONLINE), &[Accept::Lost, Accept::Any]);
    assert_eq!((offline.class, offline.in_doubt), (Class::Unreachable, false));
    assert_eq!(
        offline.message,
        "is not connected, or listens to no methods (404103 DeviceNotOnline). Nothing was sent to it."
    );
    assert!(offline.help[0].contains("offline: { wait: 2h }"));
    for code in [ErrorCode::CONNECTION_CLOSED_REMOTELY, ErrorCode::CONNECTION_REPLACED] {
        let dropped = failed(&refused(code), &[]);
        assert_eq!((dropped.class, dropped.in_doubt, dropped.value["lost"] == true), (Class::Unreachable, true, true));
        assert_eq!(judge(&refused(code), &[Accept::Lost], "30s"), Outcome::changed(lost_value()));
    }
}

#[test]
fn lost_replies() {
    let late = failed(&refused(ErrorCode::GATEWAY_TIMEOUT), &[Accept::Any]);
    assert_eq!((late.class, late.in_doubt, late.value["lost"] == true), (Class::Timeout, true, true));
    assert_eq!(late.message, "did not answer within 30s (504101 GatewayTimeout). It may have carried the call out.");
    let broken = failed(&lost(), &[]);
    assert_eq!((broken.class, broken.in_doubt), (Class::Timeout, true));
    for result in [refused(ErrorCode::GATEWAY_TIMEOUT), lost()] {
        assert_eq!(judge(&result, &[Accept::Lost], "30s"), Outcome::changed(lost_value()));
    }
}

#[test]
fn everything_else() {
    for (code, class) in [
        (ErrorCode::DEVICE_NOT_FOUND, Class::Failed),
        (ErrorCode::DEVICE_DISABLED, Class::Failed),
        (ErrorCode::ARGUMENT_INVALID, Class::Failed),
        (ErrorCode::MESSAGE_TOO_LARGE, Class::Failed),
        (ErrorCode::UNAUTHORIZED, Class::Hub),
        (ErrorCode::QUOTA_EXCEEDED, Class::Hub),
    ] {
        let failure = failed(&refused(code), &[Accept::Any, Accept::Lost]);
        assert_eq!((failure.class, failure.in_doubt), (class, false), "{code}");
    }
    let inside = failed(&refused(ErrorCode::SERVER_ERROR), &[]);
    assert_eq!((inside.class, inside.in_doubt), (Class::Failed, true));
    let away = Err(ClientError::Away { message: "cannot reach the hub h".into(), help: Vec::new() });
    assert_eq!(failed(&away, &[Accept::Lost]).class, Class::Hub);
}

#[test]
fn accept_reads_numbers_and_words() {
    let read = |text: &str| serde_json::from_str::<Vec<Accept>>(text);
    let all = read(r#"[409, -1, "2xx", "404", "any", "lost"]"#).unwrap();
    let status = Accept::Status;
    assert_eq!(all, [status(409), status(-1), Accept::Hundred(2), status(404), Accept::Any, Accept::Lost]);
    for bad in [r#"["xx"]"#, r#"["0xx"]"#, r#"["2x"]"#, r#"["ok"]"#, "[99999999999]", "[true]"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn long_answers_are_cut() {
    let Ok(long) = reply(200, &format!("\"{}\"", "é".repeat(300))) else { panic!("a reply") };
    let line = summary(&long);
    assert!(line.starts_with("200 \"éé") && line.ends_with("..") && line.chars().count() == SHOWN + 2, "{line}");
    assert_eq!(summary(&reply(204, "").unwrap()), "204");
}
