//! The columns of the screen, as pure functions: status word, name, time, summary.

use std::time::Duration;

use base::{Mask, format_duration};

use crate::{Class, Outcome, Progress, Skip};

/// Columns of the status word; a longer word (`unreachable`) takes its room from the name.
const STATUS: usize = 9;
/// Columns of the time, right-aligned.
const TIME: usize = 8;
/// The name column grows with the longest name, up to this.
pub(super) const WIDEST_NAME: usize = 48;
/// Seconds are counted up to here, minutes and hours from here on.
const LONG: Duration = Duration::from_secs(600);

/// The colours in use: none but these, and only the word in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Odd,
    Quiet,
}

/// A word in its colour.
pub(super) fn paint(word: &str, tone: Tone, color: bool) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Odd => "33",
        Tone::Quiet => return word.to_owned(),
    };
    if color { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// The first word of a step's line.
pub(super) fn status(outcome: &Outcome, ignored: bool, rescued: bool) -> (String, Tone) {
    match outcome {
        Outcome::Done { .. } => ("ok".to_owned(), Tone::Good),
        Outcome::Failed(_) if rescued => ("rescued".to_owned(), Tone::Odd),
        Outcome::Failed(_) if ignored => ("ignored".to_owned(), Tone::Odd),
        Outcome::Failed(failure) => (failure.class.to_string(), tone(failure.class)),
        Outcome::Skipped(Skip::Check(_)) => ("check".to_owned(), Tone::Odd),
        Outcome::Skipped(_) => ("skipped".to_owned(), Tone::Odd),
    }
}

fn tone(class: Class) -> Tone {
    if class == Class::Unreachable { Tone::Odd } else { Tone::Bad }
}

/// `  ok       Ask the device to reboot            20.0 s   200 {..}`
pub(super) fn step(word: (&str, Tone), name: &str, width: usize, took: &str, rest: &str, color: bool) -> String {
    let (word, tone) = word;
    let room = STATUS.max(word.chars().count() + 1);
    let width = width.saturating_sub(room - STATUS);
    let padding = " ".repeat(room - word.chars().count());
    format!("  {}{padding}{name:width$}{took:>TIME$}   {rest}", paint(word, tone, color)).trim_end().to_owned()
}

/// `  ...      Ask the device to reboot             8 s of 30 s`
pub(super) fn running(name: &str, width: usize, rest: &str) -> String {
    format!("  {:STATUS$}{name:width$}   {rest}", "...").trim_end().to_owned()
}

/// `20.4 s`, `1h30m`.
pub(super) fn took(duration: Duration) -> String {
    if duration < LONG {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format_duration(Duration::from_secs(duration.as_secs()))
    }
}

/// `8 s`, `1h30m`: whole seconds.
pub(super) fn whole(duration: Duration) -> String {
    if duration < LONG {
        format!("{} s", duration.as_secs())
    } else {
        format_duration(Duration::from_secs(duration.as_secs()))
    }
}

/// `8 s of 30 s   rebootTime: none`
pub(super) fn counting(spent: Duration, of: Option<Duration>, says: Option<&str>) -> String {
    let mut text = whole(spent);
    if let Some(of) = of {
        text = format!("{text} of {}", whole(of));
    }
    match says {
        Some(says) => format!("{text}   {says}"),
        None => text,
    }
}

/// What a progress adds to the running line: the limit, or a text.
pub(super) fn progress(progress: &Progress) -> (Option<Duration>, Option<String>) {
    match progress {
        Progress::Elapsed { of, .. } => (*of, None),
        Progress::Says(text) => (None, Some(text.clone())),
        Progress::Together { done, of, by } => (None, Some(together(*done, *of, by))),
    }
}

/// `12 of 50 done, job 20261123-132742-k3f9`
pub(super) fn together(done: usize, of: usize, by: &str) -> String {
    format!("{done} of {of} done, {by}")
}

/// One line of a text that may hold several, cut where it gets too long to read.
pub(super) fn one_line(text: &str, longest: usize) -> String {
    let masked = Mask::process().apply(text);
    let line: String = masked.split_whitespace().collect::<Vec<_>>().join(" ");
    let fits = line.chars().count() <= longest;
    if fits { line } else { Mask::process().shorten(&line, longest.saturating_sub(2)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_the_language_page() {
        let name = "Ask the device to reboot";
        assert_eq!(
            step(("ok", Tone::Good), name, 34, &took(Duration::from_secs(20)), "200 {}", false),
            "  ok       Ask the device to reboot            20.0 s   200 {}"
        );
        assert_eq!(
            step(("ok", Tone::Good), "Remember the last reboot", 34, &took(Duration::ZERO), "rebootTime: none", false),
            "  ok       Remember the last reboot             0.0 s   rebootTime: none"
        );
        assert_eq!(
            step(("unreachable", Tone::Odd), name, 34, &took(Duration::ZERO), "", false),
            "  unreachable Ask the device to reboot          0.0 s"
        );
        let seconds = Duration::from_secs;
        assert_eq!(
            running(name, 34, &counting(seconds(8), Some(seconds(30)), None)),
            "  ...      Ask the device to reboot             8 s of 30 s"
        );
    }

    #[test]
    fn long_times_and_texts_are_shortened() {
        assert_eq!(took(Duration::from_millis(5_400_900)), "1h30m");
        assert_eq!(took(Duration::from_millis(125_340)), "125.3 s");
        assert_eq!(one_line("a\n  b", 10), "a b");
        assert_eq!(one_line("abcdefghij", 6), "abcd..");
    }

    #[test]
    fn colour_is_one_word_only() {
        assert_eq!(paint("ok", Tone::Good, true), "\x1b[32mok\x1b[0m");
        assert_eq!(paint("ok", Tone::Good, false), "ok");
    }
}
