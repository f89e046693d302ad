//! From a profile's text to checked faults: every mistake at its place, all of them at once. Knows no hub yet.

use std::time::Duration;

use base::{Diagnostic, Diagnostics, Source, Span, did_you_mean, format_duration, parse_duration};
use serde_yaml::Spanned;

use super::file::{File, Group, Groups, Texts};
use super::kind::{How, KINDS, Kind, Rejection};
use super::operation::Operation;
use super::settings::{SETTINGS, places};
use super::spec::Spec;
use super::who::Who;
use crate::quota::Latency;

/// A profile of many thousand named devices is within it.
const LARGEST: usize = 1024 * 1024;
/// Nobody watches a local hub for longer.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// Fewer bytes a second than one packet a minute are a stall; more than this are no limit on one machine.
const RATES: std::ops::RangeInclusive<u32> = 16..=1_000_000_000;

/// A help line for whoever does not know the form.
const FORM: &str =
    "for instance: drops_reply: { on: telemetry, share: 5% }, or several: rejects: [{ on: rest, status: 503 }, ..]";

/// What is to go wrong with a hub; read with [`FaultProfile::parse`].
#[derive(Clone, Debug, PartialEq)]
pub struct FaultProfile {
    pub(super) faults: Vec<Spec>,
}

impl FaultProfile {
    /// Reads YAML (or JSON, which is YAML).
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
        let mut reading = Reading { source, found: Diagnostics::default(), faults: Vec::new() };
        reading.file(file);
        let Reading { found, faults, .. } = reading;
        if found.is_empty() { Ok(Self { faults }) } else { Err(found) }
    }

    /// What it asks for, a sentence to a fault.
    pub fn told(&self) -> Vec<String> {
        self.faults.iter().map(Spec::told).collect()
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
            let what = if expected.contains(&"cuts") { "fault of a hub" } else { "setting of a fault" };
            let finding = finding(format!("`{field}` is no {what}"));
            match did_you_mean(field, expected.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("there are {}", expected.join(", "))),
            }
        }
        _ => finding(message.lines().next().unwrap_or("not YAML").to_owned()).help(FORM),
    }
}

pub(super) fn span<T>(spanned: &Spanned<T>) -> Span {
    let span = spanned.defined.span();
    let count = |number: Option<_>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let start = count(span.byte_offset());
    Span::new(start, start + count(span.byte_len()))
}

/// `5%` as a number of a hundred.
fn percent(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?.trim().parse::<f64>().ok()?;
    (0.0..=100.0).contains(&number).then_some(number)
}

