//! The paths of the service's REST side, without their query. Ids are percent-encoded segments, decoded after the split.

use std::fmt;

use crate::dps::DpsPath;
use crate::percent::{decode, encode};
use crate::{DeviceId, Identity};

/// Where MQTT over WebSocket is spoken, on port 443.
pub const WEBSOCKET_PATH: &str = "/$iothub/websocket";
/// Where the paths begin that only a local hub of iotplay has.
const OWN: &str = "iotplay";
/// The sub-protocol that a WebSocket client asks for and must be granted.
pub const WEBSOCKET_PROTOCOL: &str = "mqtt";

/// A path. The comment says which methods it has at the service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HubPath {
    /// GET: list; POST: bulk.
    Devices,
    /// GET, PUT, DELETE.
    Device(DeviceId),
    /// GET: list.
    Modules(DeviceId),
    /// GET, PUT, DELETE; the identity has a module.
    Module(Identity),
    /// POST.
    Query,
    /// DELETE: drop pending cloud-to-device messages.
    Commands(DeviceId),
    /// POST: Edge.
    ApplyConfiguration(DeviceId),
    /// POST: telemetry by HTTPS, device side.
    DeviceEvents(DeviceId),
    /// GET: cloud-to-device messages by HTTPS, device side.
    DeviceBound(DeviceId),
    /// POST: file upload, device side.
    Files(DeviceId),
    /// POST: file upload done, device side; older clients put the correlation id in the path.
    FileNotifications(DeviceId, Option<String>),
    /// GET, PATCH, PUT.
    Twin(Identity),
    /// POST.
    Methods(Identity),
    /// GET.
    StatisticsDevices,
    /// GET.
    StatisticsService,
    /// GET: list import and export jobs.
    Jobs,
    /// POST: an import or export job.
    JobCreate,
    /// GET, DELETE: an import or export job.
    Job(String),
    /// GET: list of jobs.
    JobsV2Query,
    /// GET, PUT.
    JobV2(String),
    /// POST.
    JobV2Cancel(String),
    /// GET: list.
    Configurations,
    /// POST.
    ConfigurationTestQueries,
    /// GET, PUT, DELETE.
    Configuration(String),
    /// GET, PATCH.
    DigitalTwin(DeviceId),
    /// POST: device, command.
    DigitalTwinCommand(DeviceId, String),
    /// POST: device, component, command.
    DigitalTwinComponentCommand(DeviceId, String, String),
    /// GET: the next feedback.
    Feedback,
    /// DELETE: done with this feedback, by lock token.
    FeedbackLock(String),
    /// POST: give this feedback back, by lock token.
    FeedbackAbandon(String),
    /// GET: list. Of the management side in the real service.
    Authorities,
    /// GET, PUT, DELETE.
    Authority(String),
    /// The provisioning service's.
    Dps(DpsPath),
    /// GET: upgrade to WebSocket.
    WebSocket,
    /// POST: send a cloud-to-device message. Ours: the service takes them over AMQP only and knows no such path.
    OwnSend(DeviceId),
    /// GET: device-to-cloud messages. Ours: at the service they are in an Event Hub.
    OwnTelemetry,
    /// GET: what the hub counts. Ours.
    OwnStatus,
    /// GET: uploads of files. Ours: at the service they are told over AMQP.
    OwnUploads,
    /// GET: the content of a device's file; DELETE. Ours: at the service they are in a storage account.
    OwnFile(DeviceId, String),
    /// GET: the faults that are under way; POST: more of them; DELETE: none any more. Ours.
    OwnFaults,
    /// DELETE: this fault. Ours.
    OwnFault(String),
}

fn owned(segment: &str) -> String {
    segment.to_owned()
}

