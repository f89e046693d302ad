//! The twin of a device or module: who may write what, and what each write counts up.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::check::{SectionKind, check_form, check_size};
use super::section::{DeviceView, Section, merge_plain, own_members, plain};
use crate::{ErrorCode, HubError, Identity, twin_etag};

/// A fresh twin begins at this version.
const FIRST_VERSION: u64 = 2;

/// A twin. Serialises as the hub stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    /// Whose it is.
    pub identity: Identity,
    /// Model of a plug-and-play device; empty for others.
    pub model_id: String,
    pub(super) tags: Map<String, Value>,
    pub(super) desired: Section,
    pub(super) reported: Section,
    pub(super) version: u64,
    etag_counter: u64,
}

/// What a write of the service changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// What the device is told, with `$version`; none when desired properties were not written.
    pub desired_patch: Option<Value>,
}

/// A section as a write of the service mentions it.
enum Written {
    Not,
    Clear,
    Members(Map<String, Value>),
}

fn written(value: Option<&Value>, name: &str) -> Result<Written, HubError> {
    match value {
        None => Ok(Written::Not),
        Some(Value::Null) => Ok(Written::Clear),
        Some(Value::Object(members)) => Ok(Written::Members(own_members(members))),
        Some(_) => Err(HubError::invalid(format!("{name} must be a JSON object."))),
    }
}

/// `tags` and `properties.desired`; all else that a fetched twin has is ignored.
fn sections(body: &Value) -> Result<(Written, Written), HubError> {
    let Value::Object(body) = body else {
        return Err(HubError::invalid("The body of a twin must be a JSON object."));
    };
    let properties = match body.get("properties") {
        None | Some(Value::Null) => None,
        Some(Value::Object(properties)) => properties.get("desired"),
        Some(_) => return Err(HubError::invalid("properties must be a JSON object.")),
    };
    Ok((written(body.get("tags"), "tags")?, written(properties, "properties.desired")?))
}

impl Twin {
    /// A fresh twin: empty, etag 1, version 2, both sections at version 1.
    pub fn new(identity: Identity, now: SystemTime) -> Self {
        Self {
            identity,
            model_id: String::new(),
            tags: Map::new(),
            desired: Section::new(SectionKind::Desired, now),
            reported: Section::new(SectionKind::Reported, now),
            version: FIRST_VERSION,
            etag_counter: 1,
        }
    }

    /// The tags.
    pub fn tags(&self) -> &Map<String, Value> {
        &self.tags
    }

    /// The desired properties.
    pub fn desired(&self) -> &Section {
        &self.desired
    }

    /// The reported properties.
    pub fn reported(&self) -> &Section {
        &self.reported
    }

    /// Grows by one with every change of anything in it.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Changes with tags and desired properties, not with reported ones; without quotes.
    pub fn etag(&self) -> String {
        twin_etag(self.etag_counter)
    }

    /// `PATCH` by the service: merges `tags` and `properties.desired`. Nothing is changed when it is refused.
    pub fn patch_service(&mut self, patch: &Value, now: SystemTime) -> Result<Changed, HubError> {
        let (tags, desired) = sections(patch)?;
        let new_tags = match tags {
            Written::Not => None,
            Written::Clear => Some(Map::new()),
            Written::Members(members) => {
                check_form(SectionKind::Tags, &members)?;
                let mut tags = self.tags.clone();
                merge_plain(&mut tags, &members);
                Some(tags)
            }
        };
        self.write(new_tags, |section| match desired {
            Written::Not => Ok(None),
            Written::Clear => section.replace(&Map::new(), now).map(Some),
            Written::Members(members) => section.merge(&members, now).map(|_| Some(members)),
        })
    }

    /// `PUT` by the service: a section that is mentioned becomes exactly what is given, one that is not stays.
    pub fn replace_service(&mut self, twin: &Value, now: SystemTime) -> Result<Changed, HubError> {
        let (tags, desired) = sections(twin)?;
        let new_tags = match tags {
            Written::Not => None,
            Written::Clear => Some(Map::new()),
            Written::Members(members) => {
                check_form(SectionKind::Tags, &members)?;
                Some(plain(&members))
            }
        };
        self.write(new_tags, |section| match desired {
            Written::Not => Ok(None),
            Written::Clear => section.replace(&Map::new(), now).map(Some),
            Written::Members(members) => section.replace(&members, now).map(Some),
        })
    }

    fn write(
        &mut self,
        tags: Option<Map<String, Value>>,
        desired: impl FnOnce(&mut Section) -> Result<Option<Map<String, Value>>, HubError>,
    ) -> Result<Changed, HubError> {
        if let Some(tags) = &tags {
            check_size(SectionKind::Tags, tags)?;
        }
        let told = desired(&mut self.desired)?;
        if tags.is_some() || told.is_some() {
            self.version += 1;
            self.etag_counter += 1;
        }
        if let Some(tags) = tags {
            self.tags = tags;
        }
        let desired_patch = told.map(|mut told| {
            told.insert("$version".into(), self.desired.version().into());
            Value::Object(told)
        });
        Ok(Changed { desired_patch })
    }

    /// A patch of the reported properties by the device, as published. Returns their new version.
    pub fn patch_reported(&mut self, patch: &[u8], now: SystemTime) -> Result<u64, HubError> {
        let not_json = |error| HubError::new(ErrorCode::FORMAT_ERROR, format!("The patch is not JSON: {error}"));
        let Value::Object(patch) = serde_json::from_slice(patch).map_err(not_json)? else {
            return Err(HubError::invalid("The patch of reported properties must be a JSON object."));
        };
        let version = self.reported.merge(&patch, now)?;
        self.version += 1;
        Ok(version)
    }

    /// The answer to a device's GET: `{"desired":{..,"$version":n},"reported":{..,"$version":n}}`.
    pub fn device_view(&self) -> Value {
        serde_json::json!({ "desired": self.desired.to_json_device(), "reported": self.reported.to_json_device() })
    }

    /// [`Twin::device_view`] as text, without building the tree.
    pub fn device_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct View<'a> {
            desired: DeviceView<'a>,
            reported: DeviceView<'a>,
        }
        let view = View { desired: DeviceView(&self.desired), reported: DeviceView(&self.reported) };
        serde_json::to_vec(&view).expect("a JSON tree always serialises")
    }
}

#[cfg(test)]
#[path = "twin_tests.rs"]
mod tests;
