//! The words of IoT Hub: whatever is read is printed and read again as the same.

use std::fmt::{Debug, Display};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use wire::dps::{DpsTopic, DpsUsername};
use wire::{
    CloudMessage, ConnectionString, DeviceDocument, DeviceFilter, DeviceTopic, HostPort, HubPath, Identity, IfMatch,
    JobRequest, MethodCall, MethodReply, ModuleDocument, PropertyBag, SasKey, SasToken, TelemetryQuery, Twin, Username,
    counted_size, sign,
};

use super::target::{MEMORY, Target, Tried, Verdict};
use crate::grammar::{Rule, text};

const TOPICS: &[Rule] = &[
    ("start", &["<topic>", "<path>", "<user>"]),
    (
        "topic",
        &[
            "devices/<id>/messages/events/<bag>",
            "devices/<id>/modules/<id>/messages/events/<bag>",
            "devices/<id>/messages/devicebound/<bag>",
            "$iothub/twin/GET/?$rid=<n>",
            "$iothub/twin/res/<n>/?$rid=<n>&$version=<n>",
            "$iothub/twin/PATCH/properties/reported/?$rid=<n>",
            "$iothub/twin/PATCH/properties/desired/?$version=<n>",
            "$iothub/methods/POST/<id>/?$rid=<n>",
            "$iothub/methods/res/<n>/?$rid=<n>",
            "$iothub/methods/POST/#",
            "devices/<id>/messages/devicebound/#",
            "$dps/registrations/PUT/iotdps-register/?$rid=<n>",
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=<n>&operationId=<id>",
            "$dps/registrations/res/<n>/?$rid=<n>&retry-after=<n>",
            "a",
        ],
    ),
    (
        "path",
        &[
            "/devices/<id>",
            "/devices/<id>/modules/<id>",
            "/twins/<id>/modules/<id>/methods",
            "/jobs/v2/<id>/cancel",
            "/devices/query",
            "/enrollments/<id>",
            "/registrations/query",
            "/<id>/registrations/<id>/operations/<id>",
            "/$iothub/websocket",
            "/messages/serviceBound/feedback/<id>/abandon",
            "/",
        ],
    ),
    (
        "user",
        &[
            "<id>/<id>/?api-version=2021-04-12&DeviceClientType=<id>&model-id=dtmi:a:b;1",
            "<id>/<id>/<id>/?api-version=2018-06-30",
            "<id>/registrations/<id>/api-version=2019-03-31&ClientVersion=<id>",
            "h/d",
        ],
    ),
    ("bag", &["<id>=<id>&<bag>", "$.ct=application%2Fjson&$.mid=<n>", "<id>", ""]),
    ("id", &["d", "$edgeAgent", "a%20b", "%2F", "é", "-:.+%_#*?!(),=@$'", "", "xyz"]),
    ("n", &["1", "0", "-1", "200", "4294967296", "99999999999999999999", "a", "7"]),
];

const SAS: &[Rule] = &[
    ("start", &["SharedAccessSignature <fields>"]),
    ("fields", &["<field>&<fields>", "<field>&<field>&<field>", "sr=localhost%2Fdevices%2Fd&sig=<sig>&se=9999999999"]),
    ("field", &["sr=<res>", "sig=<sig>", "se=<n>", "skn=<id>", "sr=<res>&sig=<sig>&se=<n>", "<id>=<id>"]),
    (
        "res",
        &[
            "localhost",
            "localhost%2Fdevices%2Fd",
            "localhost/devices/d/modules/m",
            "LOCALHOST%3A8443%2f",
            "%",
            "%2",
            "",
            "a",
        ],
    ),
    (
        "sig",
        &[
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D",
            "AAAA",
            "%%%",
            "",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ],
    ),
    ("n", &["9999999999", "0", "-1", "18446744073709551615", "18446744073709551616", "1e9", "1"]),
    ("id", &["iothubowner", "device", "", "%zz", "a"]),
];

const BAGS: &[Rule] = &[
    ("start", &["<bag>"]),
    ("bag", &["<key>=<value>&<bag>", "<key>=<value>", "<key>", ""]),
    ("key", &["$.mid", "$.cid", "$.ct", "$.ce", "$.on", "$.exp", "$.to", "a", "a%20b", "%26", "iothub-ack", "", "?a"]),
    ("value", &["x", "", "a%3Db", "%C3%A9", "%FF", "%zz", "%", "é", "1", "2026-11-23T13:27:42Z", "x"]),
];

