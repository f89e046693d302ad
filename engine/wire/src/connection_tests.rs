//! Tests of connection strings: the tables of good and bad ones, and that no error shows a secret.

use super::*;
use proptest::prelude::*;

const KEY_TEXT: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAxMjM=";

#[test]
fn reads_the_services() {
    let text = format!("HostName=localhost:8443;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY_TEXT}");
    let ConnectionString::Service(service) = text.parse().unwrap() else { panic!("a service string") };
    assert_eq!(service.host, HostPort::with_port("localhost", 8443));
    assert_eq!((service.policy.as_str(), service.key.expose()), ("iothubowner", KEY_TEXT));
    assert_eq!(service.to_connection_string().expose(), text);
    assert!(!format!("{service:?}").contains(KEY_TEXT));
}

#[test]
fn reads_the_devices() {
    for (rest, credential) in [
        (format!("SharedAccessKey={KEY_TEXT}"), DeviceCredential::Key(KEY_TEXT.parse().unwrap())),
        (
            format!("SharedAccessKeyName=device;SharedAccessKey={KEY_TEXT}"),
            DeviceCredential::Policy { name: "device".into(), key: KEY_TEXT.parse().unwrap() },
        ),
        (
            "SharedAccessSignature=SharedAccessSignature sr=a&sig=b%3D&se=1".into(),
            DeviceCredential::Signature(Secret::new("SharedAccessSignature sr=a&sig=b%3D&se=1")),
        ),
        ("x509=true".into(), DeviceCredential::X509),
    ] {
        for (ids, gateway) in [("DeviceId=d", ""), ("DeviceId=d;ModuleId=m", ";GatewayHostName=localhost:18883")] {
            let text = format!("HostName=h.azure-devices.net;{ids};{rest}{gateway}");
            let device: DeviceConnection = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(device.credential, credential);
            assert_eq!(device.to_connection_string().expose(), text);
            let endpoint = device.endpoint().to_string();
            assert_eq!(endpoint, if gateway.is_empty() { "h.azure-devices.net" } else { "localhost:18883" });
        }
    }
}

#[test]
fn says_what_is_wrong_and_how_to_mend_it() {
    let missing = |name, cut| ConnectionStringError::Missing { name, cut };
    let service = |rest: &str| format!("HostName=h;SharedAccessKeyName=p;SharedAccessKey={KEY_TEXT}{rest}");
    for (text, error) in [
        (" ".into(), ConnectionStringError::Empty),
        ("HostName=h".into(), missing(POLICY, true)),
        (format!("HostName=h;SharedAccessKey={KEY_TEXT}"), missing(POLICY, false)),
        ("HostName=h;SharedAccessKeyName=p".into(), missing(KEY, false)),
        (format!("SharedAccessKeyName=p;SharedAccessKey={KEY_TEXT}"), missing(HOST, false)),
        (service(";"), ConnectionStringError::EmptyPart),
        (service(";HostName=i"), ConnectionStringError::Twice(HOST)),
        (service(";GatewayHostName=g"), missing(DEVICE, false)),
        ("HostName=h;x".into(), ConnectionStringError::NotAPair(2)),
        ("HostName=".into(), ConnectionStringError::NoValue(HOST)),
        (
            "HostName=https://h;SharedAccessKeyName=p".into(),
            ConnectionStringError::Host(HOST, HostError::Form("https://h".into())),
        ),
        ("HostName=h;SharedAccessKeyName=p;SharedAccessKey=***".into(), ConnectionStringError::Key(SasError::Key)),
        ("Hostname=h".into(), ConnectionStringError::Unknown { name: Some("Hostname".into()), meant: Some(HOST) }),
        ("Endpoint=sb://x/;SharedAccessKeyName=p".into(), ConnectionStringError::EventHubs),
    ] {
        assert_eq!(text.parse::<ServiceConnection>(), Err(error), "{text}");
    }
    let cut = "HostName=h".parse::<ConnectionString>().unwrap_err();
    assert!(cut.help().unwrap().contains("quotes lost in the shell"));
    assert_eq!("Hostname=h".parse::<ConnectionString>().unwrap_err().help().unwrap(), "did you mean `HostName`?");
}

#[test]
fn tells_the_two_kinds_apart() {
    let service = format!("HostName=h;SharedAccessKeyName=p;SharedAccessKey={KEY_TEXT}");
    let error = service.parse::<DeviceConnection>().unwrap_err();
    assert_eq!(error, ConnectionStringError::ServiceInsteadOfDevice("p".into()));
    let device = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY_TEXT}");
    let error = device.parse::<ServiceConnection>().unwrap_err();
    assert_eq!(error, ConnectionStringError::DeviceInsteadOfService("d".into()));
    for (rest, error) in [
        ("", ConnectionStringError::Missing { name: KEY, cut: false }),
        (";x509=True", ConnectionStringError::X509),
        (";x509=true;SharedAccessKeyName=p", ConnectionStringError::Mixed(X509, POLICY)),
        (";x509=true;SharedAccessKey=YQ==", ConnectionStringError::Mixed(KEY, X509)),
    ] {
        assert_eq!(format!("HostName=h;DeviceId=d{rest}").parse::<DeviceConnection>(), Err(error), "{rest}");
    }
}

proptest! {
    #[test]
    fn no_error_shows_a_key(before in "[A-Za-z]{0,8}[;=]{0,2}", after in "[;=]{0,2}[A-Za-z]{0,8}") {
        let text = format!("HostName=h;{before}{KEY_TEXT}{after}");
        for error in [text.parse::<ServiceConnection>().err(), text.parse::<DeviceConnection>().err()].into_iter().flatten() {
            let shown = format!("{error} {error:?} {:?}", error.help());
            prop_assert!(!shown.contains(&KEY_TEXT[..20]), "{}", shown);
        }
    }

    #[test]
    fn never_panics(text in ".{0,60}", pairs in "([A-Za-z0-9]{0,16}=?[^;]{0,8};?){0,5}") {
        let _ = text.parse::<ConnectionString>();
        let _ = pairs.parse::<ConnectionString>();
    }
}
