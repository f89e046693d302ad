//! File upload from the outside: the device's two calls, and the blob endpoint as SDKs' clients speak to it.

use std::time::Duration;

use base::Clock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wire::{SasKey, device_resource, sign};

use super::stage::{Answer, Service, hub, started};
use crate::{Data, FileLimits, HubConfig, RunningHub};

const BLOCK_BLOB: (&str, &str) = ("x-ms-blob-type", "BlockBlob");

/// A device that speaks HTTPS with a key of its own.
struct Board {
    client: Service,
    id: String,
}

/// Where and with what right to upload.
struct Grant {
    id: String,
    path: String,
    query: String,
}

impl Board {
    async fn new(hub: &RunningHub, owner: &Service, id: &str) -> Self {
        let answer = owner.send("PUT", &format!("/devices/{id}"), &[], &json!({ "deviceId": id }).to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let identity = id.parse().unwrap();
        let key = hub.state().primary_key(&identity).unwrap();
        Self { client: owner.with_token(Some(&token(&key, id))), id: id.to_owned() }
    }

    async fn ask(&self, name: &str) -> Answer {
        let body = json!({ "blobName": name }).to_string();
        self.client.send("POST", &format!("/devices/{}/files", self.id), &[], &body).await
    }

    async fn granted(&self, name: &str) -> Grant {
        let answer = self.ask(name).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let grant = answer.json();
        let text = |field: &str| grant[field].as_str().unwrap().to_owned();
        assert_eq!(text("blobName"), format!("{}/{name}", self.id));
        assert_eq!(text("hostName"), "localhost");
        let path = format!("/{}/{}", text("containerName"), text("blobName"));
        Grant { id: text("correlationId"), path, query: text("sasToken").strip_prefix('?').unwrap().to_owned() }
    }

    async fn notify(&self, body: &Value) -> Answer {
        let path = format!("/devices/{}/files/notifications", self.id);
        self.client.send("POST", &path, &[], &body.to_string()).await
    }

    async fn done(&self, grant: &Grant) -> Answer {
        self.notify(
            &json!({"correlationId": grant.id, "isSuccess": true, "statusCode": 201, "statusDescription": "ok"}),
        )
        .await
    }

    /// A request for the file, with no credential but the token.
    async fn blob(&self, method: &str, grant: &Grant, more: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let target = format!("{}?{}{more}", grant.path, grant.query);
        let none = [("Content-Length", "0")];
        let headers = if body.is_empty() && method == "PUT" { [headers, &none].concat() } else { headers.to_vec() };
        self.client.with_token(None).send_to(method, &target, &headers, body).await
    }
}

fn token(key: &SasKey, id: &str) -> String {
    let expiry = Clock::system().unix_seconds() + 3_600;
    sign(&device_resource("localhost", &id.parse().unwrap()), key, expiry, None).expose().to_owned()
}

async fn uploads(owner: &Service) -> Vec<Value> {
    owner.get("/iotplay/uploads").await.json()["uploads"].as_array().unwrap().clone()
}

fn storage_error(answer: &Answer) -> &str {
    let code = answer.header("x-ms-error-code").unwrap_or_else(|| panic!("no error: {answer:?}"));
    assert!(answer.body.contains(&format!("<Code>{code}</Code>")), "{answer:?}");
    code
}

fn list(ids: &[&str]) -> String {
    let ids: String = ids.iter().map(|id| format!("<Latest>{}</Latest>", STANDARD.encode(id))).collect();
    format!("<?xml version=\"1.0\"?><BlockList>{ids}</BlockList>")
}

fn block(id: &str) -> String {
    format!("&comp=block&blockid={}", STANDARD.encode(id))
}

#[tokio::test]
async fn a_file_goes_up_in_one_piece_and_is_told_about() {
    let (hub, owner) = hub().await;
    let board = Board::new(&hub, &owner, "press-1").await;
    let grant = board.granted("logs/a.txt").await;
    assert_eq!(uploads(&owner).await[0]["status"], "pending");
    let headers = [BLOCK_BLOB, ("x-ms-version", "2021-12-02"), ("x-ms-meta-line", "B")];
    let put = board.blob("PUT", &grant, "", &headers, "hello, hub").await;
    assert_eq!((put.status, put.header("x-ms-version")), (201, Some("2021-12-02")), "{put:?}");
    assert!(put.header("etag").unwrap().starts_with("\"0x") && put.header("last-modified").is_some());
    let done = board.done(&grant).await;
    assert_eq!((done.status, done.body.as_str()), (204, ""));
    let shown = &uploads(&owner).await[0];
    assert_eq!((&shown["status"], &shown["blobSizeInBytes"]), (&json!("completed"), &json!(10)), "{shown}");
    assert_eq!((&shown["deviceId"], &shown["blobName"]), (&json!("press-1"), &json!("press-1/logs/a.txt")));
    // Read back: by the token, in parts, and by the service.
    let read = board.blob("GET", &grant, "", &[], "").await;
    assert_eq!((read.status, read.body.as_str(), read.header("x-ms-meta-line")), (200, "hello, hub", Some("B")));
    let part = board.blob("GET", &grant, "", &[("x-ms-range", "bytes=7-99")], "").await;
    assert_eq!((part.status, part.body.as_str()), (206, "hub"));
    assert_eq!(part.header("content-range"), Some("bytes 7-9/10"));
    let head = board.blob("HEAD", &grant, "", &[], "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, Some("10"), ""));
    let same = board.blob("GET", &grant, "", &[("If-None-Match", put.header("etag").unwrap())], "").await;
    assert_eq!(same.status, 304);
    let got = owner.get("/iotplay/devices/press-1/files/logs%2Fa.txt").await;
    assert_eq!((got.status, got.body.as_str()), (200, "hello, hub"));
    assert_eq!(owner.send("DELETE", "/iotplay/devices/press-1/files/logs%2Fa.txt", &[], "").await.status, 204);
    assert_eq!(owner.get("/iotplay/devices/press-1/files/logs%2Fa.txt").await.status, 404);
    assert_eq!(storage_error(&board.blob("GET", &grant, "", &[], "").await), "BlobNotFound");
    let status = owner.get("/iotplay/status").await.json();
    assert_eq!((&status["uploads"]["completed"], &status["uploads"]["files"]), (&json!(1), &json!(0)));
    hub.stop().await;
}

#[tokio::test]
async fn a_file_goes_up_in_blocks_in_the_order_of_the_list() {
    let (hub, owner) = hub().await;
    let board = Board::new(&hub, &owner, "d").await;
    let grant = board.granted("b.bin").await;
    for (id, content) in [("01", "world"), ("00", "hello, "), ("02", "never"), ("01", "hub")] {
        let put = board.blob("PUT", &grant, &block(id), &[], content).await;
        assert_eq!(put.status, 201, "{put:?}");
    }
    assert_eq!(storage_error(&board.blob("GET", &grant, "", &[], "").await), "BlobNotFound");
    let unknown = board.blob("PUT", &grant, "&comp=blocklist", &[], &list(&["00", "99"])).await;
    assert_eq!((unknown.status, storage_error(&unknown)), (400, "InvalidBlockList"));
    let other = board.blob("PUT", &grant, &block("003"), &[], "x").await;
    assert_eq!((other.status, storage_error(&other)), (400, "InvalidBlobOrBlock"), "ids of one length");
    let typed = [("x-ms-blob-content-type", "text/plain")];
    let made = board.blob("PUT", &grant, "&comp=blocklist", &typed, &list(&["00", "01"])).await;
    assert_eq!(made.status, 201, "{made:?}");
    let read = board.blob("GET", &grant, "", &[], "").await;
    assert_eq!((read.body.as_str(), read.header("content-type")), ("hello, hub", Some("text/plain")));
    // The answer was lost, and the client asks again.
    let again = board.blob("PUT", &grant, "&comp=blocklist", &[], &list(&["00", "01"])).await;
    assert_eq!((again.status, again.header("etag")), (201, made.header("etag")));
    let other = board.blob("PUT", &grant, "&comp=blocklist", &[], &list(&["01", "00"])).await;
    assert_eq!(storage_error(&other), "InvalidBlockList", "its blocks are gone");
    let empty = board.granted("empty").await;
    assert_eq!(board.blob("PUT", &empty, "&comp=blocklist", &[], &list(&[])).await.status, 201);
    assert_eq!(board.blob("GET", &empty, "", &[], "").await.header("content-length"), Some("0"));
    assert_eq!(storage_error(&board.blob("GET", &empty, "", &[("Range", "bytes=0-")], "").await), "InvalidRange");
    hub.stop().await;
}

#[tokio::test]
async fn the_token_opens_one_file_and_only_to_read_and_write() {
    let (hub, owner) = hub().await;
    let (board, other) = (Board::new(&hub, &owner, "d").await, Board::new(&hub, &owner, "e").await);
    let grant = board.granted("a").await;
    let theirs = other.granted("a").await;
    let crossed = Grant { id: String::new(), path: grant.path.clone(), query: theirs.query.clone() };
    let beside = Grant { id: String::new(), path: format!("{}b", grant.path), query: grant.query.clone() };
    let none = Grant { id: String::new(), path: grant.path.clone(), query: String::new() };
    for refused in [&crossed, &beside, &none] {
        let put = board.blob("PUT", refused, "", &[BLOCK_BLOB], "x").await;
        assert_eq!((put.status, storage_error(&put)), (403, "AuthenticationFailed"));
        assert_eq!(board.blob("GET", refused, "", &[], "").await.status, 403);
    }
    // The owner's token of the hub's own kind is none here.
    let service = owner.send_to("GET", &grant.path, &[], "").await;
    assert_eq!(service.status, 403);
    for (method, more, headers, status, code) in [
        ("DELETE", "", vec![], 403, "AuthorizationPermissionMismatch"),
        ("PUT", "", vec![], 400, "MissingRequiredHeader"),
        ("PUT", "", vec![("x-ms-blob-type", "PageBlob")], 400, "InvalidHeaderValue"),
        ("PUT", "", vec![BLOCK_BLOB, ("If-Match", "*")], 412, "ConditionNotMet"),
        ("PUT", "&comp=block", vec![], 400, "InvalidQueryParameterValue"),
        ("PUT", "&comp=block&blockid=%20", vec![], 400, "InvalidQueryParameterValue"),
        ("PUT", "&comp=blocklist", vec![], 400, "InvalidXmlDocument"),
        ("PUT", "&comp=metadata", vec![], 501, "NotImplemented"),
        ("GET", "&comp=blocklist", vec![], 501, "NotImplemented"),
        ("PATCH", "", vec![], 501, "NotImplemented"),
    ] {
        let answer = board.blob(method, &grant, more, &headers, "").await;
        assert_eq!((answer.status, storage_error(&answer)), (status, code), "{method} {more} {headers:?}");
    }
    // A first upload passes `If-None-Match: *`, the second does not: as `upload_blob` does without `overwrite`.
    let once = [BLOCK_BLOB, ("If-None-Match", "*")];
    assert_eq!(board.blob("PUT", &grant, "", &once, "1").await.status, 201);
    let again = board.blob("PUT", &grant, "", &once, "2").await;
    assert_eq!((again.status, storage_error(&again)), (409, "BlobAlreadyExists"));
    assert_eq!(board.blob("GET", &grant, "", &[], "").await.body, "1");
    hub.stop().await;
}

#[tokio::test]
async fn devices_alone_ask_for_uploads_and_each_for_its_own() {
    let (hub, owner) = hub().await;
    let board = Board::new(&hub, &owner, "d").await;
    Board::new(&hub, &owner, "e").await;
    let module = json!({"deviceId": "d", "moduleId": "m"}).to_string();
    assert_eq!(owner.send("PUT", "/devices/d/modules/m", &[], &module).await.status, 200);
    let body = json!({"blobName": "a"}).to_string();
    let module_key = hub.state().primary_key(&"d/m".parse().unwrap()).unwrap();
    let expiry = Clock::system().unix_seconds() + 3_600;
    let module = sign("localhost/devices/d/modules/m", &module_key, expiry, None).expose().to_owned();
    let service = hub.state().auth().policies().find("service").unwrap().primary.clone();
    let device = hub.state().auth().policies().find("device").unwrap().primary.clone();
    for (client, path, status) in [
        (board.client.clone(), "/devices/d/files", 200),
        (board.client.clone(), "/devices/e/files", 401),
        (board.client.clone(), "/devices/nobody/files", 401),
        (owner.with_token(None), "/devices/d/files", 401),
        (owner.with_token(Some(&module)), "/devices/d/files", 401),
        (owner.with_token(Some(&module)), "/devices/d/modules/m/files", 401),
        (owner.signed("localhost", &service, "service"), "/devices/d/files", 401),
        (owner.signed("localhost", &device, "device"), "/devices/d/files", 200),
        (owner.clone(), "/devices/d/modules/m/files", 404),
    ] {
        let answer = client.send("POST", path, &[], &body).await;
        assert_eq!(answer.status, status, "{path} {answer:?}");
    }
    assert_eq!(board.client.send_to("POST", "/devices/d/files", &[], &body).await.error(), "InvalidProtocolVersion");
    let off = json!({"deviceId": "d", "status": "disabled"}).to_string();
    assert_eq!(owner.send("PUT", "/devices/d", &[("If-Match", "*")], &off).await.status, 200);
    assert_eq!(board.ask("b").await.status, 401);
    hub.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_said_with_the_services_codes() {
    let (hub, owner) = hub().await;
    let (board, other) = (Board::new(&hub, &owner, "d").await, Board::new(&hub, &owner, "e").await);
    for (body, code) in [
        (json!({}), "ArgumentNull"),
        (json!({"blobName": ""}), "ArgumentNull"),
        (json!({"blobName": "a/../b"}), "ArgumentInvalid"),
        (json!({"blobName": "x".repeat(1_023)}), "ArgumentInvalid"),
        (json!({"blobName": "a\u{0}b"}), "ArgumentInvalid"),
        (json!([1]), "IotHubFormatError"),
    ] {
        let answer = board.client.send("POST", "/devices/d/files", &[], &body.to_string()).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, code), "{body}");
    }
    let grant = board.granted("a").await;
    let own = |body: Value| {
        let mut body = body;
        body["correlationId"] = grant.id.as_str().into();
        body
    };
    for (board, body, code) in [
        (&board, own(json!({"isSuccess": true, "statusCode": 200})), "InvalidStorageEndpointOrBlob"),
        (&board, own(json!({"statusCode": 200})), "InvalidFileUploadCompletionStatus"),
        (&board, json!({"correlationId": "nobody's", "isSuccess": false}), "InvalidFileUploadCorrelationId"),
        (&board, json!({"isSuccess": false}), "InvalidFileUploadCorrelationId"),
        (&other, own(json!({"isSuccess": false})), "InvalidFileUploadCorrelationId"),
    ] {
        let answer = board.notify(&body).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, code), "{body}");
    }
    // Older clients put the id into the path.
    let path = format!("/devices/d/files/notifications/{}", grant.id);
    let failed = json!({"isSuccess": false, "statusCode": 500, "statusDescription": "no\u{7}good"}).to_string();
    assert_eq!(board.client.send("POST", &path, &[], &failed).await.status, 204);
    let again = board.client.send("POST", &path, &[], &failed).await;
    assert_eq!(again.error(), "InvalidFileUploadCorrelationId", "it is over");
    let shown = &uploads(&owner).await[0];
    assert_eq!((&shown["status"], &shown["statusCode"]), (&json!("failed"), &json!(500)));
    hub.stop().await;
}

