"""An operator's program on azure-iot-hub: asks a board to restart, then looks at its twin until a new time is there.

Environment: SERVICE (connection string), DEVICE_ID. The payload goes out as a text that holds JSON, and the call has the SDK's
own default timeouts. Ends with 0 once the twin shows a time that was not there before.
"""

import json
import os
import sys
import time

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod

LOOKS = 12


def reboot_time(operator, device):
    return operator.get_twin(device).properties.reported.get("rebootTime")


def main():
    device = os.environ["DEVICE_ID"]
    operator = IoTHubRegistryManager(os.environ["SERVICE"])
    before = reboot_time(operator, device)
    order = CloudToDeviceMethod(method_name="rebootDevice", payload=json.dumps({"method_number": "42"}))
    reply = operator.invoke_device_method(device, order)
    print("reply", reply.status, json.dumps(reply.payload), flush=True)
    for _ in range(LOOKS):
        now = reboot_time(operator, device)
        if now is not None and now != before:
            print("rebootTime", now, flush=True)
            return 0
        time.sleep(5)
    print("no new rebootTime", flush=True)
    return 1


try:
    sys.exit(main())
except Exception as problem:  # what the SDK raises is part of what the stories look at
    print("problem", type(problem).__name__, str(problem).replace("\n", " "), flush=True)
    sys.exit(3)
