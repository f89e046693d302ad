"""A device on azure-iot-device that prints each cloud-to-device message: body, ids, types, properties. Environment: DEVICE."""

import os
import threading

from azure.iot.device import IoTHubDeviceClient


def got(message):
    properties = ",".join(f"{key}={value}" for key, value in sorted(message.custom_properties.items()))
    words = [message.message_id, message.correlation_id, message.content_type, message.content_encoding, message.ack]
    print("message", message.data.decode(), *words, properties, flush=True)
    print("expires", message.expiry_time_utc, flush=True)


board = IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE"])
# The handler first: a hub that kept the session sends what waits with the connection, and without a handler this SDK drops it.
board.on_message_received = got
board.connect()
print("listening", flush=True)
threading.Event().wait()
