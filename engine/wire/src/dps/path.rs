//! The paths of the provisioning service: its service side, and its device side, which begins with the id scope.

use std::fmt;

use crate::percent::encode;

/// A path. The comment says which methods it has at the service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DpsPath {
    /// POST: many at once.
    Enrollments,
    /// GET, PUT, DELETE.
    Enrollment(String),
    /// POST.
    EnrollmentQuery,
    /// POST: with its keys.
    EnrollmentAttestation(String),
    /// GET, PUT, DELETE.
    Group(String),
    /// POST.
    GroupQuery,
    /// POST: with its keys.
    GroupAttestation(String),
    /// GET, DELETE.
    Registration(String),
    /// POST: of a group.
    RegistrationQuery(String),
    /// POST: device side, scope and registration; shows the registration.
    Device(String, String),
    /// PUT: device side; registers.
    Register(String, String),
    /// GET: device side; scope, registration, operation.
    Operation(String, String, String),
}

const ENROLLMENTS: &str = "enrollments";
const GROUPS: &str = "enrollmentGroups";
const REGISTRATIONS: &str = "registrations";
const QUERY: &str = "query";
const ATTESTATION: &str = "attestationmechanism";

impl DpsPath {
    /// Whether a path is the provisioning service's.
    pub(crate) fn is_room(room: &str, rest: &[&str]) -> bool {
        let service = [ENROLLMENTS, GROUPS, REGISTRATIONS].iter().any(|known| room.eq_ignore_ascii_case(known));
        service || (rest.first() == Some(&REGISTRATIONS) && room.starts_with(|c: char| c.is_ascii_digit()))
    }

    pub(crate) fn parse(room: &str, rest: &[&str]) -> Option<Self> {
        let own = |text: &str| text.to_owned();
        let is = |word: &str| room.eq_ignore_ascii_case(word);
        if rest.contains(&"") {
            return None;
        }
        Some(match rest {
            [] if is(ENROLLMENTS) => Self::Enrollments,
            [QUERY] if is(ENROLLMENTS) => Self::EnrollmentQuery,
            [QUERY] if is(GROUPS) => Self::GroupQuery,
            [id] if is(ENROLLMENTS) => Self::Enrollment(own(id)),
            [id] if is(GROUPS) => Self::Group(own(id)),
            [id] if is(REGISTRATIONS) => Self::Registration(own(id)),
            [id, word] if is(ENROLLMENTS) && word.eq_ignore_ascii_case(ATTESTATION) => {
                Self::EnrollmentAttestation(own(id))
            }
            // Node writes the room in small letters here.
            [id, word] if is(GROUPS) && word.eq_ignore_ascii_case(ATTESTATION) => Self::GroupAttestation(own(id)),
            [id, QUERY] if is(REGISTRATIONS) => Self::RegistrationQuery(own(id)),
            [REGISTRATIONS, id] => Self::Device(own(room), own(id)),
            [REGISTRATIONS, id, "register"] => Self::Register(own(room), own(id)),
            [REGISTRATIONS, id, "operations", operation] => Self::Operation(own(room), own(id), own(operation)),
            _ => return None,
        })
    }

    /// An enrolment may be called `query`.
    pub(crate) fn for_method(self, method: &str) -> Self {
        match (self, method) {
            (Self::EnrollmentQuery, "GET" | "PUT" | "DELETE") => Self::Enrollment(QUERY.to_owned()),
            (Self::GroupQuery, "GET" | "PUT" | "DELETE") => Self::Group(QUERY.to_owned()),
            (path, _) => path,
        }
    }

    /// Whether devices, not services, call it.
    pub fn is_device_side(&self) -> bool {
        matches!(self, Self::Device(..) | Self::Register(..) | Self::Operation(..))
    }
}

/// The path, encoded, without a query.
impl fmt::Display for DpsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enrollments => write!(f, "/{ENROLLMENTS}"),
            Self::Enrollment(id) => write!(f, "/{ENROLLMENTS}/{}", encode(id)),
            Self::EnrollmentQuery => write!(f, "/{ENROLLMENTS}/{QUERY}"),
            Self::EnrollmentAttestation(id) => write!(f, "/{ENROLLMENTS}/{}/{ATTESTATION}", encode(id)),
            Self::Group(id) => write!(f, "/{GROUPS}/{}", encode(id)),
            Self::GroupQuery => write!(f, "/{GROUPS}/{QUERY}"),
            Self::GroupAttestation(id) => write!(f, "/{GROUPS}/{}/{ATTESTATION}", encode(id)),
            Self::Registration(id) => write!(f, "/{REGISTRATIONS}/{}", encode(id)),
            Self::RegistrationQuery(id) => write!(f, "/{REGISTRATIONS}/{}/{QUERY}", encode(id)),
            Self::Device(scope, id) => write!(f, "/{}/{REGISTRATIONS}/{}", encode(scope), encode(id)),
            Self::Register(scope, id) => write!(f, "/{}/{REGISTRATIONS}/{}/register", encode(scope), encode(id)),
            Self::Operation(scope, id, operation) => {
                write!(f, "/{}/{REGISTRATIONS}/{}/operations/{}", encode(scope), encode(id), encode(operation))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::HubPath;

    #[test]
    fn nobody_is_called_nothing() {
        for path in [
            "/enrollments//",
            "/enrollmentGroups//attestationmechanism",
            "/registrations//",
            "/jobs//",
            "/certificates//",
            "/0ne1/registrations//register",
        ] {
            assert_eq!(HubPath::parse(path), None, "{path}");
        }
        assert!(HubPath::parse("/enrollments/").is_some());
    }
}
