"""A device on azure-iot-device that keeps sending numbered messages and answers `ping`, whatever its hub does to it.

A message that the SDK gives back is sent anew, with one attempt more in its property `attempt`. Says `sent N` for each number that the
hub has acknowledged. Environment: DEVICE (connection string), ASK (a fault that it asks its hub for, after the fifth message).
"""

import asyncio
import os

from azure.iot.device import Message, MethodResponse
from azure.iot.device.aio import IoTHubDeviceClient

PACE = 0.1


def say(*words):
    print(*words, flush=True)


async def deliver(board, number):
    attempt = 0
    while True:
        attempt += 1
        message = Message(f"message {number}")
        message.custom_properties["attempt"] = str(attempt)
        try:
            return await board.send_message(message)
        except Exception as problem:
            say("again", number, type(problem).__name__)
            await asyncio.sleep(PACE)


async def ask(board, fault):
    message = Message("")
    message.custom_properties["AzIoTHub_FaultOperationType"] = fault
    message.custom_properties["AzIoTHub_FaultOperationCloseReason"] = "boom"
    message.custom_properties["AzIoTHub_FaultOperationDelayInSecs"] = "1"
    try:
        await board.send_message(message)
        say("asked, and heard")
    except Exception as problem:
        say("asked, and got", type(problem).__name__)


async def main():
    options = {"keep_alive": 5, "connection_retry_interval": 1}
    board = IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE"], **options)

    async def answer(call):
        try:
            await board.send_method_response(MethodResponse(call.request_id, 200, {"pong": call.payload}))
        except Exception as problem:
            say("could not answer", type(problem).__name__)

    board.on_method_request_received = answer
    await board.connect()
    number, asking = 0, None
    while True:
        number += 1
        await deliver(board, number)
        say("sent", number)
        if number == 5 and "ASK" in os.environ:
            asking = asyncio.ensure_future(ask(board, os.environ["ASK"]))
        await asyncio.sleep(PACE)


asyncio.run(main())
