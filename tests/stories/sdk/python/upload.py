"""A board that uploads files, on azure-iot-device and azure-storage-blob: a small one in one request, a large one in blocks.

Environment: DEVICE (connection string), or HOST, DEVICE_ID, CERT and KEY (files); LARGE (bytes of the large one).
"""

import hashlib
import os
import sys

from azure.core.exceptions import ResourceExistsError
from azure.iot.device import X509, IoTHubDeviceClient
from azure.storage.blob import BlobClient


def say(*words):
    print(*words, flush=True)


def board():
    if "DEVICE" in os.environ:
        return IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE"])
    certificate = X509(cert_file=os.environ["CERT"], key_file=os.environ["KEY"])
    return IoTHubDeviceClient.create_from_x509_certificate(
        x509=certificate, hostname=os.environ["HOST"], device_id=os.environ["DEVICE_ID"]
    )


def blob_of(info):
    url = "https://{hostName}/{containerName}/{blobName}{sasToken}".format(**info)
    # Above 256 KiB in blocks of 64 KiB, as a large file would be in blocks of 4 MiB.
    return BlobClient.from_blob_url(url, max_single_put_size=256 * 1024, max_block_size=64 * 1024)


def send(device, name, content):
    info = device.get_storage_info_for_blob(name)
    with blob_of(info) as blob:
        answer = blob.upload_blob(content)
        device.notify_blob_upload_status(info["correlationId"], True, 201, "uploaded")
        say("sent", info["blobName"], len(content), bool(answer["etag"]))
        try:
            blob.upload_blob(b"again")
        except ResourceExistsError as refused:
            say("again", refused.status_code, refused.error_code)
        back = blob.download_blob().readall()
        say("back", len(back), back == content, blob.get_blob_properties().size)
        say("sha256", hashlib.sha256(content).hexdigest())


def main():
    device = board()
    device.connect()
    send(device, "logs/today's log.txt", b"one line\n")
    send(device, "picture.bin", os.urandom(int(os.environ["LARGE"])))
    info = device.get_storage_info_for_blob("never.txt")
    device.notify_blob_upload_status(info["correlationId"], False, 500, "the camera is broken")
    say("gave up on", info["blobName"])
    try:
        device.notify_blob_upload_status(info["correlationId"], True, 200, "after all")
    except Exception as refused:
        say("too late", type(refused).__name__)
    device.shutdown()
    say("done")
    return 0


sys.exit(main())
