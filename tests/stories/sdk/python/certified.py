"""A device that logs in with a certificate, on azure-iot-device: answers one call and reports it.

Environment: HOST, DEVICE_ID, CERT and KEY (files), WEBSOCKET (to come by port 443).
"""

import os

from azure.iot.device import X509, IoTHubDeviceClient, MethodResponse


def say(*words):
    print(*words, flush=True)


def main():
    certificate = X509(cert_file=os.environ["CERT"], key_file=os.environ["KEY"])
    board = IoTHubDeviceClient.create_from_x509_certificate(
        x509=certificate,
        hostname=os.environ["HOST"],
        device_id=os.environ["DEVICE_ID"],
        websockets="WEBSOCKET" in os.environ,
    )
    try:
        board.connect()
    except Exception as problem:
        say("problem", type(problem).__name__)
        raise SystemExit(3)
    say("connected")
    call = board.receive_method_request("hello")
    board.patch_twin_reported_properties({"said": call.payload})
    board.send_method_response(MethodResponse(call.request_id, 200, {"heard": call.payload}))
    board.shutdown()
    say("done")


main()
