"""Looks at one job with azure-iot-hub, as an operator would who wonders what is going on.

Environment: SERVICE (connection string), JOB (its id).
"""

import os

from azure.iot.hub import IoTHubJobManager


def main():
    job = IoTHubJobManager.from_connection_string(os.environ["SERVICE"]).get_scheduled_job(os.environ["JOB"])
    count = job.device_job_statistics
    print(job.type, job.status, count.device_count, count.succeeded_count, count.failed_count, flush=True)


main()
