//! The functions of the language: their names, how many arguments each takes, and what it makes of them.

use serde_json::Value;

use super::number::{Number, as_number, number, real};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    IsDefined,
    IsNull,
    IsBool,
    IsNumber,
    IsString,
    IsArray,
    IsObject,
    IsPrimitive,
    AsNumber,
    Concat,
    Length,
    Lower,
    Upper,
    Substring,
    IndexOf,
    StartsWith,
    EndsWith,
    Contains,
    Abs,
    Exp,
    Power,
    Square,
    Ceiling,
    Floor,
    Sign,
    Sqrt,
}

/// As many as fit into a query.
const ANY: usize = usize::MAX;

impl Function {
    /// Name, function, fewest and most arguments.
    pub(super) const TABLE: [(&'static str, Self, usize, usize); 26] = [
        ("IS_DEFINED", Self::IsDefined, 1, 1),
        ("IS_NULL", Self::IsNull, 1, 1),
        ("IS_BOOL", Self::IsBool, 1, 1),
        ("IS_NUMBER", Self::IsNumber, 1, 1),
        ("IS_STRING", Self::IsString, 1, 1),
        ("IS_ARRAY", Self::IsArray, 1, 1),
        ("IS_OBJECT", Self::IsObject, 1, 1),
        ("IS_PRIMITIVE", Self::IsPrimitive, 1, 1),
        ("AS_NUMBER", Self::AsNumber, 1, 1),
        ("CONCAT", Self::Concat, 2, ANY),
        ("LENGTH", Self::Length, 1, 1),
        ("LOWER", Self::Lower, 1, 1),
        ("UPPER", Self::Upper, 1, 1),
        ("SUBSTRING", Self::Substring, 2, 3),
        ("INDEX_OF", Self::IndexOf, 2, 2),
        ("STARTSWITH", Self::StartsWith, 2, 2),
        ("ENDSWITH", Self::EndsWith, 2, 2),
        ("CONTAINS", Self::Contains, 2, 2),
        ("ABS", Self::Abs, 1, 1),
        ("EXP", Self::Exp, 1, 1),
        ("POWER", Self::Power, 2, 2),
        ("SQUARE", Self::Square, 1, 1),
        ("CEILING", Self::Ceiling, 1, 1),
        ("FLOOR", Self::Floor, 1, 1),
        ("SIGN", Self::Sign, 1, 1),
        ("SQRT", Self::Sqrt, 1, 1),
    ];

    /// The function of that name, in any case, and the fewest and most arguments it takes.
    pub(super) fn named(name: &str) -> Option<(Self, usize, usize)> {
        let found = Self::TABLE.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
        Some((found.1, found.2, found.3))
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::TABLE.iter().map(|(name, ..)| *name)
    }

    pub(super) fn name(self) -> &'static str {
        Self::TABLE.iter().find(|(_, function, ..)| *function == self).expect("every function is in the table").0
    }

    /// What the function makes of its arguments, none of them beyond those of the table. None is undefined: as an argument,
    /// and as the answer when an argument is not what the function works on.
    pub(super) fn call(self, arguments: &[Option<&Value>]) -> Option<Value> {
        let first = arguments.first().copied().flatten();
        match self {
            Self::IsDefined => Some(first.is_some().into()),
            Self::IsNull => Some(first.is_some_and(Value::is_null).into()),
            Self::IsBool => Some(first.is_some_and(Value::is_boolean).into()),
            Self::IsNumber => Some(first.is_some_and(Value::is_number).into()),
            Self::IsString => Some(first.is_some_and(Value::is_string).into()),
            Self::IsArray => Some(first.is_some_and(Value::is_array).into()),
            Self::IsObject => Some(first.is_some_and(Value::is_object).into()),
            Self::IsPrimitive => Some(first.is_some_and(|value| !value.is_array() && !value.is_object()).into()),
            Self::AsNumber => as_number(first?),
            Self::Concat => Some(texts(arguments)?.concat().into()),
            Self::Length | Self::Lower | Self::Upper => self.of_text(first?.as_str()?),
            Self::Substring => substring(arguments),
            Self::IndexOf | Self::StartsWith | Self::EndsWith | Self::Contains => {
                let [text, part] = texts(arguments)?[..] else { return None };
                self.of_texts(text, part)
            }
            Self::Power => real(number(first?)?.real().powf(number(arguments.get(1).copied().flatten()?)?.real())),
            _ => self.of_number(number(first?)?),
        }
    }

    fn of_text(self, text: &str) -> Option<Value> {
        match self {
            Self::Length => Some(text.chars().count().into()),
            Self::Lower => Some(text.to_lowercase().into()),
            _ => Some(text.to_uppercase().into()),
        }
    }

    fn of_texts(self, text: &str, part: &str) -> Option<Value> {
        Some(match self {
            Self::StartsWith => text.starts_with(part).into(),
            Self::EndsWith => text.ends_with(part).into(),
            Self::Contains => text.contains(part).into(),
            _ => text.find(part).map_or(Value::from(-1), |at| text[..at].chars().count().into()),
        })
    }

    fn of_number(self, number: Number) -> Option<Value> {
        match (self, number) {
            (Self::Abs, Number::Whole(whole)) => Some(whole.checked_abs()?.into()),
            (Self::Ceiling | Self::Floor, Number::Whole(whole)) => Some(whole.into()),
            (Self::Square, Number::Whole(whole)) if whole.checked_mul(whole).is_some() => Some((whole * whole).into()),
            (Self::Sign, number) => Some(number.sign().into()),
            (Self::Abs, number) => real(number.real().abs()),
            (Self::Ceiling, number) => real(number.real().ceil()),
            (Self::Floor, number) => real(number.real().floor()),
            (Self::Square, number) => real(number.real().powi(2)),
            (Self::Exp, number) => real(number.real().exp()),
            (_, number) => real(number.real().sqrt()),
        }
    }
}

/// All arguments as texts; none when one is something else.
fn texts<'a>(arguments: &[Option<&'a Value>]) -> Option<Vec<&'a str>> {
    arguments.iter().map(|argument| argument.and_then(Value::as_str)).collect()
}

/// `SUBSTRING(text, start[, length])`, counted in characters from 0. What reaches beyond the text is cut.
fn substring(arguments: &[Option<&Value>]) -> Option<Value> {
    let [text, numbers @ ..] = arguments else { return None };
    let place = |value: &Option<&Value>| number((*value)?)?.place();
    let start = numbers.first().and_then(place)?;
    let length = match numbers.get(1) {
        Some(given) => place(given)?,
        None => usize::MAX,
    };
    Some(Value::String((*text)?.as_str()?.chars().skip(start).take(length).collect()))
}
