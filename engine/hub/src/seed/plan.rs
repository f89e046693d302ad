//! From the file to what each device must be, with every mistake of the file found and placed before anything is made.

use std::collections::BTreeMap;
use std::str::FromStr;

use base::{Diagnostic, Diagnostics, Source, Span};
use serde_json::{Map, Value};
use serde_yaml::Spanned;
use wire::limits::MODULES_PER_DEVICE;
use wire::{AuthKind, Authentication, DeviceId, ModuleId, SasKey, SectionKind, Status, SymmetricKey, X509Thumbprint};

use super::file::{File, Item, Keys, Module, Thumbprints};

/// What IoT Hub itself has room for; more is a slip of the finger.
const MOST: u64 = 1_000_000;
/// A file of 100,000 devices with twins is a quarter of it.
const LARGEST: usize = 64 * 1024 * 1024;
/// Values of such a file.
const MOST_NODES: usize = 4_000_000;

/// What must be there: the devices of a file, checked. Cheap to clone a few times, not to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Seeds {
    pub(super) devices: Vec<Group>,
}

/// Devices that differ by their ids only.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) ids: Vec<DeviceId>,
    pub(super) status: Option<Status>,
    pub(super) edge: bool,
    pub(super) login: Option<Authentication>,
    /// As the body of a twin's patch.
    pub(super) twin: Value,
    pub(super) modules: Vec<(ModuleId, Option<Authentication>, Value)>,
}

impl Seeds {
    /// Reads a YAML file.
    ///
    /// # Errors
    /// All mistakes at once, each with its place.
    pub fn parse(source: &Source) -> Result<Self, Diagnostics> {
        if source.text().len() > LARGEST {
            return Err(Diagnostic::error(format!("{} is larger than 64 MiB", source.name())).into());
        }
        let options = serde_yaml::options! {
            budget: serde_yaml::budget! { max_nodes: MOST_NODES, max_events: 4 * MOST_NODES },
            strict_booleans: true,
            with_snippet: false,
        };
        let file: File = serde_yaml::from_str_with_options(source.text(), options)
            .map_err(|error| Diagnostics::from(refused(source, &error)))?;
        let mut reading = Reading { source, found: Diagnostics::default(), seen: BTreeMap::new(), total: 0 };
        let devices = file.devices.into_iter().filter_map(|item| reading.group(item)).collect();
        if reading.found.is_empty() { Ok(Self { devices }) } else { Err(reading.found) }
    }

    /// How many devices it names.
    pub fn devices(&self) -> usize {
        self.devices.iter().map(|group| group.ids.len()).sum()
    }
}

fn refused(source: &Source, error: &serde_yaml::Error) -> Diagnostic {
    let (line, column) = error.location().map_or((1, 1), |at| {
        let count = |number| usize::try_from(number).unwrap_or(1).max(1);
        (count(at.line()), count(at.column()))
    });
    let start = source.offset(line, column);
    let length = source.text()[start..].split([' ', ':', ',', '\n']).next().map_or(0, str::len);
    let text = error.to_string();
    let message = text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]);
    Diagnostic::error(message.lines().next().unwrap_or("not YAML"))
        .at(source.place(Span::new(start, start + length.max(1))))
        .help("devices: [{ id: press-7, tags: { line: B } }, { prefix: sim-, count: 1000 }]")
}

/// A file on its way into a plan.
struct Reading<'a> {
    source: &'a Source,
    found: Diagnostics,
    /// Where each id was named first.
    seen: BTreeMap<DeviceId, Span>,
    total: u64,
}

fn span<T>(spanned: &Spanned<T>) -> Span {
    let span = spanned.defined.span();
    let count = |number: Option<_>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let start = count(span.byte_offset());
    Span::new(start, start + count(span.byte_len()))
}

