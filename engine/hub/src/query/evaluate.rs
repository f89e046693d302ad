//! Whether a row passes a condition. Three-valued: a missing field is undefined, and only an exact `true` passes.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::ast::{Comparison, Condition, Expr, Function, Segment};

/// What a condition is asked of. A lookup costs only what the path needs: a row is not turned into a document first.
pub(crate) trait Row {
    /// The value at a path, none when it is not there. The first segment of a built-in field matches in any case.
    fn at(&self, path: &[Segment]) -> Option<Cow<'_, Value>>;
}

/// A value inside a document.
pub(crate) fn walk<'a>(mut value: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    for segment in path {
        value = match segment {
            Segment::Name(name) => value.get(name)?,
            Segment::Index(index) => value.get(index)?,
        };
    }
    Some(value)
}

impl Condition {
    /// Exactly true.
    pub(crate) fn passes(&self, row: &dyn Row) -> bool {
        truth(&self.0, row) == Some(true)
    }

    /// The ids when the condition is nothing but `deviceId = 'x'` or `deviceId IN [..]`: no need to look at other rows.
    pub(crate) fn device_ids(&self) -> Option<Vec<&str>> {
        let is_id = |expr: &Expr| matches!(expr, Expr::Path(path) if matches!(path.as_slice(), [Segment::Name(name)] if name.eq_ignore_ascii_case("deviceId")));
        match &self.0 {
            Expr::Compare(left, Comparison::Equal, right) if is_id(left) => match &**right {
                Expr::Literal(Value::String(id)) => Some(vec![id]),
                _ => None,
            },
            Expr::In { value, list, negated: false } if is_id(value) => list.iter().map(Value::as_str).collect(),
            _ => None,
        }
    }
}

/// None is undefined; a value that is not a boolean counts as false.
fn truth(expr: &Expr, row: &dyn Row) -> Option<bool> {
    match expr {
        Expr::Or(terms) => kleene(terms, row, true),
        Expr::And(terms) => kleene(terms, row, false),
        Expr::Not(inner) => truth(inner, row).map(|truth| !truth),
        Expr::Compare(left, comparison, right) => compare(&*value(left, row)?, *comparison, &*value(right, row)?),
        Expr::In { value: inner, list, negated } => {
            let found = value(inner, row)?;
            let any = list.iter().any(|item| compare(&found, Comparison::Equal, item) == Some(true));
            Some(any != *negated)
        }
        Expr::Call(function, arguments) => call(*function, arguments, row),
        Expr::Path(_) | Expr::Literal(_) | Expr::Undefined => Some(value(expr, row)?.as_bool().unwrap_or(false)),
    }
}

/// OR with `decisive` true, AND with `decisive` false: one decisive term decides, else undefined wins.
fn kleene(terms: &[Expr], row: &dyn Row, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for term in terms {
        match truth(term, row) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

fn value<'a>(expr: &'a Expr, row: &'a dyn Row) -> Option<Cow<'a, Value>> {
    match expr {
        Expr::Path(path) => row.at(path),
        Expr::Literal(value) => Some(Cow::Borrowed(value)),
        Expr::Undefined => None,
        _ => truth(expr, row).map(|truth| Cow::Owned(Value::Bool(truth))),
    }
}

/// Defined only between primitives of one type; null is equal to null and to nothing else.
fn compare(left: &Value, comparison: Comparison, right: &Value) -> Option<bool> {
    let ordering = match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?)?,
        },
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) | (_, Value::Null) => {
            return match comparison {
                Comparison::Equal => Some(false),
                Comparison::NotEqual => Some(true),
                _ => None,
            };
        }
        _ => return None,
    };
    Some(match comparison {
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    })
}

