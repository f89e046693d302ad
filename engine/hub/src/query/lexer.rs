//! Text to tokens. Every token keeps where it began, for messages that say `Line 1:29`.

use super::error::QueryError;

/// Words of the grammar: as names they are written `[[group]]`.
pub(super) const RESERVED: [&str; 16] = [
    "SELECT",
    "TOP",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IN",
    "NIN",
    "TRUE",
    "FALSE",
    "NULL",
    "UNDEFINED",
];

pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// Whether a bare word may begin with it.
fn begins_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '$'
}

fn is_in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a name needs no brackets.
pub(super) fn is_bare(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(begins_word) && chars.all(is_in_word) && !is_reserved(name)
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A bare word: keyword, field or function.
    Word(String),
    /// `[[any text]]`: always a field.
    Quoted(String),
    Text(String),
    Number(serde_json::Number),
    Symbol(&'static str),
}

impl Token {
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(text) => text.clone(),
            Self::Quoted(text) => format!("[[{text}]]"),
            Self::Text(text) => format!("'{text}'"),
            Self::Number(number) => number.to_string(),
            Self::Symbol(symbol) => (*symbol).to_owned(),
        }
    }
}

/// A token and the byte at which it begins.
pub(super) type Placed = (usize, Token);

/// Two-character symbols stand before their first characters.
const SYMBOLS: [&str; 18] =
    ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "*", "+", "-", "/", "%"];

pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, QueryError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank()?;
        if lexer.rest().is_empty() {
            return Ok(tokens);
        }
        let start = lexer.at;
        tokens.push((start, lexer.token()?));
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fail(&self, at: usize, message: impl Into<String>) -> QueryError {
        QueryError::at(self.text, at, message)
    }

    fn skip_blank(&mut self) -> Result<(), QueryError> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            let Some(comment) = self.rest().strip_prefix("/*") else { return Ok(()) };
            let Some(end) = comment.find("*/") else { return Err(self.fail(self.at, "comment without its end `*/`")) };
            self.at += end + 4;
        }
    }

    fn token(&mut self) -> Result<Token, QueryError> {
        let rest = self.rest();
        let first = rest.chars().next().expect("the caller saw that text is left");
        if begins_word(first) {
            let end = rest[1..].find(|c| !is_in_word(c)).map_or(rest.len(), |end| end + 1);
            self.at += end;
            return Ok(Token::Word(rest[..end].to_owned()));
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if first == '\'' || first == '"' {
            return self.text(first);
        }
        if let Some(name) = rest.strip_prefix("[[") {
            let end = name.find("]]").ok_or_else(|| self.fail(self.at, "`[[` without its `]]`"))?;
            if end == 0 {
                return Err(self.fail(self.at, "`[[]]` names nothing"));
            }
            self.at += end + 4;
            return Ok(Token::Quoted(name[..end].to_owned()));
        }
        let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
        let symbol = symbol.ok_or_else(|| self.fail(self.at, format!("Unexpected character at input '{first}'")))?;
        self.at += symbol.len();
        Ok(Token::Symbol(symbol))
    }

    fn number(&mut self) -> Result<Token, QueryError> {
        let rest = self.rest();
        let start = self.at;
        let hex = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"));
        let mut end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
        // The sign of an exponent belongs to the number.
        if hex.is_none() && rest[..end].ends_with(['e', 'E']) && rest[end..].starts_with(['+', '-']) {
            end += 1 + rest[end + 1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - end - 1);
        }
        self.at += end;
        let number = match hex {
            Some(_) => u64::from_str_radix(&rest[2..end], 16).ok().map(Into::into),
            None => serde_json::from_str(&rest[..end]).ok(),
        };
        number.map(Token::Number).ok_or_else(|| self.fail(start, format!("`{}` is not a number", &rest[..end])))
    }

    fn text(&mut self, quote: char) -> Result<Token, QueryError> {
        let start = self.at;
        let mut chars = self.rest().char_indices().skip(1);
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + 1;
                return Ok(Token::Text(text));
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match chars.next() {
                Some((code_at, 'u')) => {
                    let (c, length) = escaped(&self.rest()[code_at + 1..]).ok_or_else(|| {
                        self.fail(start + at, "`\\u` needs the four hexadecimal digits of a character")
                    })?;
                    text.push(c);
                    chars.by_ref().take(length).for_each(drop);
                }
                Some((_, c @ ('\'' | '"' | '\\'))) => text.push(c),
                _ => {
                    return Err(
                        self.fail(start + at, "unknown escape in a string: \\' \\\" \\\\ and \\u0000 are known")
                    );
                }
            }
        }
        Err(self.fail(start, format!("string without its closing {quote}")))
    }
}

/// The character of the digits behind `\u`, and their length; a pair of surrogates is one character of two escapes.
fn escaped(rest: &str) -> Option<(char, usize)> {
    let digits = |text: &str| {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = digits(rest)?;
    if let Some(c) = char::from_u32(first.into()) {
        return Some((c, 4));
    }
    let second = digits(rest.get(4..)?.strip_prefix("\\u")?)?;
    let c = char::decode_utf16([first, second]).next()?.ok()?;
    Some((c, 10))
}
