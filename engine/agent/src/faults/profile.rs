//! From the file to a checked profile: every mistake at its place. Knows no fleet yet; `deal` chooses the devices.

use std::collections::BTreeSet;
use std::time::Duration;

use base::{Diagnostic, Diagnostics, Source, Span, did_you_mean, format_duration, parse_duration};
use serde_yaml::Spanned;

use super::absence::Absence;
use super::fault::{Fault, Kind};
use super::file::{File, Group, Groups, Texts};

/// A profile of many thousand named devices is within it.
const LARGEST: usize = 1024 * 1024;

/// Nobody watches a simulated fleet for longer.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// A help line for whoever does not know the form.
const FORM: &str =
    "for instance: drops_reply: { share: 5% }, or several groups: rejects: [{ count: 3, status: 409 }, ..]";

/// The settings of a group that only some faults have, and which.
const SETTINGS: [(&str, &[&str]); 10] = [
    ("methods", &["drops_reply", "answers_late", "answers_twice", "rejects"]),
    ("times", &["drops_reply", "answers_late", "answers_twice", "rejects"]),
    ("takes", &["slow_boot"]),
    ("by", &["answers_late"]),
    ("status", &["rejects"]),
    ("payload", &["rejects"]),
    ("after", &["offline"]),
    ("for", &["offline"]),
    ("every", &["offline"]),
    ("waves", &["offline"]),
];

/// Which faults a fleet is to have; read with [`FaultProfile::parse`], dealt out with [`FaultProfile::deal`].
#[derive(Clone, Debug, PartialEq)]
pub struct FaultProfile {
    pub(super) source: Source,
    pub(super) groups: Vec<Faulty>,
}

/// Some devices with one fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Faulty {
    /// The fault's name, and its number in its list: the seed's own word for this group.
    pub(super) label: String,
    pub(super) who: Who,
    /// Where `who` is said.
    pub(super) at: Span,
    pub(super) fault: Fault,
}

/// How many devices, or which.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Who {
    Percent(f64),
    Count(usize),
    Named(Vec<String>),
}

impl FaultProfile {
    /// Reads a YAML file.
    ///
    /// # Errors
    /// Each mistake with its place.
    pub fn parse(source: &Source) -> Result<Self, Diagnostics> {
        if source.text().len() > LARGEST {
            return Err(Diagnostic::error(format!("{} is larger than 1 MiB", source.name())).into());
        }
        let options = serde_yaml::options! { strict_booleans: true, with_snippet: false };
        let file: File = match source.text().trim() {
            "" => File::default(),
            _ => serde_yaml::from_str_with_options(source.text(), options)
                .map_err(|error| Diagnostics::from(refused(source, &error)))?,
        };
        let mut reading = Reading { source, found: Diagnostics::default(), groups: Vec::new() };
        reading.file(file);
        let Reading { found, groups, .. } = reading;
        if found.is_empty() { Ok(Self { source: source.clone(), groups }) } else { Err(found) }
    }
}

/// What YAML or the form refuses.
fn refused(source: &Source, error: &serde_yaml::Error) -> Diagnostic {
    let (line, column) = error.location().map_or((1, 1), |at| {
        let count = |number| usize::try_from(number).unwrap_or(1).max(1);
        (count(at.line()), count(at.column()))
    });
    let start = source.offset(line, column);
    let length = source.text()[start..].split([' ', ':', ',', '}', '\n']).next().map_or(0, str::len);
    let place = source.place(Span::new(start, start + length.max(1)));
    let text = error.to_string();
    let message = text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]);
    let finding = |message: String| Diagnostic::error(message).at(place);
    match error.without_snippet() {
        serde_yaml::Error::SerdeUnknownField { field, expected, .. } => {
            let what = if expected.contains(&"offline") { "fault" } else { "setting of a fault" };
            let finding = finding(format!("`{field}` is no {what}"));
            match did_you_mean(field, expected.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("there are {}", expected.join(", "))),
            }
        }
        _ => finding(message.lines().next().unwrap_or("not YAML").to_owned()).help(FORM),
    }
}

fn span<T>(spanned: &Spanned<T>) -> Span {
    let span = spanned.defined.span();
    let count = |number: Option<_>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let start = count(span.byte_offset());
    Span::new(start, start + count(span.byte_len()))
}

/// A file on its way into a profile.
struct Reading<'a> {
    source: &'a Source,
    found: Diagnostics,
    groups: Vec<Faulty>,
}

