//! Which methods a path has, and what a caller must be allowed for each.

use http::Method;
use wire::HubPath;

use super::provisioning;

use crate::auth::Permission::{self, RegistryRead, RegistryWrite, ServiceConnect};

/// What this hub does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    ListDevices,
    Bulk,
    GetDevice,
    PutDevice,
    DeleteDevice,
    ListModules,
    GetModule,
    PutModule,
    DeleteModule,
    GetTwin,
    PatchTwin,
    PutTwin,
    InvokeMethod,
    Query,
    PutJob,
    GetJob,
    CancelJob,
    ListJobs,
    /// The provisioning service's; whether it changes something.
    Provisioning(bool),
    ListAuthorities,
    GetAuthority,
    PutAuthority,
    DeleteAuthority,
    StatisticsDevices,
    StatisticsService,
    SendMessage,
    ReadTelemetry,
    Status,
    ListFaults,
    AddFaults,
    ClearFaults,
    ListUploads,
    GetFile,
    RemoveFile,
    PurgeMessages,
    ReadFeedback,
    CompleteFeedback,
    AbandonFeedback,
    /// IoT Hub has it, this hub has not; holds its name.
    NotSupported(&'static str),
}

impl Route {
    /// None when the path has no such method.
    pub(super) fn of(path: &HubPath, method: &Method) -> Option<Self> {
        Some(match (path, method.as_str()) {
            (HubPath::Devices, "GET") => Self::ListDevices,
            (HubPath::Devices, "POST") => Self::Bulk,
            (HubPath::Device(_), "GET") => Self::GetDevice,
            (HubPath::Device(_), "PUT") => Self::PutDevice,
            (HubPath::Device(_), "DELETE") => Self::DeleteDevice,
            (HubPath::Modules(_), "GET") => Self::ListModules,
            (HubPath::Module(_), "GET") => Self::GetModule,
            (HubPath::Module(_), "PUT") => Self::PutModule,
            (HubPath::Module(_), "DELETE") => Self::DeleteModule,
            (HubPath::Twin(_), "GET") => Self::GetTwin,
            (HubPath::Twin(_), "PATCH") => Self::PatchTwin,
            (HubPath::Twin(_), "PUT") => Self::PutTwin,
            (HubPath::Methods(_), "POST") => Self::InvokeMethod,
            (HubPath::Query, "POST") => Self::Query,
            (HubPath::JobV2(_), "PUT") => Self::PutJob,
            (HubPath::JobV2(_), "GET") => Self::GetJob,
            (HubPath::JobV2Cancel(_), "POST") => Self::CancelJob,
            (HubPath::JobsV2Query, "GET") => Self::ListJobs,
            (HubPath::Dps(path), method) => Self::Provisioning(provisioning::writes(path, method)?),
            (HubPath::Authorities, "GET") => Self::ListAuthorities,
            (HubPath::Authority(_), "GET") => Self::GetAuthority,
            (HubPath::Authority(_), "PUT") => Self::PutAuthority,
            (HubPath::Authority(_), "DELETE") => Self::DeleteAuthority,
            (HubPath::StatisticsDevices, "GET") => Self::StatisticsDevices,
            (HubPath::StatisticsService, "GET") => Self::StatisticsService,
            (HubPath::OwnSend(_), "POST") => Self::SendMessage,
            (HubPath::OwnStatus, "GET") => Self::Status,
            (HubPath::OwnFaults, "GET") => Self::ListFaults,
            (HubPath::OwnFaults, "POST") => Self::AddFaults,
            (HubPath::OwnFaults | HubPath::OwnFault(_), "DELETE") => Self::ClearFaults,
            (HubPath::OwnTelemetry, "GET") => Self::ReadTelemetry,
            (HubPath::OwnUploads, "GET") => Self::ListUploads,
            (HubPath::OwnFile(..), "GET") => Self::GetFile,
            (HubPath::OwnFile(..), "DELETE") => Self::RemoveFile,
            (HubPath::Commands(_), "DELETE") => Self::PurgeMessages,
            (HubPath::Feedback, "GET") => Self::ReadFeedback,
            (HubPath::FeedbackLock(_), "DELETE") => Self::CompleteFeedback,
            (HubPath::FeedbackAbandon(_), "POST") => Self::AbandonFeedback,
            (path, method) => Self::NotSupported(not_supported(path, method)?),
        })
    }

