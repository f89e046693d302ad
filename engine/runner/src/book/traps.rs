//! YAML's own traps, each with its own sentence: what the parser refuses, told in the words of the person who wrote it, and
//! scalars that are read otherwise than they look.

use base::{Diagnostic, Diagnostics, Source, Span};

use super::scan::{Piece, scan};
use super::{Node, NodeKind};

/// The finding for what the YAML parser refused.
pub(super) fn syntax(source: &Source, error: &serde_yaml::Error) -> Diagnostic {
    let (line, column) = error.location().map_or((1, 1), |at| {
        let count = |number| usize::try_from(number).unwrap_or(1).max(1);
        (count(at.line()), count(at.column()))
    });
    let start = source.offset(line, column);
    let text = source.line(line);
    let message = told(error);
    let finding = explain(&message, text);
    let span = culprit(&message, finding.is_some(), text)
        .map(|(at, length)| Span::new(source.offset(line, 1) + at, source.offset(line, 1) + at + length))
        .unwrap_or_else(|| Span::new(start, start + source.text()[start..].chars().next().map_or(0, char::len_utf8)));
    let (message, help) = finding.unwrap_or((message, Vec::new()));
    help.into_iter().fold(Diagnostic::error(message).at(source.place(span)), Diagnostic::help)
}

/// What the person looks for, in bytes of the line, where the parser stops elsewhere: the `${{` before the brace inside it,
/// the tag before the value, the whole key.
fn culprit(message: &str, explained: bool, line: &str) -> Option<(usize, usize)> {
    let part = if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        key
    } else if let Some(tag) = message.strip_prefix("unsupported tag ") {
        tag.trim_matches('`')
    } else if explained && message.contains("flow") && line.contains("${{") {
        "${{"
    } else {
        return None;
    };
    line.find(part).map(|at| (at, part.len()))
}

/// The parser's sentence without its place and without advice about its own options.
fn told(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let text = text.split(", set DuplicateKeyPolicy").next().unwrap_or(&text);
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text.lines().next().unwrap_or("").to_owned(),
    }
}

/// What is said instead, with help.
type Explained = Option<(String, Vec<String>)>;

fn said(text: &str, help: &[String]) -> Explained {
    Some((text.to_owned(), help.to_vec()))
}

/// What is said instead, with help, for what people run into.
fn explain(message: &str, line: &str) -> Explained {
    let (key, value) = split(line);
    first_character(message, key, value).or_else(|| quoting(message, line, key, value)).or_else(|| form(message))
}

/// Values whose first character means something to YAML.
fn first_character(message: &str, key: &str, value: &str) -> Explained {
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        return said(&format!("duplicate key `{key}`"), &[]);
    }
    if let Some(tag) = message.strip_prefix("unsupported tag ") {
        let name = tag.trim_matches('`').trim_start_matches('!');
        let alone = value.trim_start().strip_prefix('!');
        let better = alone.map_or(format!("not {name}"), |rest| format!("{key}not {rest}"));
        return said(
            &format!("`!{name}` is a tag in YAML, not the opposite of `{name}`"),
            &[format!("write `{better}` or put it between quotes")],
        );
    }
    if jinja(value) && (message.contains("flow") || message.contains("key") || message.contains("expected string")) {
        return said(
            "`{{ }}` is a map of YAML: values are filled by `${{ }}`",
            &[format!("write `{key}${}`", value.trim())],
        );
    }
    if message.starts_with("unexpected character") {
        let first = value.trim_start().chars().next().unwrap_or('@');
        return said(
            &format!("plain text cannot begin with `{first}` in YAML"),
            &[format!("put it between quotes: `{key}{}`", quote(value.trim()))],
        );
    }
    if value.trim_start().starts_with('*') && (message.contains("alias") || message.contains("anchor")) {
        return said(
            &format!("`{}` is an alias in YAML, and nothing has that anchor", value.trim()),
            &[format!("as text put it between quotes: `{key}{}`", quote(value.trim()))],
        );
    }
    if message.contains("did not find expected key") && value.trim_start().starts_with(['[', '{']) {
        return said(
            "YAML takes what begins with a bracket as a list or a map",
            &[format!("put the whole value between quotes: `{key}{}`", quote(value.trim()))],
        );
    }
    None
}

