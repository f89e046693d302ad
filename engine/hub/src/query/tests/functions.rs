//! Every function of the table, with what it answers and what it leaves undefined.

use super::device::{device, passes};
use crate::query::function::Function;

/// A call, and the value that it has; none when it is undefined.
const TABLE: [(&str, Option<&str>); 79] = [
    ("IS_DEFINED(tags.site)", Some("true")),
    ("is_defined(tags.missing)", Some("false")),
    ("IS_DEFINED(statusReason)", Some("true")),
    ("IS_NULL(statusReason)", Some("true")),
    ("IS_NULL(tags.site)", Some("false")),
    ("IS_NULL(tags.missing)", Some("false")),
    ("IS_BOOL(tags.off)", Some("true")),
    ("IS_BOOL(tags.floor = 2)", Some("true")),
    ("IS_BOOL('true')", Some("false")),
    ("IS_NUMBER(tags.floor)", Some("true")),
    ("IS_NUMBER('2')", Some("false")),
    ("IS_STRING(tags.site)", Some("true")),
    ("IS_STRING(tags.missing)", Some("false")),
    ("IS_ARRAY(tags.list)", Some("true")),
    ("IS_ARRAY(tags.deep)", Some("false")),
    ("IS_OBJECT(tags.deep)", Some("true")),
    ("IS_OBJECT(tags.list)", Some("false")),
    ("IS_PRIMITIVE(tags.floor)", Some("true")),
    ("IS_PRIMITIVE(statusReason)", Some("true")),
    ("IS_PRIMITIVE(tags.list)", Some("false")),
    ("IS_PRIMITIVE(tags.missing)", Some("false")),
    ("AS_NUMBER(tags.text)", Some("12.5")),
    ("AS_NUMBER(' 7 ')", Some("7")),
    ("AS_NUMBER(tags.floor)", Some("2")),
    ("AS_NUMBER(tags.site)", None),
    ("AS_NUMBER('inf')", None),
    ("AS_NUMBER(true)", None),
    ("CONCAT('a', tags.site, 'b')", Some("'adelftb'")),
    ("CONCAT('a', 1)", None),
    ("CONCAT('a', tags.missing)", None),
    ("LENGTH(tags.name)", Some("5")),
    ("LENGTH('')", Some("0")),
    ("LENGTH(tags.list)", None),
    ("LOWER('ÄB')", Some("'äb'")),
    ("LOWER(1)", None),
    ("UPPER(tags.site)", Some("'DELFT'")),
    ("UPPER(null)", None),
    ("SUBSTRING(tags.site, 1)", Some("'elft'")),
    ("SUBSTRING(tags.site, 1, 2)", Some("'el'")),
    ("SUBSTRING(tags.name, 4, 1)", Some("'😀'")),
    ("SUBSTRING(tags.site, 3, 100)", Some("'ft'")),
    ("SUBSTRING(tags.site, 100)", Some("''")),
    ("SUBSTRING(tags.site, 1.0)", Some("'elft'")),
    ("SUBSTRING(tags.site, -1)", None),
    ("SUBSTRING(tags.site, 0.5)", None),
    ("SUBSTRING(tags.site, 0, 'a')", None),
    ("SUBSTRING(1, 0)", None),
    ("INDEX_OF(tags.site, 'lf')", Some("2")),
    ("INDEX_OF(tags.name, '😀')", Some("4")),
    ("INDEX_OF(tags.site, 'x')", Some("-1")),
    ("INDEX_OF(tags.site, 1)", None),
    ("STARTSWITH(tags.site, 'del')", Some("true")),
    ("startswith(tags.site, 'Del')", Some("false")),
    ("STARTSWITH(tags.floor, '2')", None),
    ("ENDSWITH(tags.site, 'ft')", Some("true")),
    ("ENDSWITH(tags.missing, 'ft')", None),
    ("CONTAINS(tags.site, 'elf')", Some("true")),
    ("CONTAINS(tags.list, 1)", None),
    ("ABS(tags.minus)", Some("3")),
    ("ABS(-1.5)", Some("1.5")),
    ("ABS('1')", None),
    ("EXP(0)", Some("1")),
    ("EXP(1000)", None),
    ("POWER(2, 10)", Some("1024")),
    ("POWER(0 - 8, 0.5)", None),
    ("POWER(2, tags.site)", None),
    ("SQUARE(tags.minus)", Some("9")),
    ("SQUARE(3037000500)", Some("9223372037000250000.0")),
    ("CEILING(1.2)", Some("2")),
    ("CEILING(tags.floor)", Some("2")),
    ("FLOOR(-1.2)", Some("-2")),
    ("FLOOR(tags.missing)", None),
    ("SIGN(tags.minus)", Some("-1")),
    ("SIGN(0.0)", Some("0")),
    ("SIGN(2.5)", Some("1")),
    ("SQRT(9)", Some("3")),
    ("SQRT(-1)", None),
    ("SQRT(ABS(CONCAT('a', 'b')))", None),
    ("LENGTH(UPPER(SUBSTRING(tags.site, 0, LENGTH('ab'))))", Some("2")),
];

#[test]
fn functions_by_table() {
    let row = device();
    for (call, value) in TABLE {
        match value {
            Some(value) => assert!(passes(&format!("{call} = {value}"), &row), "{call} is not {value}"),
            None => assert!(!passes(&format!("IS_DEFINED({call})"), &row), "{call} is defined"),
        }
    }
}

#[test]
fn the_table_leaves_no_function_out() {
    for name in Function::names() {
        assert!(TABLE.iter().any(|(call, _)| call.starts_with(&format!("{name}("))), "{name}");
        assert_eq!(Function::named(&name.to_ascii_lowercase()).unwrap().0.name(), name);
    }
}
