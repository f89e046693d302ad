"""A program on azure-iot-hub that shows what its hub says to each of its calls. Environment: SERVICE (connection string), DEVICE_ID."""

import os

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification
from msrest.exceptions import ClientException, HttpOperationError

operator = IoTHubRegistryManager(os.environ["SERVICE"])
device = os.environ["DEVICE_ID"]
for name, call in (
    ("registry", lambda: operator.get_device(device)),
    ("twin", lambda: operator.get_twin(device)),
    ("query", lambda: operator.query_iot_hub(QuerySpecification(query="SELECT * FROM devices"))),
    ("methods", lambda: operator.invoke_device_method(device, CloudToDeviceMethod(method_name="ping"))),
):
    try:
        call()
        print(name, "done", flush=True)
    except HttpOperationError as refused:
        print(name, refused.response.status_code, refused.response.headers.get("iothub-errorcode"), flush=True)
    except (ClientException, OSError) as lost:
        print(name, "lost", type(lost).__name__, flush=True)
