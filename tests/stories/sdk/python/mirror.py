"""A device on azure-iot-device with a handler of every kind; `mirror.js` and `mirror.rhai` do the same. Environment: DEVICE."""

import asyncio
import os

from azure.iot.device import Message, MethodResponse
from azure.iot.device.aio import IoTHubDeviceClient

LONG = 300


class Refused(Exception):
    pass


async def main():
    board = IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE"])

    async def answer(call):
        async def reply(status, payload=None):
            await board.send_method_response(MethodResponse(call.request_id, status, payload))

        if call.name == "echo":
            await reply(200, call.payload)
        elif call.name == "nothing":
            await reply(200)
        elif call.name == "text":
            await reply(200, "done")
        elif call.name == "refuse":
            await reply(409, {"why": "busy"})
        elif call.name == "later":
            await reply(202, {"accepted": True})
            await board.patch_twin_reported_properties({"later": True})
        elif call.name == "fails":
            raise Refused("broken")
        elif call.name in ("silent", "deadline"):
            await asyncio.sleep(LONG)
        elif call.name == "report":
            await board.patch_twin_reported_properties(call.payload)
            await reply(200, "reported")
        elif call.name == "send":
            message = Message('{"t":21}', "t1", "utf-8", "application/json")
            message.correlation_id = "c+1"
            message.custom_properties["line"] = "B 2/é"
            await board.send_message(message)
            await reply(200, "sent")

    async def desired(patch):
        for name in ("interval", "plan"):
            if name in patch:
                await board.patch_twin_reported_properties({name: {"value": patch[name], "version": patch["$version"]}})

    async def message(got):
        body = got.data.decode()
        if body != "unwanted":
            seen = {
                "body": body,
                "id": got.message_id,
                "correlation": got.correlation_id,
                "type": got.content_type,
                "encoding": got.content_encoding,
                "properties": got.custom_properties,
            }
            await board.patch_twin_reported_properties({"message": seen})

    board.on_method_request_received = answer
    board.on_twin_desired_properties_patch_received = desired
    board.on_message_received = message
    await board.connect()
    # Handlers subscribe in the background; packets of one connection are worked off in order.
    enabled = board._mqtt_pipeline.feature_enabled
    while not (enabled["methods"] and enabled["twin_patches"] and enabled["c2d"]):
        await asyncio.sleep(0.02)
    await board.get_twin()
    print("listening", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
