"""A back end on azure-iot-hub that reads what became of its messages, and empties a device's queue.

Environment: SERVICE (connection string), DEVICE_ID (whose queue), COUNT (records to wait for). Gives the first batch back once.
"""

import os
import sys
import time

from azure.iot.hub import IoTHubHttpRuntimeManager
from msrest.exceptions import HttpOperationError

PATIENCE = 60


def main():
    runtime = IoTHubHttpRuntimeManager.from_connection_string(os.environ["SERVICE"])
    messages = runtime.protocol.cloud_to_device_messages
    purged = messages.purge_cloud_to_device_message_queue(os.environ["DEVICE_ID"])
    print("purged", purged.total_messages_purged, flush=True)
    until, told, abandoned = time.monotonic() + PATIENCE, 0, False
    while told < int(os.environ["COUNT"]) and time.monotonic() < until:
        batch = messages.receive_feedback_notification(raw=True).response
        if batch.status_code == 204:
            time.sleep(0.1)
            continue
        lock = batch.headers["ETag"].strip('"')
        if not abandoned:
            runtime.abandon_feedback_notification(lock)
            abandoned = True
            continue
        for record in batch.json():
            print("feedback", record["originalMessageId"], record["deviceId"], record["statusCode"], flush=True)
            told += 1
        runtime.complete_feedback_notification(lock)
        try:
            runtime.complete_feedback_notification(lock)
        except HttpOperationError as lost:
            print("again", lost.response.status_code, lost.response.headers["iothub-errorcode"], flush=True)
    return 0


sys.exit(main())