#[tokio::test]
async fn ten_uploads_of_a_device_are_under_way_and_no_more() {
    let (hub, owner) = hub().await;
    let (board, other) = (Board::new(&hub, &owner, "d").await, Board::new(&hub, &owner, "e").await);
    let mut grants = Vec::new();
    for number in 0..10 {
        grants.push(board.granted(&number.to_string()).await);
    }
    let answer = board.ask("11").await;
    assert_eq!((answer.status, answer.error().as_str()), (403, "DeviceMaximumActiveFileUploadLimitExceeded"));
    assert_eq!(other.ask("a").await.status, 200);
    let failed = json!({"correlationId": grants[0].id, "isSuccess": false});
    assert_eq!(board.notify(&failed).await.status, 204);
    assert_eq!(board.ask("11").await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn an_upload_ends_with_its_token_and_gives_its_place_back() {
    let (clock, hand) = Clock::manual(std::time::SystemTime::now());
    let (hub, owner) = started(HubConfig { clock, ..HubConfig::embedded() }).await;
    let board = Board::new(&hub, &owner, "d").await;
    let grant = board.granted("a").await;
    assert_eq!(board.blob("PUT", &grant, &block("00"), &[], "x").await.status, 201);
    for number in 1..10 {
        board.granted(&number.to_string()).await;
    }
    hand.advance(Duration::from_secs(3_601));
    let late = board.blob("PUT", &grant, "", &[BLOCK_BLOB], "x").await;
    assert_eq!((late.status, storage_error(&late)), (403, "AuthenticationFailed"));
    // Tokens of the board itself are from the test's clock too.
    let key = hub.state().primary_key(&"d".parse().unwrap()).unwrap();
    let expiry = Clock::system().unix_seconds() + 10_000;
    let token = sign("localhost/devices/d", &key, expiry, None).expose().to_owned();
    let board = Board { client: owner.with_token(Some(&token)), id: "d".into() };
    assert_eq!(board.done(&grant).await.error(), "ExpiredFileUploadCorrelationId");
    // A look a second.
    let owner = {
        let connection = hub.service_connection();
        let token = sign("localhost", &connection.key, expiry, Some(&connection.policy)).expose().to_owned();
        owner.with_token(Some(&token))
    };
    let path = format!("/iotplay/uploads?after={}&wait=20", owner.get("/iotplay/uploads").await.json()["next"]);
    let expired = owner.get(&path).await.json();
    let all_expired = expired["uploads"].as_array().unwrap().iter().all(|upload| upload["status"] == "expired");
    assert!(all_expired || uploads(&owner).await.iter().all(|upload| upload["status"] == "expired"), "{expired}");
    assert_eq!(board.ask("b").await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn files_and_unfinished_uploads_outlive_a_restart_and_nothing_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let config = || HubConfig { data: Data::Folder(folder.path().to_owned()), ..HubConfig::embedded() };
    let (hub, owner) = started(config()).await;
    let board = Board::new(&hub, &owner, "d").await;
    let (whole, parts) = (board.granted("whole").await, board.granted("parts").await);
    assert_eq!(board.blob("PUT", &whole, "", &[BLOCK_BLOB], "old").await.status, 201);
    assert_eq!(board.blob("PUT", &whole, "", &[BLOCK_BLOB], "kept").await.status, 201);
    assert_eq!(board.blob("PUT", &parts, &block("00"), &[], "half ").await.status, 201);
    hub.stop().await;
    let files = folder.path().join("files");
    // What a hub that dies in the middle leaves behind.
    std::fs::write(files.join("00000000000000ff.blob"), "never acknowledged").unwrap();
    std::fs::create_dir(files.join("ab.blocks")).unwrap();
    let (hub, owner) = started(config()).await;
    let board = Board { client: Service::of(&hub).with_token(board.client.token.as_deref()), id: "d".into() };
    assert_eq!(board.blob("GET", &whole, "", &[], "").await.body, "kept");
    assert_eq!(board.blob("PUT", &parts, &block("01"), &[], "and half").await.status, 201);
    assert_eq!(board.blob("PUT", &parts, "&comp=blocklist", &[], &list(&["00", "01"])).await.status, 201);
    assert_eq!(board.blob("GET", &parts, "", &[], "").await.body, "half and half");
    assert_eq!((board.done(&whole).await.status, board.done(&parts).await.status), (204, 204));
    let shown = uploads(&owner).await;
    assert!(shown.iter().all(|upload| upload["status"] == "completed"), "{shown:?}");
    hub.stop().await;
    let left = std::fs::read_dir(&files).unwrap().count();
    assert_eq!(left, 2, "two files, no blocks, nothing half");
    // Somebody takes a file away: its name goes with it.
    for entry in std::fs::read_dir(&files).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let (hub, owner) = started(config()).await;
    assert_eq!(owner.get("/iotplay/devices/d/files/whole").await.status, 404);
    hub.stop().await;
}

#[tokio::test]
async fn hostile_sizes_are_refused_before_they_cost_anything() {
    let files = FileLimits { file: 1_000, total: 2_500, ..FileLimits::in_memory() };
    let (hub, owner) = started(HubConfig { files, ..HubConfig::embedded() }).await;
    let board = Board::new(&hub, &owner, "d").await;
    let grant = board.granted("a").await;
    // Announced, and nothing of it ever sent.
    let target = format!("{}?{}", grant.path, grant.query);
    for length in ["1001", "18446744073709551615"] {
        let head = format!(
            "PUT {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: {length}\r\n\r\n"
        );
        let answer = board.client.raw(head.as_bytes()).await;
        let refused = answer.is_none_or(|answer| (400..500).contains(&answer.status));
        assert!(refused, "{length}");
    }
    // In pieces, with no length: as Blob Storage, it wants one.
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-ms-blob-type: BlockBlob\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    );
    let answer = board.client.raw(head.as_bytes()).await.unwrap();
    assert_eq!((answer.status, storage_error(&answer)), (411, "MissingContentLengthHeader"));
    // Half of it, and gone.
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 900\r\n\r\nhalf"
    );
    board.client.throw(head.as_bytes()).await;
    let full = "x".repeat(1_000);
    let one = board.blob("PUT", &grant, "", &[BLOCK_BLOB], &full).await;
    assert_eq!(one.status, 201, "{one:?}");
    // Blocks of one upload are one file at most, and all together are the hub's total.
    let second = board.granted("b").await;
    assert_eq!(board.blob("PUT", &second, &block("00"), &[], &full).await.status, 201);
    let more = board.blob("PUT", &second, &block("01"), &[], "x").await;
    assert_eq!((more.status, storage_error(&more)), (413, "RequestBodyTooLarge"));
    let full_hub = board.blob("PUT", &second, "&comp=blocklist", &[], &list(&["00"])).await;
    assert_eq!((full_hub.status, storage_error(&full_hub)), (403, "UploadsFull"));
    // Room comes back.
    assert_eq!(owner.send("DELETE", "/iotplay/devices/d/files/a", &[], "").await.status, 204);
    // As soon as the contents are removed, which the answer does not wait for.
    let composed = async {
        loop {
            let composed = board.blob("PUT", &second, "&comp=blocklist", &[], &list(&["00"])).await;
            if composed.status != 403 {
                break composed;
            }
        }
    };
    let composed = tokio::time::timeout(Duration::from_secs(60), composed).await.expect("room comes back");
    assert_eq!(composed.status, 201, "{composed:?}");
    let files = hub.state().files_kept().numbers.len();
    assert_eq!(files, 1);
    hub.stop().await;
}