impl HubPath {
    /// Reads a path without its query. A slash at the end is ignored (Node lists devices so). `None` when there is no such path.
    pub fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<_> = path.split('/').map(decode).collect::<Option<_>>()?;
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        // Nobody and nothing has an empty name.
        if segments.contains(&"") {
            return None;
        }
        match segments.as_slice() {
            ["devices", rest @ ..] => Self::parse_devices(rest),
            ["twins", device] => Some(Self::Twin(Identity::device(device.parse().ok()?))),
            ["twins", device, "methods"] => Some(Self::Methods(Identity::device(device.parse().ok()?))),
            ["twins", device, "modules", module] => {
                Some(Self::Twin(Identity::module(device.parse().ok()?, module.parse().ok()?)))
            }
            ["twins", device, "modules", module, "methods"] => {
                Some(Self::Methods(Identity::module(device.parse().ok()?, module.parse().ok()?)))
            }
            ["statistics", "devices"] => Some(Self::StatisticsDevices),
            ["statistics", "service"] => Some(Self::StatisticsService),
            ["jobs", rest @ ..] => Self::parse_jobs(rest),
            [OWN, "devices", device, "messages"] => Some(Self::OwnSend(device.parse().ok()?)),
            [OWN, "devices", device, "files", name] => Some(Self::OwnFile(device.parse().ok()?, owned(name))),
            [OWN, "uploads"] => Some(Self::OwnUploads),
            [OWN, "status"] => Some(Self::OwnStatus),
            [OWN, "faults"] => Some(Self::OwnFaults),
            [OWN, "faults", id] => Some(Self::OwnFault(owned(id))),
            [OWN, "telemetry"] => Some(Self::OwnTelemetry),
            ["configurations"] => Some(Self::Configurations),
            ["configurations", "testQueries"] => Some(Self::ConfigurationTestQueries),
            ["configurations", id] => Some(Self::Configuration(owned(id))),
            ["digitaltwins", device] => Some(Self::DigitalTwin(device.parse().ok()?)),
            ["digitaltwins", device, "commands", command] => {
                Some(Self::DigitalTwinCommand(device.parse().ok()?, owned(command)))
            }
            ["digitaltwins", device, "components", component, "commands", command] => {
                Some(Self::DigitalTwinComponentCommand(device.parse().ok()?, owned(component), owned(command)))
            }
            // Code says `serviceBound`, docs `servicebound`.
            ["messages", bound, "feedback", rest @ ..] if bound.eq_ignore_ascii_case("servicebound") => match rest {
                [] => Some(Self::Feedback),
                [lock] => Some(Self::FeedbackLock(owned(lock))),
                [lock, "abandon"] => Some(Self::FeedbackAbandon(owned(lock))),
                _ => None,
            },
            ["certificates"] => Some(Self::Authorities),
            ["certificates", name] => Some(Self::Authority(owned(name))),
            [room, rest @ ..] if DpsPath::is_room(room, rest) => DpsPath::parse(room, rest).map(Self::Dps),
            ["$iothub", "websocket"] => Some(Self::WebSocket),
            _ => None,
        }
    }

    /// The same, where the method decides: `GET /devices/query` is the device called `query`.
    pub fn parse_for(method: &str, path: &str) -> Option<Self> {
        Some(match (Self::parse(path)?, method) {
            (Self::Query, "GET" | "PUT" | "DELETE") => Self::Device("query".parse().ok()?),
            (Self::JobsV2Query, "PUT") => Self::JobV2("query".into()),
            (Self::JobCreate, "GET" | "DELETE") => Self::Job("create".into()),
            (Self::Dps(path), method) => Self::Dps(path.for_method(method)),
            (Self::ConfigurationTestQueries, "GET" | "PUT" | "DELETE") => Self::Configuration("testQueries".into()),
            (path, _) => path,
        })
    }

    fn parse_devices(rest: &[&str]) -> Option<Self> {
        Some(match rest {
            [] => Self::Devices,
            ["query"] => Self::Query,
            [device] => Self::Device(device.parse().ok()?),
            [device, "modules"] => Self::Modules(device.parse().ok()?),
            [device, "modules", module] => Self::Module(Identity::module(device.parse().ok()?, module.parse().ok()?)),
            [device, "commands"] => Self::Commands(device.parse().ok()?),
            [device, "applyConfigurationContent"] => Self::ApplyConfiguration(device.parse().ok()?),
            [device, "messages", "events"] => Self::DeviceEvents(device.parse().ok()?),
            [device, "messages", bound] if bound.eq_ignore_ascii_case("devicebound") => {
                Self::DeviceBound(device.parse().ok()?)
            }
            [device, "files"] => Self::Files(device.parse().ok()?),
            [device, "files", "notifications"] => Self::FileNotifications(device.parse().ok()?, None),
            [device, "files", "notifications", correlation] => {
                Self::FileNotifications(device.parse().ok()?, Some(owned(correlation)))
            }
            _ => return None,
        })
    }

    fn parse_jobs(rest: &[&str]) -> Option<Self> {
        Some(match rest {
            [] => Self::Jobs,
            ["create"] => Self::JobCreate,
            ["v2", "query"] => Self::JobsV2Query,
            ["v2", id] => Self::JobV2(owned(id)),
            ["v2", id, "cancel"] => Self::JobV2Cancel(owned(id)),
            [id] => Self::Job(owned(id)),
            _ => return None,
        })
    }

    /// The device or module it is about, if it is about one.
    pub fn identity(&self) -> Option<Identity> {
        match self {
            Self::Module(identity) | Self::Twin(identity) | Self::Methods(identity) => Some(identity.clone()),
            Self::Device(device)
            | Self::Modules(device)
            | Self::Commands(device)
            | Self::ApplyConfiguration(device)
            | Self::DeviceEvents(device)
            | Self::DeviceBound(device)
            | Self::Files(device)
            | Self::FileNotifications(device, _)
            | Self::DigitalTwin(device)
            | Self::DigitalTwinCommand(device, _)
            | Self::DigitalTwinComponentCommand(device, _, _) => Some(Identity::device(device.clone())),
            _ => None,
        }
    }

    /// Whether devices, not services, call it.
    pub fn is_device_side(&self) -> bool {
        matches!(
            self,
            Self::DeviceEvents(_)
                | Self::DeviceBound(_)
                | Self::Files(_)
                | Self::FileNotifications(..)
                | Self::WebSocket
        )
    }
}