impl Reading<'_> {
    fn complain(&mut self, at: Span, message: impl Into<String>) -> &mut Diagnostic {
        // Of a list or map that spans lines, its first line.
        let text = self.source.text();
        let first = text[at.start.min(text.len())..at.end.min(text.len())].lines().next().unwrap_or("");
        let at = Span::new(at.start, at.start + first.trim_end().len());
        self.found.push(Diagnostic::error(message).at(self.source.place(at)));
        self.found.0.last_mut().expect("it was pushed just now")
    }

    fn file(&mut self, file: File) {
        let File { slow_boot, never_returns, drops_reply, answers_late, answers_twice, rejects, offline } = file;
        for (name, groups) in [
            ("slow_boot", slow_boot),
            ("never_returns", never_returns),
            ("drops_reply", drops_reply),
            ("answers_late", answers_late),
            ("answers_twice", answers_twice),
            ("rejects", rejects),
            ("offline", offline),
        ] {
            let Some(groups) = groups else { continue };
            let whole = span(&groups);
            match groups.value {
                Groups::One(group) => self.group(name, name.to_owned(), *group, whole),
                Groups::Several(several) => {
                    for (index, group) in several.into_iter().enumerate() {
                        let at = span(&group);
                        self.group(name, format!("{name} {}", index + 1), group.value, at);
                    }
                }
            }
        }
    }

    fn group(&mut self, name: &str, label: String, group: Group, at: Span) {
        let before = self.found.0.len();
        self.misplaced(name, &group);
        let who = self.who(&group, at);
        let kind = self.kind(name, &group, at);
        let methods = self.methods(group.methods);
        if let Some(times) = group.times.as_ref().filter(|times| times.value == 0) {
            self.complain(span(times), "`times` is at least 1");
        }
        let times = group.times.map(|times| times.value);
        if let (Some((who, at)), Some(kind)) = (who, kind)
            && self.found.0.len() == before
        {
            self.groups.push(Faulty { label, who, at, fault: Fault { kind, methods, times } });
        }
    }

    /// Settings that belong to another fault.
    fn misplaced(&mut self, name: &str, group: &Group) {
        let places = [
            group.methods.as_ref().map(span),
            group.times.as_ref().map(span),
            group.takes.as_ref().map(span),
            group.by.as_ref().map(span),
            group.status.as_ref().map(span),
            group.payload.as_ref().map(span),
            group.after.as_ref().map(span),
            group.lasts.as_ref().map(span),
            group.every.as_ref().map(span),
            group.waves.as_ref().map(span),
        ];
        for ((setting, of), place) in SETTINGS.iter().zip(places) {
            if let Some(at) = place.filter(|_| !of.contains(&name)) {
                self.complain(at, format!("`{setting}` is no setting of {name}: it belongs to {}", of.join(", ")));
            }
        }
    }

    fn who(&mut self, group: &Group, at: Span) -> Option<(Who, Span)> {
        match (&group.share, &group.count, &group.devices) {
            (Some(share), None, None) => {
                let percent = share.value.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
                match percent.filter(|percent| (0.0..=100.0).contains(percent)) {
                    Some(percent) => Some((Who::Percent(percent), span(share))),
                    None => {
                        let finding = self.complain(span(share), format!("`{}` is no share", share.value));
                        finding.help.push("from 0% to 100%, such as 5%; a number of devices is `count`".into());
                        None
                    }
                }
            }
            (None, Some(count), None) => Some((Who::Count(count.value), span(count))),
            (None, None, Some(devices)) => Some((Who::Named(devices.value.0.clone()), span(devices))),
            _ => {
                self.complain(at, "how many devices? Exactly one of `share`, `count` and `devices` says so");
                None
            }
        }
    }

    fn methods(&mut self, methods: Option<Spanned<Texts>>) -> BTreeSet<String> {
        let Some(methods) = methods else { return BTreeSet::new() };
        if methods.value.0.is_empty() {
            self.complain(span(&methods), "no method; leave `methods` out to mean all of them");
        }
        methods.value.0.into_iter().collect()
    }

    fn kind(&mut self, name: &str, group: &Group, at: Span) -> Option<Kind> {
        Some(match name {
            "slow_boot" => Kind::SlowBoot(self.needed(name, "takes", group.takes.as_ref(), at)?),
            "never_returns" => Kind::NeverReturns,
            "drops_reply" => Kind::DropsReply,
            "answers_late" => Kind::AnswersLate(self.needed(name, "by", group.by.as_ref(), at)?),
            "answers_twice" => Kind::AnswersTwice,
            "rejects" => {
                let Some(status) = &group.status else {
                    self.complain(at, "rejects needs a `status`, such as 409");
                    return None;
                };
                let payload = group.payload.as_ref().map(|payload| payload.value.clone()).unwrap_or_default();
                Kind::Rejects { status: status.value, payload }
            }
            _ => Kind::Offline(self.absence(group)?),
        })
    }

    fn needed(&mut self, name: &str, setting: &str, text: Option<&Spanned<String>>, at: Span) -> Option<Duration> {
        match text {
            Some(text) => self.duration(text),
            None => {
                self.complain(at, format!("{name} needs `{setting}`, a duration such as 60s"));
                None
            }
        }
    }

    fn duration(&mut self, text: &Spanned<String>) -> Option<Duration> {
        match parse_duration(&text.value) {
            Ok(duration) if duration <= LONGEST => Some(duration),
            Ok(_) => {
                self.complain(span(text), format!("longer than {}", format_duration(LONGEST)));
                None
            }
            Err(error) => {
                self.complain(span(text), error.to_string());
                None
            }
        }
    }

    fn absence(&mut self, group: &Group) -> Option<Absence> {
        let mut optional = |text: &Option<Spanned<String>>| match text {
            Some(text) => self.duration(text).map(Some),
            None => Some(None),
        };
        let (after, lasts, every) = (optional(&group.after)?, optional(&group.lasts)?, optional(&group.every)?);
        let waves = group.waves.as_ref().map_or(1, |waves| waves.value);
        if let Some(at) = group.waves.as_ref().filter(|waves| waves.value == 0) {
            self.complain(span(at), "`waves` is at least 1");
        }
        for (setting, at) in [("every", group.every.as_ref().map(span)), ("waves", group.waves.as_ref().map(span))] {
            if let Some(at) = at.filter(|_| lasts.is_none()) {
                self.complain(at, format!("`{setting}` needs `for`: who never comes back cannot leave again"));
            }
        }
        if let (Some(every), Some(lasts), Some(at)) = (every, lasts, group.every.as_ref()) {
            let all = lasts.saturating_mul(waves.max(1));
            if every < all || every == lasts {
                let word = if waves > 1 { format!("{waves} waves of it") } else { "it".to_owned() };
                self.complain(
                    span(at),
                    format!("`every` is too short for `for`: {word} last {}", format_duration(all)),
                );
            }
        }
        Some(Absence { after: after.unwrap_or_default(), lasts, every, waves: waves.max(1) })
    }
}
