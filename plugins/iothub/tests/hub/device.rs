//! A device with nothing in it but an answer to methods, over MQTT and TLS as any other.

use net::mqtt::{Connect, Connection, Limits, Login, Packet, QoS, Subscribe};
use net::tls::{Roots, TlsConnector, client_config, server_name};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use wire::{DeviceConnection, DeviceCredential, DeviceFilter, DeviceTopic, Username, client_id, device_resource, sign};

/// What becomes of a method's call.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// This status; the payload comes back as it came.
    Echo(i32),
    /// None, ever.
    Silent,
    /// The connection breaks.
    Drop,
}

/// A connected device; dropping it breaks the connection.
pub(crate) struct Device(JoinHandle<()>);

impl Drop for Device {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const LIMITS: Limits = Limits { max_packet: 512 * 1024 };

impl Device {
    /// Connects, listens to methods, and is ready when this returns.
    pub(crate) async fn connect(
        connection: &DeviceConnection,
        ca: &str,
        answer: impl Fn(&str) -> Answer + 'static,
    ) -> Self {
        let DeviceCredential::Key(key) = &connection.credential else { panic!("a device with a key") };
        let host = connection.host.to_string();
        let tls = TlsConnector::from(client_config(&Roots::Pem(ca.to_owned()), None).unwrap());
        let tcp = TcpStream::connect((connection.host.host.as_str(), connection.host.port_or(8883))).await.unwrap();
        let stream = tls.connect(server_name(&connection.host.host).unwrap(), tcp).await.unwrap();
        let mut mqtt = Connection::new(stream, LIMITS);

        let identity = &connection.identity;
        let token = sign(&device_resource(&host, identity), key, base::Clock::system().unix_seconds() + 600, None);
        let mut connect = Connect::new(client_id(identity));
        let username = Username::new(host, identity.clone()).to_string();
        connect.login = Some(Login { username, password: token.expose().to_owned() });
        mqtt.queue(&Packet::Connect(connect)).unwrap();
        let mut subscribe = Subscribe::new(DeviceFilter::Methods.to_string(), QoS::AtMostOnce);
        subscribe.pkid = 1;
        mqtt.queue(&Packet::Subscribe(subscribe)).unwrap();
        loop {
            match mqtt.read().await.unwrap().expect("the hub lets it in").packet {
                Packet::SubAck(_) => break,
                Packet::ConnAck(_) => {}
                other => panic!("{other:?}"),
            }
        }
        Self(tokio::task::spawn_local(async move {
            while let Ok(Some(incoming)) = mqtt.read().await {
                let Packet::Publish(request) = incoming.packet else { continue };
                let Ok(DeviceTopic::MethodRequest { name, rid }) = DeviceTopic::parse(&request.topic) else { continue };
                match answer(&name) {
                    Answer::Silent => {}
                    Answer::Drop => return,
                    Answer::Echo(status) => {
                        let topic = DeviceTopic::MethodResponse { status, rid }.to_string();
                        mqtt.queue_publish(&topic, &request.payload).unwrap();
                    }
                }
            }
        }))
    }
}
