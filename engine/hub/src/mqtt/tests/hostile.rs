//! Packets that are well formed but not a device's to send, and streams that are not MQTT any more.

use super::stage::{Stage, settle};

#[tokio::test(start_paused = true)]
async fn what_no_device_may_send_ends_its_connection() {
    for (name, bytes) in [
        ("a connack", &b"\x20\x02\0\0"[..]),
        ("a suback", b"\x90\x03\0\x01\0"),
        ("an unsuback", b"\xb0\x02\0\x01"),
        ("a pingresp", b"\xd0\0"),
        ("a pubrec", b"\x50\x02\0\x01"),
        ("a pubrel", b"\x62\x02\0\x01"),
        ("a pubcomp", b"\x70\x02\0\x01"),
        ("a publish to a wildcard", b"\x30\x03\0\x01#"),
        ("a subscribe of quality 3", b"\x82\x06\0\x01\0\x01a\x03"),
        ("a subscribe without flags", b"\x80\x06\0\x01\0\x01a\0"),
        ("packet id 0", b"\x32\x05\0\x01a\0\0"),
        ("a packet of 256 MB", b"\x30\xff\xff\xff\x7f"),
        ("a packet of version 5", b"\xf0\0"),
        ("a length without end", b"\x30\xff\xff\xff\xff\x7f"),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n"),
        ("TLS inside TLS", b"\x16\x03\x01\x02\0\x01\0"),
    ] {
        let stage = Stage::new();
        let mut device = stage.device("d").await;
        device.connection.queue_written(bytes);
        device.until_closed().await;
        settle().await;
        let endings = stage.endings();
        assert!(endings.len() == 1 && endings[0].starts_with("it was dropped: "), "{name}: {endings:?}");
        assert_eq!(stage.exchange().connected(), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_too_many_is_forgiven() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.connection.queue_written(b"\x40\x02\0\x09");
    device.ping().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_inside_a_packet_is_a_lost_connection() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.connection.queue_written(b"\x30\x10\0");
    device.connection.flush().await.unwrap();
    drop(device);
    settle().await;
    assert!(stage.endings()[0].starts_with("the connection was lost: "), "{:?}", stage.endings());
}
