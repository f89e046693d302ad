//! Operators, literals, names and what undefined does to them.

use super::device::{device, passes};
use crate::query::{Need, Query};

fn all_of(table: &[(&str, bool)]) {
    let row = device();
    for (condition, expected) in table {
        assert_eq!(passes(condition, &row), *expected, "{condition}");
    }
}

#[test]
fn comparisons() {
    all_of(&[
        ("deviceId = 'd1'", true),
        ("'d1' = deviceId", true),
        ("tags.floor = 2.0", true),
        ("tags.floor = '2'", false),
        ("tags.floor != '2'", false),
        ("tags.floor != 3 AND tags.floor <> 3 AND tags.site <> 'a'", true),
        ("tags.floor > 1 AND tags.floor >= 2 AND tags.floor < 3 AND tags.floor <= 2", true),
        ("tags.floor > 2 OR tags.floor < 2", false),
        ("tags.site >= 'delft' AND tags.site < 'e' AND tags.site = tags.site", true),
        ("tags.site = 'Delft'", false),
        ("lastActivityTime > '2024-01-01' AND lastActivityTime < '2027'", true),
        ("tags.[[a-b]] = true AND tags.off = false AND tags.off < tags.[[a-b]]", true),
        ("tags.list = 1", false),
        ("tags.list = tags.list", false),
        ("tags.deep != 1", false),
        ("statusReason = null", true),
        ("status != null", true),
        ("status = null", false),
        ("(tags.floor = 2) = true", true),
    ]);
}

#[test]
fn lists() {
    all_of(&[
        ("deviceId IN ['d0', 'd1']", true),
        ("deviceId NIN ['d0', 'd1']", false),
        ("deviceId NOT IN ['d0']", true),
        ("deviceId in ['d0', undefined, null, true, -1, 'd1']", true),
        ("tags.floor IN [1, 2.0]", true),
        ("tags.minus IN [-3]", true),
        ("deviceId IN []", false),
        ("deviceId NIN []", true),
        ("tags.missing IN ['a']", false),
        ("tags.missing NIN ['a']", false),
        ("statusReason IN [null]", true),
        ("IS_ARRAY([1, 'a'])", true),
    ]);
}

#[test]
fn logic_is_three_valued() {
    all_of(&[
        ("tags.missing = 'x'", false),
        ("tags.missing != 'x'", false),
        ("NOT tags.missing = 'x'", false),
        ("NOT IS_DEFINED(tags.missing) OR tags.missing != 'x'", true),
        ("tags.missing = 1 OR tags.site = 'delft'", true),
        ("tags.missing = 1 AND tags.site = 'delft'", false),
        ("NOT (tags.missing = 1 OR tags.site = 'nowhere')", false),
        ("NOT (tags.missing = 1 AND tags.site = 'nowhere')", true),
        ("NOT NOT tags.site = 'delft'", true),
        ("tags.site = 'x' AND tags.site = 'x' OR tags.site = 'delft'", true),
        ("tags.site = 'x' AND (tags.site = 'x' OR tags.site = 'delft')", false),
        ("undefined = undefined", false),
        ("undefined", false),
        ("null", false),
        ("true", true),
        ("NOT false", true),
        ("tags.[[a-b]]", true),
        ("tags.site", false),
        ("NOT tags.site", true),
        ("1", false),
        ("tags.deep", false),
    ]);
}

#[test]
fn arithmetic() {
    all_of(&[
        ("tags.floor + 1 = 3 AND 1 - tags.floor = -1 AND tags.floor * 3 = 6 AND tags.floor / 4 = 0.5", true),
        ("7 % 4 = 3 AND -7 % 4 = -3 AND 7.5 % 2 = 1.5 AND version % tags.floor = 1", true),
        ("1 + 2 * 3 = 7 AND (1 + 2) * 3 = 9 AND 10 - 2 - 3 = 5 AND 20 / 2 / 5 = 2 AND 7 - 6 % 4 = 5", true),
        ("-tags.floor = -2 AND - -tags.floor = 2 AND -(1) = -1 AND 1 - -1 = 2 AND 2*-3 = -6", true),
        ("1 / 0 = 1 OR 1 % 0 = 1 OR 0 / 0 = 0", false),
        ("NOT IS_DEFINED(1 / 0)", true),
        ("NOT IS_DEFINED(tags.site + 1) AND NOT IS_DEFINED(-tags.site) AND NOT IS_DEFINED(tags.missing * 2)", true),
        ("9223372036854775807 + 1 > 9.2e18", true),
        ("NOT IS_DEFINED(1e308 * 10)", true),
        ("tags.floor + 1 > 2 AND tags.floor+1>2", true),
    ]);
}

