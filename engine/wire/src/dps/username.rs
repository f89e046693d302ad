//! The user name of a CONNECT to the provisioning service: `{idScope}/registrations/{registrationId}/api-version=..[&..]`, without `?`.

use std::fmt;

use super::RegistrationId;
use crate::percent::encode;

/// The api-version that SDKs register with.
pub const DPS_API_VERSION: &str = "2019-03-31";

const REGISTRATIONS: &str = "registrations";
const VERSION: &str = "api-version=";

/// A user name, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DpsUsername {
    /// Which provisioning service.
    pub id_scope: String,
    /// Who registers.
    pub registration: RegistrationId,
    /// What the client says it is, encoded or not.
    pub client_version: Option<String>,
}

impl DpsUsername {
    /// Reads one; `None` for any other user name, such as a hub's. No id scope can look like a device's host, as it has no dot
    /// and no hub has the device `registrations`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '/');
        let (id_scope, word, registration) = (parts.next()?, parts.next()?, parts.next()?);
        let query = parts.next()?.trim_start_matches('?');
        if id_scope.is_empty() || word != REGISTRATIONS || !query.split('&').any(|pair| pair.starts_with(VERSION)) {
            return None;
        }
        let client_version = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| key.eq_ignore_ascii_case("ClientVersion").then(|| value.to_owned()));
        Some(Self { id_scope: id_scope.to_owned(), registration: registration.parse().ok()?, client_version })
    }
}

impl fmt::Display for DpsUsername {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{REGISTRATIONS}/{}/{VERSION}{DPS_API_VERSION}", self.id_scope, self.registration)?;
        self.client_version.as_ref().map_or(Ok(()), |version| write!(f, "&ClientVersion={}", encode(version)))
    }
}

/// What a registering device signs, not encoded.
pub fn dps_resource(id_scope: &str, registration: &RegistrationId) -> String {
    format!("{id_scope}/{REGISTRATIONS}/{registration}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_sdks_send_and_nothing_of_hubs() {
        for text in [
            "0ne001/registrations/reg-1/api-version=2019-03-31&ClientVersion=py%2F2.14",
            "0ne001/registrations/reg-1/api-version=2019-03-31&clientVersion=a/b",
            "0ne001/registrations/reg-1/?api-version=2021-06-01",
        ] {
            let parsed = DpsUsername::parse(text).unwrap();
            assert_eq!((parsed.id_scope.as_str(), parsed.registration.as_str()), ("0ne001", "reg-1"), "{text}");
        }
        for text in [
            "",
            "0ne001/registrations/reg-1",
            "0ne001/registrations/reg 1/api-version=2019-03-31",
            "/registrations/reg-1/api-version=2019-03-31",
            "hub.example/d/?api-version=2021-04-12",
            "hub.example/registrations/?api-version=2021-04-12",
        ] {
            assert_eq!(DpsUsername::parse(text), None, "{text}");
        }
        let own = DpsUsername {
            id_scope: "0ne1".into(),
            registration: "r".parse().unwrap(),
            client_version: Some("a/1".into()),
        };
        assert_eq!(own.to_string(), "0ne1/registrations/r/api-version=2019-03-31&ClientVersion=a%2F1");
        assert!(DpsUsername::parse(&own.to_string()).is_some());
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,60}", tail in ".{0,30}") {
            let _ = DpsUsername::parse(&text);
            let _ = DpsUsername::parse(&format!("0ne1/registrations/{text}/api-version={tail}"));
        }

        #[test]
        fn no_hubs_user_name_is_one(host in "[a-z0-9.]{1,20}", device in "[A-Za-z0-9_-]{1,20}") {
            prop_assert_eq!(DpsUsername::parse(&format!("{host}/{device}/?api-version=2021-04-12")), None);
        }
    }
}
