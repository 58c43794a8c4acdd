"""The worker of the origin, over stubs generated from proto/: leases numbers, completes squares.

    python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. proto/leaseq/v1/*.proto
    LEASEQ_ADDR=127.0.0.1:5327 LEASEQ_AUTHKEY=... python worker.py
"""

import os
import time

import grpc
from google.protobuf.duration_pb2 import Duration
from leaseq.v1 import job_pb2, queue_service_pb2, queue_service_pb2_grpc

AUTHKEY = [("authkey", os.environ["LEASEQ_AUTHKEY"])]
ADDR = os.environ.get("LEASEQ_ADDR", "127.0.0.1:5327")
JOBS = int(os.environ.get("JOBS", "10"))
# How long one job takes, and how long the server waits for a worker that has died with one.
RUN_SECONDS = float(os.environ.get("RUN_SECONDS", "1"))
LEASE = Duration(seconds=int(os.environ.get("LEASE_SECONDS", "30")))

channel = grpc.insecure_channel(ADDR)
leaseq = queue_service_pb2_grpc.QueueServiceStub(channel)


def call(method, request):
    # A server that is not there yet is waited for.
    return method(request, metadata=AUTHKEY, wait_for_ready=True, timeout=60)


print(f"Connect to server {ADDR}...", flush=True)
for _ in range(JOBS):
    got = call(
        leaseq.Get,
        queue_service_pb2.GetRequest(
            queue="task_queue", wait=Duration(seconds=1), max_jobs=1, lease_duration=LEASE
        ),
    )
    if not got.jobs:
        print("task queue is empty.", flush=True)
        continue
    job = got.jobs[0]
    n = int(job.payload)
    print(f"run task {n} * {n}...", flush=True)
    time.sleep(RUN_SECONDS)
    result = f"{n} * {n} = {n * n}".encode()
    done = job_pb2.Settlement(
        lease_token=job.lease_token, complete=job_pb2.Complete(result=result)
    )
    status = call(leaseq.Settle, queue_service_pb2.SettleRequest(settlements=[done])).results[0]
    if status.code != 0:
        print(f"the job is someone else's now: {status.message}", flush=True)
print("worker exit.", flush=True)
