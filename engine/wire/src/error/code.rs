//! The service's error codes: number, name and what they mean in plain words. The first three digits are the HTTP status.

use std::fmt;

/// An error code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($number:literal $constant:ident $name:literal $meaning:literal;)*) => {
        impl ErrorCode {
            $(#[doc = concat!("`", $name, "`: ", $meaning, ".")] pub const $constant: Self = Self($number);)*

            /// Every code that has a name, ascending.
            pub const ALL: &[Self] = &[$(Self::$constant),*];

            /// The name that stands in the header and in `ErrorCode:name;`. `Unknown` for a number that has none.
            pub fn name(self) -> &'static str {
                match self.0 { $($number => $name,)* _ => "Unknown" }
            }

            /// What it means, as a clause without a full stop.
            pub fn meaning(self) -> &'static str {
                match self.0 { $($number => $meaning,)* _ => self.class_meaning() }
            }

            /// The code of a name; `None` for a name that is not in the table.
            pub fn of_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$constant),)* _ => None }
            }
        }
    };
}

codes! {
    400000 GENERIC_BAD_REQUEST "GenericBadRequest" "the hub does not understand the request";
    400001 INVALID_PROTOCOL_VERSION "InvalidProtocolVersion" "the hub does not speak this api-version";
    400003 INVALID_OPERATION "InvalidOperation" "the hub does not allow this operation here";
    400004 ARGUMENT_INVALID "ArgumentInvalid" "a value in the request is not valid";
    400005 ARGUMENT_NULL "ArgumentNull" "a value in the request is missing";
    400006 FORMAT_ERROR "IotHubFormatError" "the request is not valid JSON";
    400008 BLOB_CONTAINER_VALIDATION "BlobContainerValidationError" "the blob container cannot be used";
    400011 DEVICE_DEFINED_MULTIPLE_TIMES "DeviceDefinedMultipleTimes" "a device stands more than once in the request";
    400013 BULK_REGISTRY_FAILURE "BulkRegistryOperationFailure" "parts of the bulk request failed";
    400015 INVALID_CORRELATION_ID "InvalidFileUploadCorrelationId" "the device has no such upload, or it is over";
    400016 EXPIRED_CORRELATION_ID "ExpiredFileUploadCorrelationId" "the time of the upload is over";
    400019 INVALID_COMPLETION_STATUS "InvalidFileUploadCompletionStatus" "the device does not say whether the upload worked";
    400020 INVALID_STORAGE_OR_BLOB "InvalidStorageEndpointOrBlob" "the file that is said to be uploaded is not there";
    400027 CONNECTION_REPLACED "ConnectionForcefullyClosedOnNewConnection" "a second connection of the same device cut off the one in use";
    400028 INVALID_DEVICE_SCOPE "InvalidDeviceScope" "the device scope is not valid";
    400401 INVALID_TARGET_CONDITION "InvalidConfigurationTargetCondition" "the target condition of the configuration is not valid";
    400402 INVALID_CONFIGURATION_CONTENT "InvalidConfigurationContent" "the content of the configuration is not valid";
    400403 IMMUTABLE_CONFIGURATION_CONTENT "CannotModifyImmutableConfigurationContent" "the content of a configuration cannot be changed";
    400404 INVALID_CONFIGURATION_METRICS "InvalidConfigurationCustomMetricsQuery" "a metrics query of the configuration is not valid";
    400505 INVALID_TWIN_JSON_PATCH "InvalidDigitalTwinJsonPatch" "the JSON patch of the digital twin is not valid";
    400506 INVALID_TWIN_PAYLOAD "InvalidDigitalTwinPayload" "the body for the digital twin is not valid";
    400507 INVALID_TWIN_PATCH "InvalidDigitalTwinPatch" "the patch of the digital twin is not valid";
    400508 INVALID_TWIN_PATCH_PATH "InvalidDigitalTwinPatchPath" "a path in the patch of the digital twin is not valid";
    401002 UNAUTHORIZED_ACCESS "IotHubUnauthorizedAccess" "the hub does not accept the key, the token or its rights";
    401003 UNAUTHORIZED "IotHubUnauthorized" "the hub does not accept the key, the token or its rights";
    403002 QUOTA_EXCEEDED "IotHubQuotaExceeded" "the hub's messages of today are used up";
    403004 QUEUE_DEPTH_EXCEEDED "DeviceMaximumQueueDepthExceeded" "fifty messages already wait for the device";
    403006 ACTIVE_UPLOADS_EXCEEDED "DeviceMaximumActiveFileUploadLimitExceeded" "ten uploads of the device are already running";
    403010 NOT_IN_TIER "OperationNotAvailableInCurrentTier" "the hub's tier does not have this operation";
    403012 DEVICE_DISABLED "DeviceDisabled" "the device is disabled";
    403800 INFLIGHT_METHODS_EXCEEDED "DeviceMaximumInflightMethodExceeded" "too many methods of the device are already running";
    404001 DEVICE_NOT_FOUND "DeviceNotFound" "the hub does not know this device";
    404002 JOB_NOT_FOUND "JobNotFound" "the hub does not know this job";
    404010 MODULE_NOT_FOUND "ModuleNotFound" "the device has no such module";
    404103 DEVICE_NOT_ONLINE "DeviceNotOnline" "the device is not connected, or listens to no methods";
    404104 CONNECTION_CLOSED_REMOTELY "DeviceConnectionClosedRemotely" "the device's connection closed during the call";
    404301 CONFIGURATION_NOT_FOUND "ConfigurationNotFound" "the hub does not know this configuration";
    409001 DEVICE_ALREADY_EXISTS "DeviceAlreadyExists" "there is already a device of this name";
    409002 LINK_CREATION_CONFLICT "LinkCreationConflict" "the device opened the same link twice";
    409103 DEVICE_JOB_ALREADY_EXISTS "DeviceJobAlreadyExists" "a job of this device is already running";
    409104 JOB_ALREADY_EXISTS "JobAlreadyExists" "there is already a job of this name";
    409301 MODULE_ALREADY_EXISTS "ModuleAlreadyExistsOnDevice" "the device already has a module of this name";
    409401 CONFIGURATION_ALREADY_EXISTS "ConfigurationAlreadyExists" "there is already a configuration of this name";
    409402 CONFIGURATION_IN_PROGRESS "ApplyConfigurationAlreadyInProgressOnDevice" "a configuration is already being applied to the device";
    412001 PRECONDITION_FAILED "PreconditionFailed" "it was changed by someone else in the meantime";
    412002 MESSAGE_LOCK_LOST "DeviceMessageLockLost" "the message is no longer held by this receiver";
    413001 MESSAGE_TOO_LARGE "MessageTooLarge" "the message is too large";
    413002 TOO_MANY_DEVICES "TooManyDevices" "there are too many devices in the request";
    413003 TOO_MANY_MODULES "TooManyModulesOnDevice" "the device has too many modules";
    429000 GENERIC_TOO_MANY_REQUESTS "GenericTooManyRequests" "the hub is asked to do too much at once";
    429001 THROTTLED "ThrottlingException" "the hub is asked to do too much at once";
    429002 THROTTLE_BACKLOG_LIMIT "ThrottleBacklogLimitExceeded" "the hub is asked to do too much at once";
    429003 THROTTLE_BACKLOG_TIMEOUT "ThrottlingBacklogTimeout" "the hub is asked to do too much at once";
    429004 TOO_MANY_ACTIVE_JOBS "ThrottlingMaxActiveJobCountExceeded" "as many jobs as the hub allows are already running";
    429005 DEVICE_THROTTLED "DeviceThrottlingLimitExceeded" "the device does too much at once";
    500001 SERVER_ERROR "ServerError" "the hub failed";
    500008 GENERIC_TIMEOUT "GenericTimeout" "the hub did not finish in time";
    501000 NOT_IMPLEMENTED "NotImplemented" "this hub does not have this operation";
    502000 BAD_GATEWAY "GenericBadGateway" "the device's answer cannot be used";
    503001 SERVICE_UNAVAILABLE "ServiceUnavailable" "the hub is not available at present";
    503003 PARTITION_NOT_FOUND "PartitionNotFound" "the hub is not available at present";
    503005 SERVER_BUSY "ServerBusy" "the hub is too busy at present";
    504101 GATEWAY_TIMEOUT "GatewayTimeout" "the device did not answer in time";
}