const STRINGS: &[Rule] = &[
    (
        "start",
        &[
            "<part>;<start>",
            "HostName=localhost;DeviceId=d;SharedAccessKey=YWJj",
            "HostName=h;SharedAccessKeyName=n;SharedAccessKey=YWJj",
            "HostName=h;DeviceId=d;ModuleId=m;x509=true",
            "<part>",
        ],
    ),
    (
        "part",
        &[
            "HostName=<v>",
            "DeviceId=<v>",
            "ModuleId=<v>",
            "SharedAccessKey=<v>",
            "SharedAccessKeyName=<v>",
            "GatewayHostName=<v>",
            "SharedAccessSignature=<v>",
            "x509=<v>",
            "<v>=<v>",
            "<v>",
        ],
    ),
    (
        "v",
        &[
            "localhost",
            "localhost:18883",
            "[::1]:8883",
            "h:99999",
            "YWJj",
            "YWJj=",
            "true",
            "",
            "é",
            "d",
            "a=b",
            "SharedAccessSignature sr=a&sig=b&se=1",
            "x",
        ],
    ),
];

const JSON: &[Rule] = &[
    ("start", &["<object>", "<object>", "<method>", "<job>", "<message>", "<device>", "<twin>"]),
    (
        "method",
        &[
            "{\"methodName\":<v>,\"payload\":<v>,\"responseTimeoutInSeconds\":<n>,\"connectTimeoutInSeconds\":<n>}",
            "{\"status\":<n>,\"payload\":<v>}",
        ],
    ),
    (
        "job",
        &[
            "{\"jobId\":\"j\",\"type\":\"<kind>\",\"queryCondition\":<v>,\"startTime\":<v>,\"maxExecutionTimeInSeconds\":<n>,\"cloudToDeviceMethod\":<method>}",
            "{\"type\":\"<kind>\",\"updateTwin\":<object>}",
        ],
    ),
    ("kind", &["scheduleDeviceMethod", "scheduleUpdateTwin", "x"]),
    (
        "message",
        &[
            "{\"messageId\":<v>,\"ack\":\"full\",\"properties\":{\"a\":\"b\"},\"expiryTimeUtc\":<v>,\"body\":\"aGVsbG8=\"}",
        ],
    ),
    (
        "device",
        &[
            "{\"deviceId\":\"d\",\"status\":<v>,\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{\"primaryKey\":<v>,\"secondaryKey\":<v>}},\"capabilities\":{\"iotEdge\":true},\"etag\":<v>}",
            "{\"deviceId\":\"d\",\"moduleId\":\"m\"}",
        ],
    ),
    (
        "twin",
        &[
            "{\"tags\":<object>,\"properties\":{\"desired\":<object>}}",
            "{\"properties\":{\"desired\":<object>,\"reported\":<object>},\"tags\":null}",
            "{\"tags\":<object>}",
        ],
    ),
    ("object", &["{\"<k>\":<v>,\"<k>\":<v>}", "{\"<k>\":<object>}", "{\"<k>\":<v>}", "{}"]),
    ("k", &["a", "b", "$version", "$metadata", "a.b", "a b", "$x", "\\u0000", "é", "", "deviceId", "c"]),
    ("v", &["<object>", "[<v>,<v>]", "\"<k>\"", "<n>", "null", "true", "\"\\ud83d\\ude00\"", "\"text\""]),
    ("n", &["0", "1", "-1", "1.5", "1e308", "4503599627370496", "9223372036854775808", "5", "300", "86400"]),
];

const JSON_WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"\"",
    b":",
    b",",
    b"\\u0000",
    b"\\ud800",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
];
const WORDS: &[&[u8]] =
    &[b"/", b"&", b"=", b"?", b"#", b"+", b"%2F", b"%", b"$rid=", b"$version=", b"devices", b"modules", b";"];

/// When everything happens.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn target(
    name: &'static str,
    what: &'static str,
    make: fn(&mut crate::random::Random) -> Vec<u8>,
    words: &'static [&'static [u8]],
    prepare: fn() -> Tried,
) -> Target {
    Target { name, what, make, words, memory: MEMORY, prepare }
}

