"""A module and its back end in one program, on azure-iot-device and azure-iot-hub: twin, desired change, method, report.

Environment: SERVICE (connection string). Prints one line for each thing that either side saw; the Node program prints the same ones.
"""

import os
import sys
import threading

from azure.iot.device import IoTHubModuleClient, MethodResponse
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties

PATIENCE = 30


def main():
    manager = IoTHubRegistryManager(os.environ["SERVICE"])
    host = os.environ["SERVICE"].split(";")[0]
    manager.create_device_with_sas("carrier", None, None, "enabled")
    made = manager.create_module_with_sas("carrier", "camera", "", None, None)
    key = made.authentication.symmetric_key.primary_key
    module = IoTHubModuleClient.create_from_connection_string(f"{host};DeviceId=carrier;ModuleId=camera;SharedAccessKey={key}")
    changed = threading.Event()

    def desired(patch):
        print("desired", patch["fps"], patch["$version"], flush=True)
        changed.set()

    def called(request):
        print("called", request.name, request.payload["zoom"], flush=True)
        module.send_method_response(MethodResponse.create_from_method_request(request, 201, {"zoomed": True}))

    module.on_twin_desired_properties_patch_received = desired
    module.on_method_request_received = called
    module.connect()
    print("twin", sorted(module.get_twin()["desired"]), flush=True)
    manager.update_module_twin("carrier", "camera", Twin(properties=TwinProperties(desired={"fps": 25})), "*")
    assert changed.wait(PATIENCE), "no desired change came"
    order = CloudToDeviceMethod(method_name="zoom", payload={"zoom": 3}, response_timeout_in_seconds=PATIENCE)
    reply = manager.invoke_device_module_method("carrier", "camera", order)
    print("reply", reply.status, reply.payload["zoomed"], flush=True)
    module.patch_twin_reported_properties({"fps": 25})
    twin = manager.get_module_twin("carrier", "camera")
    print("reported", twin.properties.reported["fps"], twin.connection_state, flush=True)
    module.send_message("a frame")
    module.shutdown()
    return 0


sys.exit(main())