/// A profile on its way.
struct Reading<'a> {
    source: &'a Source,
    found: Diagnostics,
    faults: Vec<Spec>,
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
        let named = [
            file.answers_late,
            file.clock_skew,
            file.cuts,
            file.drops_reply,
            file.duplicates,
            file.early_expiry,
            file.rejects,
            file.slices,
            file.slow,
            file.stalls,
        ];
        for ((name, on), groups) in KINDS.iter().zip(named) {
            let Some(groups) = groups else { continue };
            let whole = span(&groups);
            match groups.value {
                Groups::One(group) => self.group(name, on, (*name).to_owned(), *group, whole),
                Groups::Several(several) => {
                    for (index, group) in several.into_iter().enumerate() {
                        let at = span(&group);
                        self.group(name, on, format!("{name} {}", index + 1), group.value, at);
                    }
                }
            }
        }
    }

    fn group(&mut self, name: &str, allowed: &[Operation], label: String, group: Group, at: Span) {
        let before = self.found.0.len();
        for ((setting, of), place) in SETTINGS.iter().zip(places(&group)) {
            if let Some(at) = place.filter(|_| !of.contains(&name)) {
                self.complain(at, format!("`{setting}` is no setting of {name}: it belongs to {}", of.join(", ")));
            }
        }
        let who = self.who(&group, at);
        let on = self.operations(name, allowed, &group, at);
        let kind = self.kind(name, &group, &on, at);
        let chance = group.chance.as_ref().and_then(|chance| self.percent(chance, "chance"));
        if let Some(times) = group.times.as_ref().filter(|times| times.value == 0) {
            self.complain(span(times), "`times` is at least 1");
        }
        let after = group.after.as_ref().and_then(|text| self.duration(text)).unwrap_or_default();
        let lasts = group.lasts.as_ref().and_then(|text| self.duration(text));
        if let Some(at) = group.lasts.as_ref().map(span).filter(|_| lasts.is_some_and(|lasts| lasts.is_zero())) {
            self.complain(at, "a fault that lasts no time never shows");
        }
        let times = group.times.map(|times| times.value);
        if let (Some(who), Some(kind)) = (who, kind)
            && self.found.0.len() == before
        {
            self.faults.push(Spec { label, kind, who, on, chance, times, after, lasts });
        }
    }

    fn who(&mut self, group: &Group, at: Span) -> Option<Who> {
        match (&group.share, &group.count, &group.devices) {
            (None, None, None) => Some(Who::All),
            (Some(share), None, None) => self.percent(share, "share").map(Who::Percent),
            (None, Some(count), None) => Some(Who::Count(count.value)),
            (None, None, Some(devices)) if devices.value.0.is_empty() => {
                self.complain(span(devices), "no device; leave `devices` out to mean all of them");
                None
            }
            (None, None, Some(devices)) => Some(Who::Like(devices.value.0.clone())),
            _ => {
                self.complain(at, "which devices? At most one of `share`, `count` and `devices` says so");
                None
            }
        }
    }

    fn percent(&mut self, text: &Spanned<String>, what: &str) -> Option<f64> {
        let read = percent(&text.value);
        if read.is_none() {
            let finding = self.complain(span(text), format!("`{}` is no {what}", text.value));
            finding.help.push("from 0% to 100%, such as 5%".into());
        }
        read
    }

    fn operations(&mut self, name: &str, allowed: &[Operation], group: &Group, at: Span) -> Vec<Operation> {
        let Some(on) = &group.on else {
            if matches!(name, "answers_late" | "drops_reply" | "rejects") {
                let names: Vec<&str> = allowed.iter().map(|one| one.name()).collect();
                self.complain(at, format!("{name} needs `on`: one or more of {}", names.join(", ")));
            }
            // Two kinds can be on one operation only, and a skewed clock is wrong for everybody.
            return if matches!(name, "duplicates" | "early_expiry" | "clock_skew") {
                allowed.to_vec()
            } else {
                Vec::new()
            };
        };
        let (place, Texts(words)) = (span(on), &on.value);
        if words.is_empty() {
            self.complain(place, "no operation");
        }
        let mut operations = Vec::new();
        for word in words {
            let known = Operation::ALL.iter().find(|(name, _)| name == word);
            match known.filter(|(_, one)| allowed.contains(one)) {
                Some((_, one)) => operations.push(*one),
                None => {
                    let names: Vec<&str> = allowed.iter().map(|one| one.name()).collect();
                    let why =
                        if known.is_some() { format!("{name} cannot be on") } else { "no operation is".to_owned() };
                    let near = did_you_mean(word, names.iter().copied());
                    let finding = self.complain(place, format!("{why} `{word}`"));
                    let help = format!("it can be on {}", names.join(", "));
                    finding.help.push(near.map_or(help, |near| format!("did you mean `{near}`?")));
                }
            }
        }
        operations
    }

    fn kind(&mut self, name: &str, group: &Group, on: &[Operation], at: Span) -> Option<Kind> {
        Some(match name {
            "answers_late" => Kind::AnswersLate(self.latency(group.by.as_ref(), at)?),
            "clock_skew" => Kind::ClockSkew(self.skew(group.by.as_ref(), at)?),
            "cuts" => Kind::Cuts(self.how(group.how.as_ref())?),
            "drops_reply" => Kind::DropsReply,
            "duplicates" => Kind::Duplicates,
            "early_expiry" => Kind::EarlyExpiry(self.needed(name, group.takes.as_ref(), at)?),
            "rejects" => Kind::Rejects(self.rejection(group, on, at)?),
            "slices" => Kind::Slices,
            "slow" => Kind::Slow(self.rate(group.rate.as_ref(), at)?),
            _ => Kind::Stalls(self.needed(name, group.takes.as_ref(), at)?),
        })
    }

    fn needed(&mut self, name: &str, text: Option<&Spanned<String>>, at: Span) -> Option<Duration> {
        let Some(text) = text else {
            self.complain(at, format!("{name} needs `takes`, a duration such as 20s"));
            return None;
        };
        self.duration(text)
    }

    fn duration(&mut self, text: &Spanned<String>) -> Option<Duration> {
        match parse_duration(&text.value) {
            Ok(duration) if duration <= LONGEST => return Some(duration),
            Ok(_) => self.complain(span(text), format!("longer than {}", format_duration(LONGEST))),
            Err(error) => self.complain(span(text), error.to_string()),
        };
        None
    }

    fn latency(&mut self, text: Option<&Spanned<String>>, at: Span) -> Option<Latency> {
        let Some(text) = text else {
            self.complain(at, "answers_late needs `by`: 200ms, or 20ms..80ms");
            return None;
        };
        match text.value.parse::<Latency>() {
            Ok(latency) => Some(latency),
            Err(error) => {
                self.complain(span(text), error.to_string());
                None
            }
        }
    }

    fn skew(&mut self, text: Option<&Spanned<String>>, at: Span) -> Option<i64> {
        let Some(text) = text else {
            self.complain(at, "clock_skew needs `by`: 10m for a hub that is ahead, -10m for one that is behind");
            return None;
        };
        let (behind, amount) = match text.value.strip_prefix('-') {
            Some(amount) => (true, amount),
            None => (false, text.value.strip_prefix('+').unwrap_or(&text.value)),
        };
        match parse_duration(amount) {
            Ok(by) if by <= LONGEST => {
                let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
                return Some(if behind { -seconds } else { seconds });
            }
            Ok(_) => self.complain(span(text), format!("more than {}", format_duration(LONGEST))),
            Err(error) => self.complain(span(text), error.to_string()),
        };
        None
    }

    fn how(&mut self, text: Option<&Spanned<String>>) -> Option<How> {
        let Some(text) = text else { return Some(How::Reset) };
        let known = How::ALL.iter().find(|(name, _)| *name == text.value);
        if known.is_none() {
            self.complain(span(text), format!("`{}` is no way to end", text.value))
                .help
                .push("reset, close or silence".into());
        }
        known.map(|(_, how)| *how)
    }

    fn rate(&mut self, rate: Option<&Spanned<u32>>, at: Span) -> Option<u32> {
        let Some(rate) = rate else {
            self.complain(at, "slow needs a `rate`, in bytes a second, such as 1000");
            return None;
        };
        if !RATES.contains(&rate.value) {
            self.complain(span(rate), format!("a rate is from {} to {} bytes a second", RATES.start(), RATES.end()));
            return None;
        }
        Some(rate.value)
    }

    /// Connections are refused with a code of CONNACK, everything else with a status of HTTP.
    fn rejection(&mut self, group: &Group, on: &[Operation], at: Span) -> Option<Rejection> {
        let connects = on.contains(&Operation::Connect);
        let others = on.iter().any(|one| *one != Operation::Connect);
        let before = self.found.0.len();
        match &group.status {
            Some(status) if !(400..=599).contains(&status.value) => {
                self.complain(span(status), "a status that refuses is from 400 to 599");
            }
            Some(status) if !others => {
                let finding =
                    self.complain(span(status), "a connection is refused with a code of CONNACK, not with a status");
                finding.help.push("code: 3 (the hub is not available), code: 5 (not authorised)".into());
            }
            None if others => drop(self.complain(at, "rejects needs a `status`, such as 503")),
            _ => {}
        }
        match &group.code {
            Some(code) if !(1..=5).contains(&code.value) => {
                self.complain(span(code), "a code of CONNACK that refuses is from 1 to 5");
            }
            Some(code) if !connects => drop(self.complain(span(code), "`code` is for `on: connect` only")),
            None if connects => drop(self.complain(at, "rejects on connect needs a `code` of CONNACK, such as 3")),
            _ => {}
        }
        let retry_after = group.retry_after.as_ref().and_then(|text| self.duration(text));
        let (status, code) = (group.status.as_ref(), group.code.as_ref());
        let rejection =
            Rejection { status: status.map_or(0, |one| one.value), code: code.map_or(0, |one| one.value), retry_after };
        (self.found.0.len() == before).then_some(rejection)
    }
}
