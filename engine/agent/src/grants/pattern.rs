//! The patterns of grants: of paths, component by component, and of a program's arguments. Pure.

/// `**`: any number of components, or of arguments.
pub(super) const ANY: &str = "**";

/// Steps of a match with several `*`: beyond it nothing matches, so that no pattern costs more than a moment.
const MOST_STEPS: usize = 100_000;

/// Whether a text has the form of one pattern part: `*` is any run of characters, `?` any one.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` stood, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    for _ in 0..MOST_STEPS {
        if from == text.len() {
            return pattern[at..].iter().all(|part| *part == '*');
        }
        match (pattern.get(at), star) {
            (Some('*'), _) => {
                star = Some((at, from));
                at += 1;
            }
            (Some(part), _) if *part == '?' || *part == text[from] => {
                at += 1;
                from += 1;
            }
            (_, Some((place, taken))) => {
                star = Some((place, taken + 1));
                at = place + 1;
                from = taken + 1;
            }
            _ => return false,
        }
    }
    false
}

/// Whether parts have the form of patterns, one for one; `**` stands for any number of them, none included.
pub(super) fn all_fit<P: AsRef<str>, T: AsRef<str>>(patterns: &[P], parts: &[T]) -> bool {
    // Which tails of `parts` the patterns behind the present one fit.
    let mut behind = vec![false; parts.len() + 1];
    behind[parts.len()] = true;
    for pattern in patterns.iter().rev() {
        let pattern = pattern.as_ref();
        let mut now = vec![false; parts.len() + 1];
        for at in (0..=parts.len()).rev() {
            now[at] = if pattern == ANY {
                behind[at] || (at < parts.len() && now[at + 1])
            } else {
                at < parts.len() && behind[at + 1] && fits(pattern, parts[at].as_ref())
            };
        }
        behind = now;
    }
    behind[0]
}

/// Whether a part says more than itself.
pub(super) fn is_wild(part: &str) -> bool {
    part.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fit_or_do_not() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*.log", "app.log", true),
            ("*.log", "app.log.1", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("???", "äöü", true),
            ("???", "ab", false),
            ("*a*a*a*a*a*b", &"a".repeat(2000), false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {}", &text[..text.len().min(20)]);
        }
    }

    #[test]
    fn lists_of_parts_fit_or_do_not() {
        for (patterns, parts, expected) in [
            (&[][..], &[][..], true),
            (&["restart", "*"], &["restart", "app"], true),
            (&["restart", "*"], &["restart"], false),
            (&["restart", "*"], &["restart", "a", "b"], false),
            (&["**"], &[], true),
            (&["var", "**", "*.log"], &["var", "a.log"], true),
            (&["var", "**", "*.log"], &["var", "log", "x", "a.log"], true),
            (&["var", "**", "*.log"], &["var", "log", "a.txt"], false),
            (&["**", "a", "**"], &["x", "a"], true),
        ] {
            assert_eq!(all_fit(patterns, parts), expected, "{patterns:?} {parts:?}");
        }
    }
}
