"""An operator's jobs on azure-iot-hub: a twin update, a method, and one that is planned and called off.

Environment: SERVICE (connection string), DEVICE_ID. The SDK's own list of jobs expects an object where the service answers with
an array, so it fails against IoT Hub as well; that it fails here in the same way is part of what is looked at.
"""

import datetime
import os
import sys
import time

from azure.iot.hub import IoTHubJobManager, IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, JobRequest, Twin, TwinProperties

PATIENCE = 60
OVER = ("completed", "failed", "cancelled")


def say(*words):
    print(*words, flush=True)


def until_over(jobs, name):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        job = jobs.get_scheduled_job(name)
        if job.status in OVER:
            return job
        time.sleep(0.2)
    raise TimeoutError(name)


def tell(job):
    count = job.device_job_statistics
    counts = "" if count is None else f"{count.succeeded_count} of {count.device_count}, {count.failed_count} failed"
    say(job.job_id, job.status, counts)


def main():
    device = os.environ["DEVICE_ID"]
    jobs = IoTHubJobManager.from_connection_string(os.environ["SERVICE"])
    registry = IoTHubRegistryManager.from_connection_string(os.environ["SERVICE"])
    condition = f"deviceId IN ['{device}']"
    now = datetime.datetime.now(datetime.timezone.utc)

    patch = Twin(etag="*", tags={"line": 3}, properties=TwinProperties(desired={"speed": 7}))
    update = JobRequest(
        job_id="twins", type="scheduleUpdateTwin", update_twin=patch, query_condition=condition,
        start_time=now, max_execution_time_in_seconds=PATIENCE,
    )
    taken = jobs.create_scheduled_job("twins", update)
    say("taken", taken.job_id, taken.type, taken.query_condition)
    tell(until_over(jobs, "twins"))
    twin = registry.get_twin(device)
    say("twin", twin.tags["line"], twin.properties.desired["speed"])

    order = CloudToDeviceMethod(method_name="rebootDevice", payload={"why": "job"}, response_timeout_in_seconds=30)
    call = JobRequest(
        job_id="calls", type="scheduleDeviceMethod", cloud_to_device_method=order, query_condition=condition,
        max_execution_time_in_seconds=PATIENCE,
    )
    jobs.create_scheduled_job("calls", call)
    tell(until_over(jobs, "calls"))

    tomorrow = now + datetime.timedelta(days=1)
    later = JobRequest(type="scheduleUpdateTwin", update_twin=patch, query_condition="*", start_time=tomorrow)
    say("planned", jobs.create_scheduled_job("later", later).status)
    say("called off", jobs.cancel_scheduled_job("later").status, jobs.get_scheduled_job("later").status)

    wrong = JobRequest(type="scheduleUpdateTwin", update_twin=patch, query_condition="tags.line =")
    jobs.create_scheduled_job("wrong", wrong)
    job = until_over(jobs, "wrong")
    say("wrong", job.status, job.failure_reason.splitlines()[0])

    for name, action in (
        ("again", lambda: jobs.create_scheduled_job("twins", update)),
        ("unknown", lambda: jobs.get_scheduled_job("nobody")),
        ("list", lambda: jobs.query_scheduled_jobs("scheduleUpdateTwin", "completed")),
    ):
        try:
            action()
            say(name, "no problem")
        except Exception as problem:  # what the SDK raises is part of what is looked at
            say(name, type(problem).__name__, str(problem).splitlines()[0])
    return 0


try:
    sys.exit(main())
except Exception as problem:  # what the SDK raises is part of what the stories look at
    say("problem", type(problem).__name__, str(problem).replace("\n", " "))
    sys.exit(3)