pub(super) fn topics() -> Target {
    let what = "topics, filters, REST paths and user names";
    target(
        "topics",
        what,
        |random| text(TOPICS, "start", random).into_bytes(),
        WORDS,
        || Box::new(|input| topic(&input.text())),
    )
}

pub(super) fn sas() -> Target {
    let what = "tokens: read, verified, their resource";
    target(
        "sas",
        what,
        |random| text(SAS, "start", random).into_bytes(),
        WORDS,
        || {
            let key = SasKey::from_bytes(b"a key of these tests".to_vec());
            Box::new(move |input| token(&input.text(), &key))
        },
    )
}

pub(super) fn bags() -> Target {
    let what = "property bags, and the parameters of `hub tail`";
    target(
        "bags",
        what,
        |random| text(BAGS, "start", random).into_bytes(),
        WORDS,
        || Box::new(|input| bag(&input.text())),
    )
}

pub(super) fn strings() -> Target {
    let what = "connection strings and hosts";
    target(
        "strings",
        what,
        |random| text(STRINGS, "start", random).into_bytes(),
        WORDS,
        || Box::new(|input| string(&input.text())),
    )
}

pub(super) fn documents() -> Target {
    let what = "bodies in JSON: identities, method calls, jobs, messages";
    target(
        "documents",
        what,
        |random| text(JSON, "start", random).into_bytes(),
        JSON_WORDS,
        || Box::new(|input| document(input.0)),
    )
}

pub(super) fn twins() -> Target {
    let what = "patches of twins by services and devices, one after the other";
    let make = |random: &mut crate::random::Random| {
        let parts: Vec<String> = (0..1 + random.below(3)).map(|_| text(JSON, "twin", random)).collect();
        parts.join("\n").into_bytes()
    };
    target("twins", what, make, JSON_WORDS, || Box::new(|input| twin(input.0)))
}

/// What is printed of a value is read as the same value.
fn round<T: PartialEq + Debug, S: Display>(
    value: &T,
    printed: &S,
    read: impl Fn(&str) -> Option<T>,
) -> Result<(), String> {
    let printed = printed.to_string();
    match read(&printed) {
        Some(again) if again == *value => Ok(()),
        again => Err(format!("{value:?} is printed as `{printed}`, which is read as {again:?}")),
    }
}

fn topic(text: &str) -> Verdict {
    let mut taken = false;
    if let Ok(topic) = DeviceTopic::parse(text) {
        let printed = topic.to_string();
        if DeviceTopic::parse(&printed).as_ref() != Ok(&topic) {
            return Err(format!("{topic:?} is printed as `{printed}`"));
        }
        taken = true;
    }
    if let Some(topic) = DpsTopic::parse(text) {
        let printed = topic.to_string();
        if DpsTopic::parse(&printed).as_ref() != Some(&topic) {
            return Err(format!("{topic:?} is printed as `{printed}`"));
        }
        taken = true;
    }
    if let Ok(filter) = DeviceFilter::parse(text) {
        round(&filter, &filter, |text| DeviceFilter::parse(text).ok())?;
        taken = true;
    }
    if let Some(path) = HubPath::parse(text) {
        round(&path, &path, HubPath::parse)?;
        taken = true;
    }
    for method in ["GET", "PUT", "POST"] {
        let _ = HubPath::parse_for(method, text);
    }
    if let Ok(name) = text.parse::<Username>() {
        round(&name, &name, |text| text.parse().ok())?;
        taken = true;
    }
    taken |= DpsUsername::parse(text).is_some();
    if let Ok(identity) = text.parse::<Identity>() {
        round(&identity, &identity, |text| text.parse().ok())?;
    }
    Ok(taken)
}

fn token(text: &str, key: &SasKey) -> Verdict {
    let Ok(token) = SasToken::parse(text) else { return Ok(false) };
    if token.verify(key) {
        return Err("a token that nobody signed is taken".to_owned());
    }
    let _ = token.expired(1_800_000_000, Duration::from_secs(300));
    if let Ok(resource) = token.resource() {
        let _ = (resource.host().len(), resource.covers(&["devices", "d"]));
        let resource = resource.segments().join("/");
        let signed = sign(&resource, key, 1_900_000_000, token.policy.as_deref());
        if !resource.is_empty() && !SasToken::parse(signed.expose()).is_ok_and(|own| own.verify(key)) {
            return Err(format!("our own token for `{resource}` is not taken"));
        }
    }
    Ok(true)
}