    /// What it is counted as.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Provisioning(false) => "read_provisioning",
            Self::Provisioning(true) => "write_provisioning",
            Self::ListAuthorities => "list_authorities",
            Self::GetAuthority => "get_authority",
            Self::PutAuthority => "put_authority",
            Self::DeleteAuthority => "delete_authority",
            Self::ListDevices => "list_devices",
            Self::Bulk => "bulk",
            Self::GetDevice => "get_device",
            Self::PutDevice => "put_device",
            Self::DeleteDevice => "delete_device",
            Self::ListModules => "list_modules",
            Self::GetModule => "get_module",
            Self::PutModule => "put_module",
            Self::DeleteModule => "delete_module",
            Self::GetTwin => "get_twin",
            Self::PatchTwin => "patch_twin",
            Self::PutTwin => "put_twin",
            Self::InvokeMethod => "invoke_method",
            Self::Query => "query",
            Self::PutJob => "put_job",
            Self::GetJob => "get_job",
            Self::CancelJob => "cancel_job",
            Self::ListJobs => "list_jobs",
            Self::StatisticsDevices | Self::StatisticsService => "statistics",
            Self::SendMessage => "send_message",
            Self::ReadTelemetry => "read_telemetry",
            Self::Status => "status",
            Self::ListFaults => "list_faults",
            Self::AddFaults | Self::ClearFaults => "change_faults",
            Self::ListUploads => "list_uploads",
            Self::GetFile => "get_file",
            Self::RemoveFile => "remove_file",
            Self::PurgeMessages => "purge_messages",
            Self::ReadFeedback => "read_feedback",
            Self::CompleteFeedback | Self::AbandonFeedback => "settle_feedback",
            Self::NotSupported(_) => "not_supported",
        }
    }

    /// Any one of these suffices; none are asked for what is not supported.
    pub(super) fn needs(self) -> &'static [Permission] {
        match self {
            Self::GetTwin | Self::PatchTwin | Self::PutTwin | Self::InvokeMethod | Self::Query => &[ServiceConnect],
            Self::PutJob | Self::GetJob | Self::CancelJob | Self::ListJobs => &[ServiceConnect],
            Self::SendMessage | Self::PurgeMessages | Self::ReadTelemetry | Self::Status | Self::ListFaults => {
                &[ServiceConnect]
            }
            Self::ListUploads | Self::GetFile | Self::RemoveFile => &[ServiceConnect],
            // Whoever may break the hub may break its registry.
            Self::AddFaults | Self::ClearFaults => &[RegistryWrite],
            Self::ReadFeedback | Self::CompleteFeedback | Self::AbandonFeedback => &[ServiceConnect],
            Self::ListDevices | Self::GetDevice | Self::ListModules | Self::GetModule => &[RegistryRead],
            Self::StatisticsDevices | Self::StatisticsService => &[RegistryRead],
            Self::Provisioning(false) => &[RegistryRead],
            Self::Provisioning(true) => &[RegistryWrite],
            Self::ListAuthorities | Self::GetAuthority => &[RegistryRead],
            Self::PutAuthority | Self::DeleteAuthority => &[RegistryWrite],
            Self::PutDevice | Self::DeleteDevice | Self::PutModule | Self::DeleteModule | Self::Bulk => {
                &[RegistryWrite]
            }
            Self::NotSupported(_) => &[RegistryRead, ServiceConnect],
        }
    }
}

/// What the service has on this path and method, in words; none when it has nothing there either.
fn not_supported(path: &HubPath, method: &str) -> Option<&'static str> {
    Some(match (path, method) {
        (HubPath::ApplyConfiguration(_), "POST") => "Applying a configuration's content (IoT Edge)",
        (HubPath::DeviceEvents(_), "POST") | (HubPath::DeviceBound(_), "GET") => "The device side over HTTPS",
        (HubPath::Jobs, "GET") | (HubPath::JobCreate, "POST") | (HubPath::Job(_), "GET" | "DELETE") => {
            "Import and export of devices by job"
        }
        (HubPath::Configurations, "GET")
        | (HubPath::ConfigurationTestQueries, "POST")
        | (HubPath::Configuration(_), "GET" | "PUT" | "DELETE") => "Automatic device management (configurations)",
        (HubPath::DigitalTwin(_), "GET" | "PATCH")
        | (HubPath::DigitalTwinCommand(..) | HubPath::DigitalTwinComponentCommand(..), "POST") => "Digital twins",
        _ => return None,
    })
}

/// The path that a token must reach, as segments: what a narrow token such as `host/devices/d` is compared with.
pub(super) fn segments(path: &HubPath) -> Vec<String> {
    let printed = path.to_string();
    let room = printed.split('/').nth(1).unwrap_or_default();
    let mut segments = vec![room.to_owned()];
    if let Some(identity) = path.identity() {
        segments.push(identity.device.to_string());
        if let Some(module) = identity.module {
            segments.extend(["modules".to_owned(), module.to_string()]);
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_by_table() {
        for (method, path, route) in [
            ("GET", "/devices", Some(Route::ListDevices)),
            ("GET", "/devices/", Some(Route::ListDevices)),
            ("POST", "/devices/query", Some(Route::Query)),
            ("GET", "/devices/query", Some(Route::GetDevice)),
            ("PATCH", "/twins/d/modules/m", Some(Route::PatchTwin)),
            ("POST", "/twins/d/modules/m/methods", Some(Route::InvokeMethod)),
            ("DELETE", "/devices/d/modules/m", Some(Route::DeleteModule)),
            ("PUT", "/jobs/v2/j", Some(Route::PutJob)),
            ("PUT", "/jobs/v2/query", Some(Route::PutJob)),
            ("GET", "/jobs/v2/query", Some(Route::ListJobs)),
            ("POST", "/jobs/v2/j/cancel", Some(Route::CancelJob)),
            ("DELETE", "/jobs/v2/j", None),
            ("DELETE", "/twins/d", None),
            ("GET", "/twins/d/methods", None),
            ("HEAD", "/devices", None),
        ] {
            let parsed = HubPath::parse_for(method, path).unwrap();
            assert_eq!(Route::of(&parsed, &method.parse().unwrap()), route, "{method} {path}");
        }
    }

    #[test]
    fn a_narrow_token_is_compared_with_decoded_segments() {
        let path = HubPath::parse("/devices/a%20b/modules/m").unwrap_or(HubPath::Devices);
        assert_eq!(segments(&path)[0], "devices");
        let path = HubPath::parse("/twins/%24edge/modules/m%23/methods").unwrap();
        assert_eq!(segments(&path), ["twins", "$edge", "modules", "m#"]);
        assert_eq!(segments(&HubPath::StatisticsDevices), ["statistics"]);
    }
}
