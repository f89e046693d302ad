//! The numbers of a running hub, fetched as Prometheus does it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::HubConfig;
use crate::tests::stage::{Device, started};

async fn fetch(hub: &crate::RunningHub, request: &str) -> String {
    let mut stream = TcpStream::connect(hub.metrics().expect("a port was asked for")).await.unwrap();
    stream.write_all(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn numbers_follow_what_happens() {
    let (hub, owner) = started(HubConfig { metrics_port: Some(0), ..HubConfig::embedded() }).await;
    assert!(hub.metrics().unwrap().ip().is_loopback());
    owner.send("PUT", "/devices/d", &[], r#"{"deviceId":"d"}"#).await;
    owner.get("/devices/nobody").await;
    owner.with_token(None).get("/devices/d").await;
    owner.send("POST", "/iotplay/devices/d/messages", &[], "{}").await;
    let mut device = Device::connect(&hub, "d").await.ok().unwrap();
    let events =
        wire::DeviceTopic::Telemetry { identity: "d".parse().unwrap(), properties: wire::PropertyBag::default() };
    device.publish(&events, "12345").await;
    device.say(&net::mqtt::Packet::PingReq).await;
    device.hear().await.expect("the answer to a ping, behind the message");
    let answer = fetch(&hub, "GET /metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("text/plain; version=0.0.4"), "{answer}");
    for line in [
        "# TYPE iotplay_hub_connections gauge",
        "iotplay_hub_connections 1",
        "iotplay_hub_devices 1",
        "iotplay_hub_messages_waiting 1",
        "iotplay_hub_messages_total 1",
        "iotplay_hub_message_bytes_total 5",
        "iotplay_hub_messages_kept 1",
        "iotplay_hub_connections_total{outcome=\"connected\"} 1",
        "iotplay_hub_throttled_total{who=\"device\"} 0",
        "iotplay_hub_calls_total{operation=\"put_device\",status=\"200\"} 1",
        "iotplay_hub_calls_total{operation=\"get_device\",status=\"404\"} 1",
        "iotplay_hub_calls_total{operation=\"none\",status=\"401\"} 1",
        "iotplay_hub_call_seconds_count{operation=\"put_device\"} 1",
        "iotplay_hub_call_seconds_bucket{operation=\"put_device\",le=\"+Inf\"} 1",
    ] {
        assert!(answer.lines().any(|said| said == line), "{line}: {answer}");
    }
    assert!(!answer.contains("deviceId") && !answer.contains("\"d\""), "no device has a label: {answer}");
    let status = owner.get("/iotplay/status").await.json();
    assert_eq!((&status["devices"]["connected"], &status["messagesFromDevices"]["taken"]), (&1.into(), &1.into()));
    assert_eq!(owner.with_token(None).get("/iotplay/status").await.status, 401);
    for (request, status) in [("GET /", "404"), ("GET /devices", "404"), ("POST /metrics", "405"), ("nonsense", "400")]
    {
        let answer = fetch(&hub, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
    }
    hub.stop().await;
    let (quiet, _) = started(HubConfig::embedded()).await;
    assert_eq!(quiet.metrics(), None, "off unless asked for");
    quiet.stop().await;
}
