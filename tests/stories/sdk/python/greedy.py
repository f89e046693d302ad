"""A device on azure-iot-device that asks more of its hub than the hub sells, and gets over it.

Environment: DEVICE (connection string), WHAT:
`twins`  patches and reads its twin until each was refused once, then until each is taken again;
`burst`  sends MOST messages at once and waits until the hub has acknowledged each of them;
`flood`  sends until the hub ends the connection, then waits until each message it sent is acknowledged.
"""

import asyncio
import os
import sys

from azure.iot.device.aio import IoTHubDeviceClient

AT_ONCE = 50
ROUNDS = 200


async def refused(ask, argument):
    """Why it was refused, as the SDK says it; none when it was taken."""
    try:
        await ask(argument)
    except Exception as problem:
        return f"{type(problem).__name__} {problem.__cause__!r}"
    return None


async def until_refused(name, ask):
    for start in range(0, ROUNDS * AT_ONCE, AT_ONCE):
        answers = await asyncio.gather(*(refused(ask, start + number) for number in range(AT_ONCE)))
        said = next((answer for answer in answers if answer), None)
        if said:
            print(name, "refused", said, flush=True)
            break
    else:
        raise SystemExit(f"{name} never refused")
    while await refused(ask, 0):
        await asyncio.sleep(0.1)
    print(name, "taken again", flush=True)


async def twins(board):
    await board.get_twin()
    await until_refused("patch", lambda number: board.patch_twin_reported_properties({"n": number}))
    await until_refused("get", lambda number: board.get_twin())


async def burst(board):
    most = int(os.environ["MOST"])
    await asyncio.gather(*(board.send_message(f"message {number}") for number in range(most)))
    print("acknowledged", most, flush=True)


async def deliver(board, text):
    """The SDK gives a message back when there is no connection at all; then it is the program's turn to try again."""
    while await refused(board.send_message, text):
        await asyncio.sleep(0.1)


async def flood(board):
    cut = asyncio.Event()
    loop = asyncio.get_running_loop()
    board.on_connection_state_change = lambda: None if board.connected else loop.call_soon_threadsafe(cut.set)
    sent = []
    for _ in range(ROUNDS):
        sent += [asyncio.ensure_future(deliver(board, f"message {len(sent) + number}")) for number in range(AT_ONCE)]
        done = asyncio.ensure_future(asyncio.wait(sent))
        await asyncio.wait([done, asyncio.ensure_future(cut.wait())], return_when=asyncio.FIRST_COMPLETED)
        if cut.is_set():
            break
    print("cut", cut.is_set(), flush=True)
    await asyncio.gather(*sent)
    print("acknowledged", len(sent), flush=True)


async def main():
    board = IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE"], connection_retry_interval=1)
    await board.connect()
    await {"twins": twins, "burst": burst, "flood": flood}[os.environ["WHAT"]](board)
    await board.shutdown()
    return 0


sys.exit(asyncio.run(main()))
