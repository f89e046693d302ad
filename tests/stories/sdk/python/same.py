"""A back end on azure-iot-hub that drives a mirror (`mirror.py`, `.js`, `.rhai`) and prints what it sees, `scenario | observation` per
line, in the form that `same.js` prints. Environment: SERVICE, DEVICE_ID; AWAY and NOBODY: a device that sleeps, one that is none."""

import json
import os
import re
import sys
import time

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

PATIENCE = 90
operator = IoTHubRegistryManager(os.environ["SERVICE"])
device = os.environ["DEVICE_ID"]


def form(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def say(scenario, seen):
    print(f"{scenario} | {seen}", flush=True)


def code(problem):
    found = re.search(r"errorCode\W+(\d{6})|ErrorCode:(\w+)", problem.response.text)
    return found.group(1) or found.group(2) if found else f"{problem.response.status_code} {problem.response.text}"


def call(name, payload=None, whom=device, seconds=30):
    order = CloudToDeviceMethod(
        method_name=name, payload=payload, response_timeout_in_seconds=seconds, connect_timeout_in_seconds=0
    )
    try:
        reply = operator.invoke_device_method(whom, order)
        return f"{reply.status} {form(reply.payload)}"
    except HttpOperationError as problem:
        return code(problem)


def twin_when(good):
    until = time.monotonic() + PATIENCE
    while True:
        twin = operator.get_twin(device)
        if good(twin.properties.reported) or time.monotonic() > until:
            return twin
        time.sleep(0.1)


def wish(desired, etag=None):
    return operator.update_twin(device, Twin(properties=TwinProperties(desired=desired)), etag)


def desired(scenario, name, value):
    before = operator.get_twin(device)
    asked = wish({name: value})
    version = asked.properties.desired["$version"]
    twin = twin_when(lambda reported: reported.get(name, {}).get("version") == version)
    mirrored = dict(twin.properties.reported.get(name, {}))
    mirrored["version"] = mirrored.get("version") == version
    step = version - before.properties.desired["$version"]
    say(scenario, form({"desired": twin.properties.desired.get(name), "etag": asked.etag != before.etag, "reported": mirrored, "step": step}))


def reported(scenario, patch):
    before = operator.get_twin(device).properties.reported
    said = call("report", patch)
    after = operator.get_twin(device)
    now = {name: after.properties.reported.get(name) for name in ("a", "t")}
    step = after.properties.reported["$version"] - before["$version"]
    say(scenario, form({"reply": said, "reported": now, "step": step}))


def methods():
    say("payload of every kind", call("echo", {"a": 1, "b": [True, None, 1.5, "é"], "c": {}}))
    say("payload that is a text", call("echo", "x"))
    say("payload that is a list", call("echo", [1, "2"]))
    say("answer without payload", call("nothing", {}))
    say("answer that is a text", call("text", {}))
    say("refusal", call("refuse", {}))
    say("unknown method", re.sub(r" \{.+\}", " {..}", call("unknown", {}, seconds=5)))
    say("handler fails", re.sub(r" \{.+\}", " {..}", call("fails", {}, seconds=5)))
    say("handler is silent", call("silent", {}, seconds=5))
    say("handler's deadline", re.sub(r" \{.+\}", " {..}", call("deadline", {}, seconds=15)))
    accepted = call("later", {})
    twin = twin_when(lambda now: "later" in now)
    say("answer before the work", f"{accepted}, then {form(twin.properties.reported.get('later'))}")
    say("device asleep", call("echo", {}, os.environ["AWAY"]))
    say("device unknown", call("echo", {}, os.environ["NOBODY"]))


def twins():
    reported("report", {"a": {"b": 1, "list": [1, "x"]}, "t": "é"})
    reported("report that removes", {"a": {"b": None}, "t": None})
    desired("desired value", "interval", 30)
    desired("desired value removed", "interval", None)
    desired("desired map", "plan", {"a": 1, "b": {"c": [1, 2]}})
    desired("desired map changed in part", "plan", {"a": 2})
    old = operator.get_twin(device).etag
    wish({"other": 1}, old)
    try:
        wish({"other": 2}, old)
        say("stale etag", "taken")
    except HttpOperationError as problem:
        say("stale etag", problem.response.status_code)
    say("send", call("send", {}))


methods()
twins()
sys.exit(0)