impl Reading<'_> {
    fn complain(&mut self, at: Span, message: impl Into<String>) {
        // Of a list or map that spans lines, its first line.
        let text = &self.source.text()[at.start.min(self.source.text().len())..at.end.min(self.source.text().len())];
        let first = text.lines().next().unwrap_or("").trim_end().len();
        let at = Span::new(at.start, at.start + first);
        self.found.push(Diagnostic::error(message).at(self.source.place(at)));
    }

    fn id<T: FromStr>(&mut self, text: &str, at: Span) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        text.parse().map_err(|error| self.complain(at, format!("`{text}`: {error}"))).ok()
    }

    fn group(&mut self, item: Spanned<Item>) -> Option<Group> {
        let at = span(&item);
        let item = item.value;
        let ids = self.ids(&item, at)?;
        let login = self.login(&item, ids.len() > 1, at);
        let twin = self.twin(item.tags.as_ref(), item.desired.as_ref());
        if item.modules.len() > MODULES_PER_DEVICE {
            self.complain(at, format!("a device has at most {MODULES_PER_DEVICE} modules"));
        }
        let modules = item.modules.iter().filter_map(|module| self.module(module, ids.len() > 1)).collect();
        Some(Group { ids, status: item.status, edge: item.edge, login, twin, modules })
    }

    fn ids(&mut self, item: &Item, at: Span) -> Option<Vec<DeviceId>> {
        let ids = match (&item.id, &item.prefix, &item.count) {
            (Some(id), None, None) if item.from.is_none() => vec![self.id::<DeviceId>(&id.value, span(id))?],
            (None, Some(prefix), Some(count)) => {
                self.total = self.total.saturating_add(count.value);
                if self.total > MOST {
                    self.complain(span(count), format!("more than {MOST} devices in all"));
                    return None;
                }
                let from = item.from.unwrap_or(1);
                // One complaint is enough: all ids of a group have the same form.
                let last = from.saturating_add(count.value);
                self.id::<DeviceId>(&format!("{}{last}", prefix.value), span(prefix))?;
                (from..last).filter_map(|number| format!("{}{number}", prefix.value).parse().ok()).collect()
            }
            _ => {
                self.complain(at, "a device has either `id`, or `prefix` and `count` (and `from`, 1 if not said)");
                return None;
            }
        };
        for id in &ids {
            if let Some(before) = self.seen.insert(id.clone(), at) {
                let line = self.source.position(before.start).0;
                self.complain(at, format!("`{id}` is named twice: in line {line} already"));
                return None;
            }
        }
        Some(ids)
    }

    fn module(&mut self, module: &Module, many: bool) -> Option<(ModuleId, Option<Authentication>, Value)> {
        let id = self.id(&module.id.value, span(&module.id))?;
        let login = module.keys.as_ref().and_then(|keys| self.keys(keys, many));
        Some((id, login, self.twin(module.tags.as_ref(), module.desired.as_ref())))
    }

    fn login(&mut self, item: &Item, many: bool, at: Span) -> Option<Authentication> {
        let kind = match (&item.keys, &item.thumbprints) {
            (Some(_), Some(_)) => {
                self.complain(at, "a device logs in with `keys` or with `thumbprints`, not with both");
                return None;
            }
            (Some(_), None) => AuthKind::Sas,
            (None, Some(_)) => AuthKind::SelfSigned,
            (None, None) => item.auth?,
        };
        if item.auth.is_some_and(|said| said != kind) {
            self.complain(at, format!("`auth` does not go with what is given: that is `{}`", kind.as_str()));
            return None;
        }
        let login = match (&item.keys, &item.thumbprints) {
            (Some(keys), _) => return self.keys(keys, many),
            (None, Some(prints)) => with_thumbprints(&prints.value),
            (None, None) => Authentication { kind, ..Default::default() },
        };
        let place = item.thumbprints.as_ref().map_or(at, span);
        login.check().map_err(|error| self.complain(place, error.message)).ok()?;
        Some(login)
    }

    fn keys(&mut self, keys: &Spanned<Keys>, many: bool) -> Option<Authentication> {
        let at = span(keys);
        if many {
            self.complain(at, "many devices cannot share keys: each gets its own when nothing is said");
            return None;
        }
        let Keys { primary, secondary } = &keys.value;
        let mut key = |text: &String| {
            // The text is a secret: it is not repeated.
            text.parse::<SasKey>().map_err(|_| self.complain(at, "a key is base64 of 16 to 64 bytes")).ok()
        };
        let primary_key = Some(key(primary)?);
        let secondary_key = secondary.as_ref().map_or_else(|| primary_key.clone(), &mut key);
        let login = Authentication {
            symmetric_key: SymmetricKey { primary_key, secondary_key: Some(secondary_key?) },
            ..Default::default()
        };
        login.check().map_err(|error| self.complain(at, error.message)).ok()?;
        Some(login)
    }

    fn twin(
        &mut self,
        tags: Option<&Spanned<Map<String, Value>>>,
        desired: Option<&Spanned<Map<String, Value>>>,
    ) -> Value {
        let mut twin = Map::new();
        for (kind, section) in [(SectionKind::Tags, tags), (SectionKind::Desired, desired)] {
            let Some(section) = section else { continue };
            let members = Value::Object(section.value.clone());
            if let Err(error) = wire::check_limits(kind, &members) {
                self.complain(span(section), error.message);
                continue;
            }
            match kind {
                SectionKind::Tags => twin.insert("tags".into(), members),
                _ => twin.insert("properties".into(), serde_json::json!({ "desired": members })),
            };
        }
        Value::Object(twin)
    }
}

fn with_thumbprints(prints: &Thumbprints) -> Authentication {
    let x509_thumbprint = X509Thumbprint {
        primary_thumbprint: Some(prints.primary.clone()),
        secondary_thumbprint: prints.secondary.clone(),
    };
    Authentication { kind: AuthKind::SelfSigned, x509_thumbprint, ..Default::default() }
}
