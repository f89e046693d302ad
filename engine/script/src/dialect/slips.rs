//! Common slips of the hand in Rhai, in the words of someone who writes playbooks: what is wrong and how to mend it.

use rhai::{LexError, ParseError, ParseErrorType, Position};

/// What to say about a text that does not parse: the message and, where one is known, the help.
pub(crate) fn explain(error: &ParseError, at: &str) -> (String, Option<String>) {
    let slip = match error.err_type() {
        ParseErrorType::BadInput(LexError::UnterminatedString) => Some(("this text has no end", "close the quote")),
        _ if at.starts_with("===") || at.starts_with("!==") => Some(("no such operator", "compare with `==` or `!=`")),
        ParseErrorType::BadInput(LexError::ImproperSymbol(symbol, text)) if symbol == "=" && text.contains("typo") => {
            Some(("`=` does not compare", "compare with `==`"))
        }
        ParseErrorType::Reserved(word) if word == "import" || word == "export" => Some((
            "files cannot be imported",
            "functions in `lib/name.rhai` are there as `lib::name::function(..)` without an import",
        )),
        ParseErrorType::Reserved(word) if word == "eval" => {
            Some(("`eval` is switched off", "write the code in place, or choose between closures"))
        }
        ParseErrorType::BadInput(LexError::ImproperSymbol(_, text)) if text.contains("'curry'") => {
            Some(("`curry` is switched off", "capture the value in a closure: `|x| f.call(value, x)`"))
        }
        ParseErrorType::BadInput(LexError::ImproperSymbol(_, text)) if text.contains("'eval'") => {
            Some(("`eval` is switched off", "write the code in place, or choose between closures"))
        }
        _ if at.starts_with('=') && !at.starts_with("==") => Some(("`=` does not compare", "compare with `==`")),
        _ if at.starts_with("<>") => Some(("no such operator", "compare with `!=`")),
        ParseErrorType::BadInput(LexError::UnexpectedInput(_)) if at.starts_with(['“', '”', '‘', '’']) => {
            Some(("these are typographic quotes", "use \" or '"))
        }
        ParseErrorType::ExprTooDeep => Some(("nested too deeply", "give parts of it a name with `let`")),
        _ => None,
    };
    if let Some((message, help)) = slip {
        return (message.to_owned(), Some(help.to_owned()));
    }
    match error.err_type() {
        ParseErrorType::Reserved(word) => (
            format!("`{word}` is a reserved word of Rhai"),
            Some(format!("as a key write it as text: `[\"{word}\"]`, or `\"{word}\": ..` in a map")),
        ),
        ParseErrorType::VariableUndefined(name) => (
            format!("unknown name `{name}`"),
            Some("nothing before it has this name; in a `fn`, which does not see the variables of the file: hand them over, or write `global::NAME`".to_owned()),
        ),
        ParseErrorType::ModuleUndefined(name) => (
            format!("unknown module `{name}`"),
            Some("the functions of `lib/name.rhai` are called as `lib::name::function(..)`".to_owned()),
        ),
        other => (decapitalize(&other.to_string()), None),
    }
}

/// Rhai's sentences as fragments: no capital, no full stop.
pub(crate) fn decapitalize(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    let second_is_lower = text.chars().nth(1).is_some_and(char::is_lowercase);
    match chars.next() {
        Some(first) if second_is_lower => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// The byte offset of a position in a text, at the start of the word that stands there; the end when it has none.
pub(crate) fn offset(text: &str, position: Position) -> usize {
    let Some(line) = position.line() else { return text.len() };
    let at = base::Source::new("", text).offset(line, position.position().unwrap_or(1));
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    if !text[at..].starts_with(in_word) {
        return at;
    }
    // `not` is an operator whose sign stands at the end of the word.
    text[..at].char_indices().rev().take_while(|(_, c)| in_word(*c)).last().map_or(at, |(start, _)| start)
}
