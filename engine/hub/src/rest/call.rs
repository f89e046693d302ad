//! One authorised call on its way to a handler: its parameters and conditions.

use http::HeaderMap;
use hyper::body::Incoming;
use wire::{ErrorCode, HubError, IfMatch, headers};

/// Years that an api-version may begin with: the service began in 2014, and SDKs of other languages send other dates.
const VERSION_YEARS: std::ops::RangeInclusive<u16> = 2014..=2099;

/// The parts of a request that handlers look at.
pub(super) struct Call {
    pub(super) headers: HeaderMap,
    pub(super) parameters: String,
    pub(super) body: Incoming,
}

impl Call {
    /// A header's text; none when it is absent or not ASCII.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The condition on the version of what is to be changed.
    pub(super) fn if_match(&self) -> Option<IfMatch> {
        IfMatch::parse(self.header(headers::IF_MATCH)?)
    }

    /// A query parameter; names match in any case, as the service's framework does it.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.parameters, name)
    }
}

fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    let pairs = parameters.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Refuses a call without a version that looks like one: a date, with or without `-preview`.
pub(super) fn check_version(parameters: &str) -> Result<(), HubError> {
    let version = parameter(parameters, headers::API_VERSION_PARAMETER).unwrap_or("");
    let date = version.strip_suffix("-preview").unwrap_or(version);
    let parts: Vec<&str> = date.split('-').collect();
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u16>().ok())?
    };
    let known = match parts.as_slice() {
        [year, month, day] => {
            number(year, 4).is_some_and(|year| VERSION_YEARS.contains(&year))
                && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
                && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
        }
        _ => false,
    };
    if known {
        return Ok(());
    }
    // At most 32 characters of what came go back.
    let shown: String = version.chars().take(32).collect();
    let message = format!("Unsupported {} '{shown}'.", headers::API_VERSION_PARAMETER);
    Err(HubError::new(ErrorCode::INVALID_PROTOCOL_VERSION, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_by_table() {
        for (parameters, good) in [
            ("api-version=2021-04-12", true),
            ("top=10&api-version=2021-04-12", true),
            ("API-Version=2024-03-31", true),
            ("api-version=2018-08-30-preview", true),
            ("", false),
            ("api-version", false),
            ("api-version=", false),
            ("api-version=1", false),
            ("api-version=2021-13-12", false),
            ("api-version=1999-01-01", false),
            ("api-version=2021-04-+1", false),
            ("xapi-version=2021-04-12", false),
        ] {
            assert_eq!(check_version(parameters).is_ok(), good, "{parameters}");
        }
    }
}
