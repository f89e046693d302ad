"""A device that asks the provisioning service for its hub, goes there and answers one call, on azure-iot-device.

Environment: HOST, SCOPE, REGISTRATION; KEY, or CERT and CERT_KEY (files); WEBSOCKET (to come by port 443).
"""

import os

from azure.iot.device import X509, IoTHubDeviceClient, MethodResponse, ProvisioningDeviceClient


def say(*words):
    print(*words, flush=True)


def main():
    env = os.environ
    host, scope, registration = env["HOST"], env["SCOPE"], env["REGISTRATION"]
    options = {"websockets": "WEBSOCKET" in env}
    if "CERT" in env:
        certificate = X509(cert_file=env["CERT"], key_file=env["CERT_KEY"])
        registrar = ProvisioningDeviceClient.create_from_x509_certificate(
            host, registration, scope, certificate, **options
        )
    else:
        registrar = ProvisioningDeviceClient.create_from_symmetric_key(host, registration, scope, env["KEY"], **options)
    registrar.provisioning_payload = {"model": "press"}
    try:
        result = registrar.register()
    except Exception as problem:
        say("problem", type(problem).__name__, problem)
        raise SystemExit(3)
    state = result.registration_state
    say(result.status, state.assigned_hub, state.device_id, state.sub_status, state.response_payload)
    if "CERT" in env:
        board = IoTHubDeviceClient.create_from_x509_certificate(
            certificate, state.assigned_hub, state.device_id, **options
        )
    else:
        board = IoTHubDeviceClient.create_from_symmetric_key(
            env["KEY"], state.assigned_hub, state.device_id, **options
        )
    board.connect()
    say("connected")
    call = board.receive_method_request("hello")
    board.send_method_response(MethodResponse(call.request_id, 200, {"heard": call.payload}))
    board.shutdown()
    say("done")


main()
