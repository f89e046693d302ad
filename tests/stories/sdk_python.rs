//! The official Python SDKs, device and service, against the local hub; the pair reboots at full length, 20 s.

use crate::sdk_pair::{self, Language};

const PYTHON: Language = Language {
    sdk: stage::python,
    ending: "py",
    reboot: "20",
    // The payload was a text that holds JSON, and arrives as one.
    from_service: r#""{\"method_number\": \"42\"}""#,
    from_playbook: r#"{"method_number": "42"}"#,
    from_job: r#"{"why": "job"}"#,
    of_registry: &[
        "old etag 412",
        "patched b 30 2",
        "merged {'b': 2}",
        "replaced {'line': 'c'} false 3",
        "groups ['disabled 1', 'enabled 3']",
    ],
    of_jobs: &[
        "again HttpOperationError Operation returned an invalid status code 'Conflict'",
        "unknown HttpOperationError Operation returned an invalid status code 'Not Found'",
        // As it does against IoT Hub.
        "list DeserializationError",
    ],
};

sdk_pair::stories!(PYTHON);
