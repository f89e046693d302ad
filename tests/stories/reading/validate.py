"""Checks JUnit reports: well-formed, valid by the schema, and of one mind with themselves. Prints what a report tells, as JSON."""

import json
import sys
import xml.etree.ElementTree as tree

import xmlschema

schema = xmlschema.XMLSchema(sys.argv[1])
told = []
for path in sys.argv[2:]:
    for error in schema.iter_errors(path):
        sys.exit(f"{path}: {error.path}: {error.reason}")
    root = tree.parse(path).getroot()
    cases = root.findall("testsuite/testcase")
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
    }
    for name, count in counts.items():
        sums = sum(int(suite.get(name)) for suite in root.findall("testsuite"))
        if not int(root.get(name)) == sums == count:
            sys.exit(f"{path}: {name}: {root.get(name)}, {sums}, {count}")
    kinds = {}
    for case in cases:
        verdict = next((kid for kid in case if kid.tag in ("failure", "error", "skipped")), None)
        kind = "ok" if verdict is None else verdict.get("type")
        kinds.setdefault(kind, []).append(case.get("name"))
    flaky = [case.get("name") for case in cases if case.find("flakyFailure") is not None]
    told.append({**counts, "skipped": sum(case.find("skipped") is not None for case in cases), "kinds": kinds, "flaky": flaky})
print(json.dumps(told))
