"""The official Python device and service SDKs on one hub: calls a second, one at a time, and the device's memory.

Reads DEVICE and SERVICE (connection strings) and prints one JSON object.
"""

import json
import multiprocessing
import os
import time

CALLS = 300


def device(ready):
    from azure.iot.device import IoTHubDeviceClient, MethodResponse

    client = IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE"])

    def answer(request):
        client.send_method_response(MethodResponse.create_from_method_request(request, 200, {"ok": True}))

    client.on_method_request_received = answer
    client.connect()
    ready.set()
    while True:
        time.sleep(1000)


def resident_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024


def main():
    ready = multiprocessing.Event()
    process = multiprocessing.get_context("spawn").Process(target=device, args=(ready,), daemon=True)
    process.start()
    assert ready.wait(60), "the device did not connect"

    from azure.iot.hub import IoTHubRegistryManager
    from azure.iot.hub.models import CloudToDeviceMethod

    manager = IoTHubRegistryManager(os.environ["SERVICE"])
    call = CloudToDeviceMethod(method_name="echo", payload={"n": 42})
    for _ in range(20):
        manager.invoke_device_method("python", call)
    began = time.perf_counter()
    for _ in range(CALLS):
        manager.invoke_device_method("python", call)
    took = time.perf_counter() - began
    print(json.dumps({"calls_per_second": CALLS / took, "device_mib": resident_mib(process.pid)}))
    process.kill()


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
