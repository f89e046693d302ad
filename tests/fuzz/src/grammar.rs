//! Text from rules: `<name>` in a choice stands for one of the choices of that name. A rule's last choice has to end by itself:
//! it is taken when the text goes deep or long.

use crate::random::Random;

/// The choices of a name.
pub(crate) type Rule = (&'static str, &'static [&'static str]);

/// Deeper than any parser's own limit, so that the limits are met.
const DEEPEST: usize = 80;
/// What a text grows to before it is brought to its end.
const LONGEST: usize = 4_096;

/// Most texts come to their ends about here: a text of nothing but depth is refused for its depth.
const USUAL: usize = 12;

/// A text of the rule with this name.
pub(crate) fn text(rules: &[Rule], name: &str, random: &mut Random) -> String {
    let mut out = String::new();
    let deepest = if random.once_in(16) { DEEPEST } else { USUAL };
    grow(rules, name, random, &mut out, (0, deepest));
    out
}

fn grow(rules: &[Rule], name: &str, random: &mut Random, out: &mut String, (depth, deepest): (usize, usize)) {
    let Some((_, choices)) = rules.iter().find(|(known, _)| *known == name) else {
        // A word in angle brackets that is no rule is text.
        out.push_str(&format!("<{name}>"));
        return;
    };
    let last = choices[choices.len() - 1];
    let mut choice = if random.below(deepest) < depth || out.len() > LONGEST { last } else { random.pick(choices) };
    while let Some(begin) = choice.find('<') {
        out.push_str(&choice[..begin]);
        let rest = &choice[begin + 1..];
        match rest.find('>').filter(|end| rest[..*end].chars().all(|each| each.is_ascii_lowercase())) {
            Some(end) if end > 0 => {
                grow(rules, &rest[..end], random, out, (depth + 1, deepest));
                choice = &rest[end + 1..];
            }
            _ => {
                out.push('<');
                choice = rest;
            }
        }
    }
    out.push_str(choice);
}
