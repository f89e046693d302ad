"""A program on azure-iot-hub that asks for more than its hub sells: queries until one is refused, then shows the refusal.

Environment: SERVICE (connection string), MOST (queries). Ends with 0 once it is refused.
"""

import os
import sys

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import QuerySpecification
from msrest.exceptions import HttpOperationError


def main():
    operator = IoTHubRegistryManager(os.environ["SERVICE"])
    for taken in range(int(os.environ["MOST"])):
        try:
            operator.query_iot_hub(QuerySpecification(query="SELECT * FROM devices"))
        except HttpOperationError as refused:
            answer = refused.response
            print("taken", taken, "then", answer.status_code, answer.headers["iothub-errorcode"], flush=True)
            print("retry-after", answer.headers.get("retry-after"), flush=True)
            return 0
    print("never refused", flush=True)
    return 1


sys.exit(main())
