"""A device on azure-iot-device that sends a message with every property, and a plain one. Environment: DEVICE."""

import os

from azure.iot.device import IoTHubDeviceClient, Message

board = IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE"])
board.connect()
message = Message('{"t": 21}', message_id="m/1", content_encoding="utf-8", content_type="application/json")
message.correlation_id = "c+1"
message.custom_properties["line"] = "B 2/é"
board.send_message(message)
board.send_message("plain")
print("sent", flush=True)
board.shutdown()