#[test]
fn literals_and_names() {
    all_of(&[
        ("tags.floor = 0x2 AND tags.floor < 0xFF AND 0X10 = 16 AND 0xFFFFFFFFFFFFFFFF > 1", true),
        ("tags.deep.er = 15e-1 AND tags.deep.er = 0.15E+1 AND 1e3 = 1000", true),
        (r#"deviceId = "d1" AND tags.[[it's]] = 'q\"uote' AND tags.[[it's]] = "q\"uote""#, true),
        (r"'\u0064\u0031' = deviceId AND 'a\\b' = 'a\u005cb' AND '\'' = '\u0027'", true),
        (r"tags.name = 'Zo\u00eb \ud83d\ude00'", true),
        ("tags.[[group]].name = 'g'", true),
        ("tags.list[0] = 1 AND tags.list[1].x = 'y' AND NOT IS_DEFINED(tags.list[2])", true),
        ("NOT IS_DEFINED(tags.site[0]) AND NOT IS_DEFINED(tags.site.x)", true),
        ("DEVICEID = 'd1' AND deviceid = 'd1' AND Tags.site = 'delft' AND [[DeviceId]] = 'd1'", true),
        ("tags.Site = 'Delft' AND tags.site = 'delft' AND NOT IS_DEFINED(tags.SITE)", true),
        ("devices.deviceId = 'd1' AND devices.tags.floor = 2", true),
        ("properties.desired.$version = 3 AND properties.reported.$metadata.$lastUpdated = '2026'", true),
        ("/* by */ deviceId /* the */ = /**/ 'd1' /* id */", true),
        ("deviceId\n=\t'd1'\r\nand TRUE Or False", true),
        ("count = 1 OR is_defined = 1 OR length = 1", false),
    ]);
}

#[test]
fn what_a_row_must_have() {
    for (condition, need) in [
        ("tags.a = 1", "Equal(a)"),
        ("1 = tags.a", "Equal(a)"),
        ("tags.a = 1 AND tags.b > 2", "All[Equal(a)]"),
        ("tags.a = 1 AND (tags.b = 2 OR tags.c IN [3, 4])", "All[Equal(a), Any[Equal(b), Any[Equal(c), Equal(c)]]]"),
        ("tags.a = 1 OR tags.b > 2", "Anything"),
        ("tags.a IN []", "Any[]"),
        ("tags.a IN [1, null]", "Anything"),
        ("tags.a = null", "Anything"),
        ("tags.a = tags.b", "Anything"),
        ("tags.a != 1", "Anything"),
        ("tags.a NIN [1]", "Anything"),
        ("NOT tags.a = 1", "Anything"),
        ("tags.a + 0 = 1", "Anything"),
        ("(tags.a = 1) = true", "Anything"),
    ] {
        let query = Query::parse(&format!("SELECT * FROM devices WHERE {condition}")).unwrap();
        assert_eq!(shown(&query.condition.unwrap().need()), need, "{condition}");
    }
}

fn shown(need: &Need<'_>) -> String {
    let list = |needs: &[Need<'_>]| needs.iter().map(shown).collect::<Vec<_>>().join(", ");
    match need {
        Need::Equal(path, _) => format!("Equal({})", path.last().unwrap().name().unwrap()),
        Need::All(needs) => format!("All[{}]", list(needs)),
        Need::Any(needs) => format!("Any[{}]", list(needs)),
        Need::Anything => "Anything".to_owned(),
    }
}