fn bag(text: &str) -> Verdict {
    if let Ok(query) = TelemetryQuery::parse(text) {
        let _ = query.to_string();
    }
    let _ = IfMatch::parse(text);
    let Ok(bag) = PropertyBag::parse(text) else { return Ok(false) };
    round(&bag, &bag, |text| PropertyBag::parse(text).ok())?;
    let _ = bag.counted_bytes();
    Ok(!bag.is_empty())
}

fn string(text: &str) -> Verdict {
    if let Ok(host) = text.parse::<HostPort>() {
        round(&host, &host, |text| text.parse().ok())?;
    }
    let _ = wire::secrets_in(text);
    let connection = match text.parse::<ConnectionString>() {
        Ok(connection) => connection,
        Err(error) => {
            let _ = (error.to_string(), error.help());
            return Ok(false);
        }
    };
    let printed = match &connection {
        ConnectionString::Device(device) => device.to_connection_string(),
        ConnectionString::Service(service) => service.to_connection_string(),
    };
    match printed.expose().parse::<ConnectionString>() {
        Ok(again) if again == connection => Ok(true),
        other => Err(format!("`{}` is read again as {other:?}", printed.expose())),
    }
}

fn document(bytes: &[u8]) -> Verdict {
    let mut taken = serde_json::from_slice::<DeviceDocument>(bytes).is_ok();
    taken |= serde_json::from_slice::<ModuleDocument>(bytes).is_ok();
    if let Ok(call) = MethodCall::from_json(bytes) {
        MethodCall::from_json(&call.to_json()).map_err(|error| format!("our own method call is refused: {error}"))?;
        taken = true;
    }
    let id = "j".parse().map_err(|_| "a plain word is a job's id")?;
    if let Ok(job) = JobRequest::from_json(&id, bytes) {
        JobRequest::from_json(&id, &job.to_json(&id)).map_err(|error| format!("our own job is refused: {error}"))?;
        taken = true;
    }
    if let Ok(message) = serde_json::from_slice::<CloudMessage>(bytes) {
        let device = "d".parse().map_err(|_| "a plain word is a device's id")?;
        if message.check(&device, now()).is_ok() {
            PropertyBag::parse(&message.bag(&device).to_string())
                .map_err(|error| format!("its own bag is refused: {error}"))?;
        }
        taken = true;
    }
    if let Ok(reply) = MethodReply::from_device(200, bytes) {
        MethodReply::from_json(&reply.to_json()).map_err(|error| format!("our own reply is refused: {error}"))?;
    }
    Ok(taken)
}

fn twin(bytes: &[u8]) -> Verdict {
    let identity = "d".parse().map_err(|_| "a plain word is an identity")?;
    let (mut twin, mut taken) = (Twin::new(identity, now()), false);
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let before = (twin.version(), twin.desired().version(), twin.reported().version());
        let changed = match (number % 3, serde_json::from_slice::<Value>(line)) {
            (0, Ok(patch)) => twin.patch_service(&patch, now()).is_ok(),
            (1, Ok(whole)) => twin.replace_service(&whole, now()).is_ok(),
            _ => twin.patch_reported(line, now()).is_ok(),
        };
        let after = (twin.version(), twin.desired().version(), twin.reported().version());
        if !changed && before != after {
            return Err("a refused patch changed a version".to_owned());
        }
        taken |= changed;
    }
    let device: Value =
        serde_json::from_slice(&twin.device_json()).map_err(|error| format!("its own JSON: {error}"))?;
    let _ = counted_size(&device);
    let stored = serde_json::to_vec(&twin).map_err(|error| error.to_string())?;
    match serde_json::from_slice::<Twin>(&stored) {
        Ok(again) if again == twin => Ok(taken),
        Ok(_) => Err("it comes back from the store as another twin".to_owned()),
        Err(error) => Err(format!("it does not come back from the store: {error}")),
    }
}
