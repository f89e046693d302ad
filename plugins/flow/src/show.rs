//! Values as people read them on one line.

use base::Mask;
use serde_json::Value;

/// Longer values would push the sentence off the line.
const WIDEST: usize = 60;

/// A value on one line: text bare, nothing as `none`, the rest as JSON; cut when it is long.
pub(crate) fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Mask::process().shorten(&text, WIDEST).replace('\n', " ")
}

/// The last name of a dotted path: `rebootTime` of `twin.reported.rebootTime`; other expressions as they are.
pub(crate) fn leaf(expression: &str) -> &str {
    let path = expression.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    if path { expression.rsplit('.').next().unwrap_or(expression) } else { expression }
}

/// Whether an expression is its own value: a number, a text in quotes, `true`.
pub(crate) fn is_literal(expression: &str) -> bool {
    let first = expression.chars().next().unwrap_or(' ');
    first.is_ascii_digit()
        || matches!(first, '"' | '\'' | '`' | '-')
        || matches!(expression, "true" | "false" | "null" | "()")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_fit_on_a_line() {
        assert_eq!(short(&Value::Null), "none");
        assert_eq!(short(&json!("a\nb")), "a b");
        assert_eq!(short(&json!({ "a": 1 })), r#"{"a":1}"#);
        assert_eq!(short(&json!("é".repeat(80))).chars().count(), WIDEST + 2);
        assert_eq!(leaf("twin.reported.rebootTime"), "rebootTime");
        assert_eq!(leaf("now() - 1"), "now() - 1");
        assert!(is_literal("\"x\"") && is_literal("-1") && !is_literal("a.b"));
    }
}