/// Text with characters inside that mean something to YAML.
fn quoting(message: &str, line: &str, key: &str, value: &str) -> Explained {
    if message.contains("did not find expected '-' indicator") || message.contains("did not find expected key") {
        return said(
            "this line is indented otherwise than those that it belongs to",
            &["a step's keys stand under one another".into()],
        );
    }
    if message.contains("flow") && line.contains("${{") && !value.trim_start().starts_with("${{") {
        return said(
            "`${{ }}` inside { } or [ ] must stand between quotes: YAML reads its braces as a map",
            &["write \"${{ .. }}\"".into()],
        );
    }
    if message.contains("flow") && value.matches(['[', '{']).count() > 1 {
        return said(
            "inside { } or [ ] a text with brackets or braces of its own must stand between quotes",
            &["for instance [\"a[0] == 1\"]".into()],
        );
    }
    if message.contains("trailing content after") {
        return said(
            "YAML takes the first quoted text as the whole value",
            &[format!("put the whole value between quotes: `{key}{}`", quote(value.trim()))],
        );
    }
    if message.contains("mapping values are not allowed") && value.contains(": ") {
        return said(
            "`: ` inside plain text starts a map in YAML",
            &[format!("put the text between quotes: `{key}{}`", quote(value.trim()))],
        );
    }
    None
}

/// What is wrong with the file rather than with a value.
fn form(message: &str) -> Explained {
    if message.contains("tabs disallowed") {
        return said("YAML is indented with spaces: a tab stands here", &[]);
    }
    if message.contains("multiple YAML documents") {
        return said("a second document begins here", &["write several plays as one list: `- name: ..`".into()]);
    }
    if message.contains("cannot deserialize null into string") || message.contains("expected string scalar") {
        return said("a key must be a text", &[]);
    }
    if message.contains("budget") || message.contains("alias") || message.contains("depth") || message.contains("nest")
    {
        return said("too large, too deeply nested, or too often repeated by aliases for a playbook", &[]);
    }
    None
}

/// Whether a text has `{{ x }}` in it, outside of every `${{ }}`.
fn braces(text: &str) -> bool {
    let plain = |piece: &Piece| match piece {
        Piece::Literal(literal) => {
            let literal = literal.replace("${{", "");
            literal.find("{{").is_some_and(|at| literal[at..].contains("}}"))
        }
        Piece::Code(_) => false,
    };
    text.contains("{{") && scan(text).is_ok_and(|pieces| pieces.iter().any(plain))
}

/// Whether a value is filled as Ansible's are: `{{ x }}`.
fn jinja(value: &str) -> bool {
    value.trim_start().starts_with("{{")
}

/// A line's key with its `: `, and what stands behind it.
fn split(line: &str) -> (&str, &str) {
    let line = line.trim_start().trim_start_matches("- ").trim_start();
    match line.find(": ") {
        Some(at) => line.split_at(at + 2),
        None => ("", line),
    }
}

/// A text between the quotes that need no escape in it.
fn quote(text: &str) -> String {
    if text.contains('\'') && !text.contains(['"', '\\']) {
        return format!("\"{text}\"");
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// Numbers that are printed otherwise than they were written, and Ansible's braces.
pub(super) fn warn(source: &Source, node: &Node, found: &mut Diagnostics) {
    match &node.kind {
        NodeKind::Number(number, text) if loses(number, text) => found.push(
            Diagnostic::warning(format!("`{text}` is read as the number {number}"))
                .at(source.place(node.span))
                .help(format!("to keep every digit: \"{text}\"")),
        ),
        NodeKind::Text(text, _) if braces(text) => found.push(
            Diagnostic::warning("`{{ }}` is plain text here: values are filled by `${{ }}`")
                .at(source.place(node.span))
                .help("to write the characters themselves, put them in an expression: ${{ \"{{ x }}\" }}"),
        ),
        NodeKind::List(items) => items.iter().for_each(|item| warn(source, item, found)),
        NodeKind::Map(entries) => entries.iter().for_each(|(_, item)| warn(source, item, found)),
        _ => {}
    }
}

fn loses(number: &serde_json::Number, text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    plain && number.to_string() != text && !text.starts_with('.') && !text.ends_with('.')
}

/// Why a `${{` may not be closed as YAML read it.
pub(super) fn unclosed(text: &str, node: &Node) -> String {
    let line_end = text[node.span.end.min(text.len())..].split('\n').next().unwrap_or("");
    if line_end.trim_start().starts_with('#') && line_end.contains("}}") {
        return "` #` starts a comment in YAML: put the whole value between quotes".into();
    }
    String::new()
}