fn call(function: Function, arguments: &[Expr], row: &dyn Row) -> Option<bool> {
    let first = arguments.first().and_then(|argument| value(argument, row));
    if function == Function::IsDefined {
        return Some(first.is_some());
    }
    let first = first?;
    let texts = |test: fn(&str, &str) -> bool| {
        let second = value(arguments.get(1)?, row)?;
        Some(test(first.as_str()?, second.as_str()?))
    };
    match function {
        Function::IsDefined => Some(true),
        Function::IsNull => Some(first.is_null()),
        Function::IsBool => Some(first.is_boolean()),
        Function::IsNumber => Some(first.is_number()),
        Function::IsString => Some(first.is_string()),
        Function::IsArray => Some(first.is_array()),
        Function::IsObject => Some(first.is_object()),
        Function::IsPrimitive => Some(!first.is_array() && !first.is_object()),
        Function::StartsWith => texts(|text, part| text.starts_with(part)),
        Function::EndsWith => texts(|text, part| text.ends_with(part)),
        Function::Contains => texts(|text, part| text.contains(part)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;
    use serde_json::json;

    struct Document(Value);

    impl Row for Document {
        fn at(&self, path: &[Segment]) -> Option<Cow<'_, Value>> {
            walk(&self.0, path).map(Cow::Borrowed)
        }
    }

    #[test]
    fn conditions_by_table() {
        let row = Document(json!({
            "deviceId": "d1", "status": "enabled", "statusReason": null,
            "tags": {"site": "delft", "floor": 2, "a-b": true, "list": [1, {"x": "y"}], "deep": {"er": 1.5}},
        }));
        for (condition, passes) in [
            ("deviceId = 'd1'", true),
            ("deviceId IN ['d0', 'd1']", true),
            ("deviceId NIN ['d0', 'd1']", false),
            ("deviceId NOT IN ['d0']", true),
            ("tags.floor > 1 AND tags.floor <= 2", true),
            ("tags.floor = 2.0", true),
            ("tags.floor = '2'", false),
            ("tags.floor != '2'", false),
            ("tags.floor > -1 AND tags.floor < 0x3", true),
            ("tags.missing = 'x'", false),
            ("tags.missing != 'x'", false),
            ("NOT tags.missing = 'x'", false),
            ("NOT IS_DEFINED(tags.missing) OR tags.missing != 'x'", true),
            ("is_defined(tags.site)", true),
            ("IS_DEFINED(statusReason)", true),
            ("statusReason = null", true),
            ("status != null", true),
            ("tags.[[a-b]]", true),
            ("tags.[[a-b]] = true", true),
            ("tags.site", false),
            ("tags.list[0] = 1 AND tags.list[1].x = 'y'", true),
            ("tags.list = 1", false),
            ("IS_ARRAY(tags.list) AND IS_OBJECT(tags.deep) AND IS_NUMBER(tags.deep.er)", true),
            ("STARTSWITH(tags.site, 'del') AND endswith(tags.site, 'ft') AND CONTAINS(deviceId, '1')", true),
            ("STARTSWITH(tags.floor, '2')", false),
            ("(tags.missing = 1 OR tags.site = 'delft') AND NOT (status = 'disabled')", true),
            ("tags.missing = 1 AND tags.site = 'nowhere'", false),
            ("NOT (tags.missing = 1 AND tags.site = 'nowhere')", true),
            ("'d1' = deviceId", true),
            ("undefined = undefined", false),
            ("tags.site <> 'a' AND tags.site >= 'delft' AND tags.site < 'e'", true),
            ("true", true),
        ] {
            let query = Query::parse(&format!("SELECT * FROM devices WHERE {condition}")).unwrap();
            assert_eq!(query.condition.unwrap().passes(&row), passes, "{condition}");
        }
    }

    #[test]
    fn a_condition_on_the_id_alone_names_its_ids() {
        for (condition, ids) in [
            ("deviceId = 'a'", Some(vec!["a"])),
            ("DeviceId IN ['a', 'b']", Some(vec!["a", "b"])),
            ("deviceId != 'a'", None),
            ("deviceId = 'a' OR status = 'enabled'", None),
            ("deviceId IN ['a', 1]", None),
        ] {
            let query = Query::parse(&format!("SELECT * FROM devices WHERE {condition}")).unwrap();
            assert_eq!(query.condition.unwrap().device_ids(), ids, "{condition}");
        }
    }
}