impl ErrorCode {
    /// The code for an HTTP status of which nothing else is known.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => Self::UNAUTHORIZED_ACCESS,
            412 => Self::PRECONDITION_FAILED,
            413 => Self::MESSAGE_TOO_LARGE,
            429 => Self::THROTTLED,
            500 => Self::SERVER_ERROR,
            503 => Self::SERVICE_UNAVAILABLE,
            504 => Self::GATEWAY_TIMEOUT,
            other => Self(u32::from(other) * 1000),
        }
    }

    /// The HTTP status: the first three digits.
    pub fn http_status(self) -> u16 {
        u16::try_from(self.0 / 1000).unwrap_or(500)
    }

    fn class_meaning(self) -> &'static str {
        match self.http_status() {
            401 => "the hub does not accept the key, the token or its rights",
            403 => "the hub does not allow this",
            404 => "the hub does not know this",
            409 => "there is one already",
            429 => "the hub is asked to do too much at once",
            400..=499 => "the hub refuses the request",
            _ => "the hub failed",
        }
    }
}

/// `404103 DeviceNotOnline`, or the number alone when it has no name.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "Unknown" => write!(f, "{}", self.0),
            name => write!(f, "{} {name}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_find_each_other() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::of_name(code.name()), Some(*code));
            assert!((400..600).contains(&code.http_status()), "{code}");
            assert!(!code.meaning().ends_with('.'));
        }
        assert!(ErrorCode::ALL.is_sorted());
        assert_eq!(ErrorCode::DEVICE_NOT_ONLINE.to_string(), "404103 DeviceNotOnline");
        assert_eq!(ErrorCode(418_000).to_string(), "418000");
        assert_eq!(ErrorCode(418_000).meaning(), "the hub refuses the request");
    }
}
