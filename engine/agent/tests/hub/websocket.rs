//! The agent's line in a WebSocket, straight and through a proxy.

use std::time::Duration;

use iotplay_agent::{Agent, AgentEvent, Transport};
use net::ws::Proxy;
use serde_json::json;
use stage::{FaultyLine, Weather};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use wire::HostPort;

use crate::scene::quick;
use crate::stage::{Ear, Stage, built_in, eventually};

const ECHO: &str = "on_method('echo', |device, request| request.payload);";

/// A proxy that wants a password, and where it is.
async fn proxy() -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut flows = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            flows.spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(near.read_u8().await.unwrap());
                }
                let request = String::from_utf8(request).unwrap();
                // me:secret
                if !request.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n") {
                    near.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
                    return;
                }
                let place = request.split(' ').nth(1).unwrap();
                let mut far = TcpStream::connect(place).await.unwrap();
                near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                // Either end may close as it likes.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (port, serving)
}

#[tokio::test]
async fn an_agent_lives_in_a_websocket_straight_and_through_a_proxy() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let (port, serving) = proxy().await;
    let through: Proxy = format!("http://me:secret@127.0.0.1:{port}").parse().unwrap();
    for (id, proxy) in [("straight", None), ("through", Some(through))] {
        let mut device = stage.add(id).await;
        device.host = HostPort::with_port("localhost", stage.hub.https().port());
        let mut config = stage.config(vec![device], built_in(ECHO), &ear);
        config.link.transport = Transport::WebSocket { proxy };
        let agent = Agent::start(config).unwrap();
        agent.ready().await.unwrap();
        for size in [1, 100_000] {
            let text = "x".repeat(size);
            let (status, answer) = stage.call(id, "echo", json!(text)).await;
            assert_eq!((status, answer["payload"].as_str()), (200, Some(text.as_str())));
        }
        agent.stop(Duration::ZERO).await;
        eventually("gone", async || stage.twin(id).await["connectionState"] == "Disconnected").await;
    }
    serving.abort();
    stage.hub.stop().await;
}

#[tokio::test]
async fn a_proxy_that_goes_away_and_comes_back_is_survived() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let (port, serving) = proxy().await;
    // Agents know the proxy by this address, whatever becomes of it.
    let front = FaultyLine::to(([127, 0, 0, 1], port).into()).await.unwrap();
    let through: Proxy = format!("http://me:secret@{}", front.at()).parse().unwrap();
    let mut device = stage.add("d").await;
    device.host = HostPort::with_port("localhost", stage.hub.https().port());
    let text = "on_method('go', |device, request| { reply(200); sleep(1); device.send('later'); device.report(#{ a: 1 }); print('kept'); });";
    let mut config = stage.config(vec![device], built_in(text), &ear);
    config.link.transport = Transport::WebSocket { proxy: Some(through) };
    quick(&mut config.link);
    let agent = Agent::start(config).unwrap();
    agent.ready().await.unwrap();
    assert_eq!(stage.call("d", "go", json!(null)).await.0, 200);
    front.set(Weather::Refuse);
    let named = |event: &AgentEvent| matches!(event, AgentEvent::Unreachable { why, .. } if why.contains("the proxy"));
    eventually("the proxy is named", async || ear.count(named) >= 2).await;
    eventually("what is said meanwhile is kept", async || ear.said() == ["kept"]).await;
    serving.abort();
    // Another process at the same place.
    let (port, serving) = proxy().await;
    front.lead_to(([127, 0, 0, 1], port).into());
    front.set(Weather::Fair);
    eventually("the message arrives", async || agent.status().messages == 1).await;
    eventually("the report arrives", async || stage.twin("d").await["properties"]["reported"]["a"] == 1).await;
    assert_eq!(stage.call("d", "go", json!(null)).await.0, 200);
    agent.stop(Duration::ZERO).await;
    serving.abort();
    stage.hub.stop().await;
}

#[tokio::test]
async fn what_stands_in_the_way_is_named() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let (port, serving) = proxy().await;
    let why = |part: &'static str| move |event: &AgentEvent| matches!(event, AgentEvent::Unreachable { why, .. } if why.contains(part));
    for (id, proxy, at, said) in [
        ("no-password", Some(port), stage.hub.https().port(), "407"),
        ("no-websocket", None, stage.hub.mqtt().port(), "no WebSocket"),
    ] {
        let mut device = stage.add(id).await;
        device.host = HostPort::with_port("localhost", at);
        let mut config = stage.config(vec![device], built_in(ECHO), &ear);
        let proxy = proxy.map(|port| format!("127.0.0.1:{port}").parse().unwrap());
        config.link.transport = Transport::WebSocket { proxy };
        let agent = Agent::start(config).unwrap();
        eventually(said, async || ear.count(why(said)) > 0).await;
        agent.stop(Duration::ZERO).await;
    }
    serving.abort();
    stage.hub.stop().await;
}