/// `{room}/{device}[/modules/{module}]`.
fn write_identity(f: &mut fmt::Formatter<'_>, room: &str, identity: &Identity) -> fmt::Result {
    write!(f, "/{room}/{}", encode(identity.device.as_str()))?;
    identity.module.as_ref().map_or(Ok(()), |module| write!(f, "/modules/{}", encode(module.as_str())))
}

/// The path, encoded, without a query.
impl fmt::Display for HubPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = |f: &mut fmt::Formatter<'_>, device: &DeviceId, rest: &str| {
            write!(f, "/devices/{}{rest}", encode(device.as_str()))
        };
        match self {
            Self::Devices => f.write_str("/devices"),
            Self::Device(id) => device(f, id, ""),
            Self::Modules(id) => device(f, id, "/modules"),
            Self::Module(identity) => write_identity(f, "devices", identity),
            Self::Query => f.write_str("/devices/query"),
            Self::Commands(id) => device(f, id, "/commands"),
            Self::ApplyConfiguration(id) => device(f, id, "/applyConfigurationContent"),
            Self::DeviceEvents(id) => device(f, id, "/messages/events"),
            Self::DeviceBound(id) => device(f, id, "/messages/devicebound"),
            Self::Files(id) => device(f, id, "/files"),
            Self::FileNotifications(id, None) => device(f, id, "/files/notifications"),
            Self::FileNotifications(id, Some(correlation)) => {
                device(f, id, "/files/notifications/")?;
                write!(f, "{}", encode(correlation))
            }
            Self::Twin(identity) => write_identity(f, "twins", identity),
            Self::Methods(identity) => {
                write_identity(f, "twins", identity)?;
                f.write_str("/methods")
            }
            Self::StatisticsDevices => f.write_str("/statistics/devices"),
            Self::StatisticsService => f.write_str("/statistics/service"),
            Self::Jobs => f.write_str("/jobs"),
            Self::JobCreate => f.write_str("/jobs/create"),
            Self::Job(id) => write!(f, "/jobs/{}", encode(id)),
            Self::JobsV2Query => f.write_str("/jobs/v2/query"),
            Self::JobV2(id) => write!(f, "/jobs/v2/{}", encode(id)),
            Self::JobV2Cancel(id) => write!(f, "/jobs/v2/{}/cancel", encode(id)),
            Self::Configurations => f.write_str("/configurations"),
            Self::ConfigurationTestQueries => f.write_str("/configurations/testQueries"),
            Self::Configuration(id) => write!(f, "/configurations/{}", encode(id)),
            Self::DigitalTwin(id) => write!(f, "/digitaltwins/{}", encode(id.as_str())),
            Self::DigitalTwinCommand(id, command) => {
                write!(f, "/digitaltwins/{}/commands/{}", encode(id.as_str()), encode(command))
            }
            Self::DigitalTwinComponentCommand(id, component, command) => {
                let (id, component, command) = (encode(id.as_str()), encode(component), encode(command));
                write!(f, "/digitaltwins/{id}/components/{component}/commands/{command}")
            }
            Self::Feedback => f.write_str("/messages/serviceBound/feedback"),
            Self::FeedbackLock(lock) => write!(f, "/messages/serviceBound/feedback/{}", encode(lock)),
            Self::FeedbackAbandon(lock) => write!(f, "/messages/serviceBound/feedback/{}/abandon", encode(lock)),
            Self::Authorities => f.write_str("/certificates"),
            Self::Authority(name) => write!(f, "/certificates/{}", encode(name)),
            Self::Dps(path) => path.fmt(f),
            Self::WebSocket => f.write_str(WEBSOCKET_PATH),
            Self::OwnStatus => write!(f, "/{OWN}/status"),
            Self::OwnFaults => write!(f, "/{OWN}/faults"),
            Self::OwnFault(id) => write!(f, "/{OWN}/faults/{}", encode(id)),
            Self::OwnTelemetry => write!(f, "/{OWN}/telemetry"),
            Self::OwnUploads => write!(f, "/{OWN}/uploads"),
            Self::OwnFile(id, name) => {
                write!(f, "/{OWN}/devices/{}/files/{}", encode(id.as_str()), encode(name))
            }
            Self::OwnSend(id) => write!(f, "/{OWN}/devices/{}/messages", encode(id.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_prints_the_paths_of_its_own() {
        for text in [
            "/iotplay/uploads",
            "/iotplay/devices/d1/files/logs%2Fa%20b.txt",
            "/iotplay/devices/d1/messages",
            "/iotplay/telemetry",
            "/iotplay/status",
            "/iotplay/faults",
            "/iotplay/faults/7",
        ] {
            assert_eq!(HubPath::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn reads_and_prints_the_endpoints() {
        for text in [
            "/devices",
            "/devices/d1",
            "/devices/%24edgeAgent%20",
            "/devices/d1/modules",
            "/devices/d1/modules/%24edgeHub",
            "/devices/query",
            "/devices/d1/commands",
            "/devices/d1/applyConfigurationContent",
            "/devices/d1/messages/events",
            "/devices/d1/messages/devicebound",
            "/devices/d1/files",
            "/devices/d1/files/notifications",
            "/devices/d1/files/notifications/a%2Fb",
            "/twins/d1",
            "/twins/d1/modules/m1",
            "/twins/d1/methods",
            "/twins/d1/modules/m1/methods",
            "/statistics/devices",
            "/statistics/service",
            "/jobs",
            "/jobs/create",
            "/jobs/j1",
            "/jobs/v2/query",
            "/jobs/v2/j1",
            "/jobs/v2/j1/cancel",
            "/configurations",
            "/configurations/testQueries",
            "/configurations/c1",
            "/digitaltwins/d1",
            "/digitaltwins/d1/commands/c",
            "/digitaltwins/d1/components/x/commands/c",
            "/messages/serviceBound/feedback",
            "/messages/serviceBound/feedback/l1",
            "/messages/serviceBound/feedback/l1/abandon",
            "/certificates",
            "/certificates/c1",
            "/enrollments",
            "/enrollments/r1",
            "/enrollments/query",
            "/enrollments/r1/attestationmechanism",
            "/enrollmentGroups/g1",
            "/enrollmentGroups/query",
            "/enrollmentGroups/g1/attestationmechanism",
            "/registrations/r1",
            "/registrations/g1/query",
            "/0ne1/registrations/r1",
            "/0ne1/registrations/r1/register",
            "/0ne1/registrations/r1/operations/4.x",
            "/$iothub/websocket",
        ] {
            match HubPath::parse(text) {
                // A blank is no character of an id.
                None => assert!(text.contains("%20"), "{text}"),
                Some(path) => assert_eq!(path.to_string(), text),
            }
        }
    }

    #[test]
    fn accepts_the_variants() {
        assert_eq!(HubPath::parse("/devices/"), Some(HubPath::Devices));
        assert_eq!(HubPath::parse("/messages/servicebound/feedback"), Some(HubPath::Feedback));
        assert_eq!(HubPath::parse("/%24iothub/websocket"), Some(HubPath::WebSocket));
        assert_eq!(HubPath::parse("/devices/a%2Bb"), Some(HubPath::Device("a+b".parse().unwrap())));
        assert_eq!(HubPath::parse("/devices/a+b"), Some(HubPath::Device("a+b".parse().unwrap())));
    }

    #[test]
    fn the_method_decides_where_a_name_is_also_a_word() {
        let query = "query".parse().unwrap();
        assert_eq!(HubPath::parse_for("POST", "/devices/query"), Some(HubPath::Query));
        assert_eq!(HubPath::parse_for("GET", "/devices/query"), Some(HubPath::Device(query)));
        assert_eq!(HubPath::parse_for("GET", "/jobs/v2/query"), Some(HubPath::JobsV2Query));
        assert_eq!(HubPath::parse_for("PUT", "/jobs/v2/query"), Some(HubPath::JobV2("query".into())));
        assert_eq!(HubPath::parse_for("POST", "/jobs/create"), Some(HubPath::JobCreate));
    }

    #[test]
    fn knows_no_other() {
        for text in [
            "",
            "/",
            "devices",
            "/devices//",
            "/devices/a%2Fb",
            "/devices/%ff",
            "/twins",
            "/x",
            "/devices/d/x",
            "/jobs/v2/a/b",
        ] {
            assert_eq!(HubPath::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn ids_round_trip(device in "[A-Za-z0-9:.+%_#*?!(),=@;$'-]{1,40}", module in "[A-Za-z0-9:.+%_#*?!(),=@;$'-]{1,40}", job in ".{1,20}") {
            let device: DeviceId = device.parse().unwrap();
            let identity = Identity::module(device.clone(), module.parse().unwrap());
            for path in [HubPath::Twin(identity.clone()), HubPath::Methods(identity.clone()), HubPath::Module(identity), HubPath::Modules(device), HubPath::JobV2Cancel(job)] {
                prop_assert_eq!(HubPath::parse(&path.to_string()), Some(path.clone()), "{}", path);
            }
        }

        #[test]
        fn never_panics(text in "/.{0,60}") {
            let _ = HubPath::parse(&text);
        }
    }
}
