"""A registrar's program on azure-iot-hub: devices and modules by every way the SDK has, their twins, and queries over them.

Environment: SERVICE (connection string). Prints one line for each thing it saw.
"""

import os
import sys

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import ExportImportDevice, QuerySpecification, Twin, TwinProperties

PRIMARY, SECONDARY = "A" * 40, "B" * 40


def refused(what, call):
    try:
        call()
        print(what, "was taken", flush=True)
    except Exception as problem:
        print(what, problem.response.status_code, flush=True)


def devices(manager):
    made = manager.create_device_with_sas("reg-1", None, None, "enabled")
    keys = made.authentication.symmetric_key
    print("made", made.device_id, made.status, len(keys.primary_key), keys.primary_key != keys.secondary_key, flush=True)
    refused("again", lambda: manager.create_device_with_sas("reg-1", None, None, "enabled"))
    changed = manager.update_device_with_sas("reg-1", made.etag, keys.primary_key, keys.secondary_key, "disabled")
    print("changed", changed.status, changed.etag != made.etag, flush=True)
    refused("old etag", lambda: manager.update_device_with_sas("reg-1", made.etag, keys.primary_key, keys.secondary_key, "enabled"))
    manager.create_device_with_x509("reg-2", PRIMARY, SECONDARY, "enabled")
    thumbprints = manager.get_device("reg-2").authentication
    print("thumbprints", thumbprints.type, thumbprints.x509_thumbprint.primary_thumbprint == PRIMARY, flush=True)
    manager.create_device_with_certificate_authority("reg-3", "enabled")
    print("signed", manager.get_device("reg-3").authentication.type, flush=True)
    print("list", ",".join(sorted(device.device_id for device in manager.get_devices(10))), flush=True)


def bulk(manager):
    items = [ExportImportDevice(id=f"bulk-{n}", import_mode="create", status="enabled") for n in range(5)]
    print("bulk made", manager.bulk_create_or_update_devices(items).is_successful, flush=True)
    for item in items:
        item.import_mode = "delete"
    print("bulk gone", manager.bulk_create_or_update_devices(items[1:]).is_successful, flush=True)
    counts = manager.get_device_registry_statistics()
    print("counts", counts.total_device_count, counts.enabled_device_count, counts.disabled_device_count, flush=True)


def modules(manager):
    manager.create_module_with_sas("reg-1", "camera", "", None, None)
    print("modules", ",".join(module.module_id for module in manager.get_modules("reg-1")), flush=True)
    twin = manager.update_module_twin("reg-1", "camera", Twin(properties=TwinProperties(desired={"fps": 25})), "*")
    print("module twin", twin.module_id, twin.properties.desired["fps"], flush=True)
    manager.delete_module("reg-1", "camera")
    refused("module gone", lambda: manager.get_module("reg-1", "camera"))


def twins(manager):
    patch = Twin(tags={"line": "B", "deep": {"a": 1, "b": 2}}, properties=TwinProperties(desired={"interval": 30}))
    twin = manager.update_twin("reg-1", patch, "*")
    print("patched", twin.tags["line"], twin.properties.desired["interval"], twin.properties.desired["$version"], flush=True)
    twin = manager.update_twin("reg-1", Twin(tags={"deep": {"a": None}}), twin.etag)
    print("merged", twin.tags["deep"], flush=True)
    refused("old twin", lambda: manager.update_twin("reg-1", patch, "AAAAAAAAAAA="))
    twin = manager.replace_twin("reg-1", Twin(tags={"line": "C"}, properties=TwinProperties(desired={"level": 3})), "*")
    print("replaced", twin.tags, "interval" in twin.properties.desired, twin.properties.desired["level"], flush=True)


def queries(manager):
    def rows(query, size=None):
        found, token = [], None
        while True:
            page = manager.query_iot_hub(QuerySpecification(query=query), token, size)
            found.extend(page.items)
            token = page.continuation_token
            if token is None:
                return found

    some = rows("SELECT * FROM devices WHERE STARTSWITH(deviceId, 'reg-')", 2)
    print("pages", ",".join(sorted(twin.device_id for twin in some)), flush=True)
    named = rows("SELECT deviceId FROM devices WHERE tags.line = 'C' AND properties.desired.level > 2")
    print("found", ",".join(row.device_id for row in named), flush=True)
    grouped = rows("SELECT status, COUNT() AS n FROM devices GROUP BY status")
    print("groups", sorted(f"{row.status} {row.additional_properties['n']}" for row in grouped), flush=True)
    refused("no query", lambda: rows("SELECT FROM"))


def main():
    manager = IoTHubRegistryManager(os.environ["SERVICE"])
    devices(manager)
    bulk(manager)
    modules(manager)
    twins(manager)
    queries(manager)
    manager.delete_device("reg-3")
    refused("gone", lambda: manager.get_device("reg-3"))
    return 0


sys.exit(main())
