"""A board that can be restarted from afar, on azure-iot-device.

It blocks until somebody calls `rebootDevice`, takes its time, writes down in its twin when it came back, and only then
answers. Environment: DEVICE (connection string), REBOOT_SECONDS, TOKEN_SECONDS (life of its SAS tokens), WEBSOCKET (to come
by port 443).
It says one word per line about what it does, so that a story can follow it.
"""

import datetime
import json
import os
import threading
import time

from azure.iot.device import IoTHubDeviceClient, MethodResponse

REBOOT_SECONDS = float(os.environ.get("REBOOT_SECONDS", "20"))


def say(*words):
    print(*words, flush=True)


def serve_reboots(board):
    while True:
        call = board.receive_method_request("rebootDevice")
        say("called", json.dumps(call.payload))
        time.sleep(REBOOT_SECONDS)
        came_back = str(datetime.datetime.now())
        board.patch_twin_reported_properties({"rebootTime": came_back})
        say("reported", came_back)
        board.send_message(json.dumps({"rebootTime": came_back}))
        answer = {"text": "back again", "rebootTime": came_back}
        board.send_method_response(MethodResponse(call.request_id, 200, answer))
        say("answered")


def tell_when_listening(board):
    """The first call must not come before the subscription; the blocking call above makes it by itself."""
    enabled = board._mqtt_pipeline.feature_enabled
    while not enabled["methods"]:
        time.sleep(0.02)
    say("listening")


def main():
    options = {}
    if "TOKEN_SECONDS" in os.environ:
        options["sastoken_ttl"] = int(os.environ["TOKEN_SECONDS"])
    if "WEBSOCKET" in os.environ:
        options["websockets"] = True
    board = IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE"], **options)
    board.on_connection_state_change = lambda: say("connected" if board.connected else "disconnected")
    threading.Thread(target=serve_reboots, args=(board,), daemon=True).start()
    threading.Thread(target=tell_when_listening, args=(board,), daemon=True).start()
    while True:
        time.sleep(3600)


main()
