//! Globs over device ids: `*`, `?`, `[abc]`, `[a-z]`, `[!x]`. Linear in practice, never exponential, no recursion.

/// Whether a text is a glob and not an id. Ids may hold `*` (IoT Hub allows it), so an id that exists as written wins.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether an id matches a pattern, whole.
pub(crate) fn matches(pattern: &str, id: &str) -> bool {
    let (pattern, id): (Vec<char>, Vec<char>) = (pattern.chars().collect(), id.chars().collect());
    let (mut at, mut from) = (0, 0);
    // The last `*` seen and where it began to eat: going back there is the only choice ever revised.
    let mut star: Option<(usize, usize)> = None;
    while from < id.len() {
        match one(&pattern[at..], id[from]) {
            Some(0) => {
                star = Some((at, from));
                at += 1;
            }
            Some(used) => {
                at += used;
                from += 1;
            }
            None => match star {
                Some((star_at, eaten)) => {
                    star = Some((star_at, eaten + 1));
                    at = star_at + 1;
                    from = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// How many characters of the pattern stand for this one character: `Some(0)` for a star, `None` when it does not match.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '*' => Some(0),
        '?' => Some(1),
        '[' => match class(pattern, c) {
            Some((used, true)) => Some(used),
            Some((_, false)) => None,
            None => (c == '[').then_some(1),
        },
        literal => (*literal == c).then_some(1),
    }
}

/// A `[..]` class: its length and whether the character is in it; `None` when it is never closed (then `[` is itself).
fn class(pattern: &[char], c: char) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let start = if negated { 2 } else { 1 };
    // A `]` right at the start is a member, as shells have it.
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|c| *c == ']')?;
    let members = &pattern[start..end];
    let mut found = false;
    let mut at = 0;
    while at < members.len() {
        if members.get(at + 1) == Some(&'-') && at + 2 < members.len() {
            found |= (members[at]..=members[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= members[at] == c;
            at += 1;
        }
    }
    Some((end + 1, found != negated))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_patterns() {
        for (pattern, id, expected) in [
            ("press-7", "press-7", true),
            ("press-7", "press-77", false),
            ("press-*", "press-", true),
            ("press-*", "press-77", true),
            ("*-7", "press-7", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("press-?", "press-7", true),
            ("press-?", "press-", false),
            ("line-[ab]-1", "line-b-1", true),
            ("line-[!ab]-1", "line-b-1", false),
            ("line-[a-c]", "line-c", true),
            ("line-[a-c]", "line-d", false),
            ("a[", "a[", true),
            ("[]]", "]", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, id), expected, "{pattern} over {id}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!matches(&"a*".repeat(60), &"a".repeat(120).replace("aaa", "aab").repeat(2).replace('a', "c")));
    }

    proptest! {
        #[test]
        fn an_id_without_signs_matches_itself_and_its_halves(id in "[a-z0-9-]{1,20}", cut in 0usize..20) {
            let cut = cut.min(id.len());
            let pattern = format!("{}*{}", &id[..cut], &id[cut..]);
            prop_assert!(matches(&id, &id));
            prop_assert!(matches(&pattern, &id));
            prop_assert!(matches("*", &id));
        }

        #[test]
        fn never_panics(pattern in ".{0,30}", id in ".{0,30}") {
            let _ = matches(&pattern, &id);
        }
    }
}
