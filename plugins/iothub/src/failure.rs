//! What went wrong with the hub, as a failed step: class, sentence, help. The sentences of direct methods are in `verdict`.

use runner::{Class, Failure, InventoryError};
use serde_json::json;
use wire::ErrorCode;

use crate::client::ClientError;

/// A failed call as a failed step. Sentences that begin with `is` or `did` have the device as their subject.
pub(crate) fn failure(error: &ClientError) -> Failure {
    let class = match error {
        _ if error.is_hub() => Class::Hub,
        ClientError::Lost { .. } => Class::Timeout,
        _ => Class::Failed,
    };
    let mut failure = Failure::new(class, sentence(error));
    if let ClientError::Lost { .. } = error {
        failure.in_doubt = true;
        failure.value = json!({ "lost": true });
    }
    failure.help = error.help().to_vec();
    failure.help.extend(more_help(error));
    failure
}

/// One sentence.
pub(crate) fn sentence(error: &ClientError) -> String {
    let ClientError::Refused { error, .. } = error else { return error.to_string() };
    let code = error.code;
    match code {
        ErrorCode::DEVICE_NOT_FOUND => format!("is not known to the hub ({code})"),
        ErrorCode::DEVICE_DISABLED => format!("is disabled ({code})"),
        ErrorCode::PRECONDITION_FAILED => format!("was changed by someone else since it was read ({code})"),
        _ if error.message.is_empty() || code.http_status() == 401 => format!("{} ({code})", code.meaning()),
        _ => format!("{}: {} ({code})", code.meaning(), error.message.trim_end_matches('.')),
    }
}

fn more_help(error: &ClientError) -> Option<String> {
    Some(match error.code()? {
        ErrorCode::DEVICE_NOT_FOUND => "to see the devices: iotplay devices list".to_owned(),
        ErrorCode::DEVICE_DISABLED => "to let it connect again: set_device_status: enabled".to_owned(),
        _ => return None,
    })
}

/// Whether a refused query is itself at fault: not understood, or (501, local hub) not supported.
pub(crate) fn is_query_fault(code: ErrorCode) -> bool {
    matches!(code.http_status(), 400 | 501)
}

/// A failed call as the inventory's error. `query`: the call was a query, whose condition may be at fault.
pub(crate) fn inventory_error(error: &ClientError, query: bool) -> InventoryError {
    match error {
        ClientError::Refused { error: refused, .. } if query && is_query_fault(refused.code) => {
            // The hub's text may stand on several lines; a finding is one sentence.
            InventoryError::Query(refused.message.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        _ => InventoryError::Hub { message: sentence(error), help: error.help().to_vec() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::HubError;

    fn refused(code: ErrorCode, message: &str) -> ClientError {
        ClientError::Refused { error: HubError::new(code, message), help: vec!["look".into()] }
    }

    #[test]
    fn sorts_by_whose_fault_it_is() {
        let away = ClientError::Away { message: "cannot reach the hub h".into(), help: vec!["start it".into()] };
        let lost = ClientError::Lost { message: "the connection broke".into() };
        for (error, class, in_doubt, message) in [
            (away, Class::Hub, false, "cannot reach the hub h"),
            (lost, Class::Timeout, true, "the connection broke"),
            (
                refused(ErrorCode::UNAUTHORIZED_ACCESS, "x"),
                Class::Hub,
                false,
                "the hub does not accept the key, the token or its rights (401002 IotHubUnauthorizedAccess)",
            ),
            (
                refused(ErrorCode::QUOTA_EXCEEDED, ""),
                Class::Hub,
                false,
                "the hub's messages of today are used up (403002 IotHubQuotaExceeded)",
            ),
            (
                refused(ErrorCode::THROTTLED, ""),
                Class::Hub,
                false,
                "the hub is asked to do too much at once (429001 ThrottlingException)",
            ),
            (
                refused(ErrorCode::DEVICE_NOT_FOUND, "d"),
                Class::Failed,
                false,
                "is not known to the hub (404001 DeviceNotFound)",
            ),
            (refused(ErrorCode::DEVICE_DISABLED, "d"), Class::Failed, false, "is disabled (403012 DeviceDisabled)"),
            (
                refused(ErrorCode::ARGUMENT_INVALID, "a.b is bad."),
                Class::Failed,
                false,
                "a value in the request is not valid: a.b is bad (400004 ArgumentInvalid)",
            ),
        ] {
            let failure = failure(&error);
            assert_eq!((failure.class, failure.in_doubt, failure.message.as_str()), (class, in_doubt, message));
        }
    }

    #[test]
    fn a_bad_condition_is_not_the_hubs_trouble() {
        let bad = refused(ErrorCode::ARGUMENT_INVALID, "the query is invalid");
        assert!(matches!(inventory_error(&bad, true), InventoryError::Query(_)));
        assert!(matches!(inventory_error(&bad, false), InventoryError::Hub { .. }));
        assert!(matches!(inventory_error(&refused(ErrorCode::UNAUTHORIZED, ""), true), InventoryError::Hub { .. }));
    }
}
