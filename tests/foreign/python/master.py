"""The master of the origin, over stubs generated from proto/: puts numbers, prints the results.

    python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. proto/leaseq/v1/*.proto
    LEASEQ_ADDR=127.0.0.1:5327 LEASEQ_AUTHKEY=... python master.py
"""

import os
import random
import uuid

import grpc
from google.protobuf.duration_pb2 import Duration
from leaseq.v1 import job_pb2, queue_service_pb2, queue_service_pb2_grpc

AUTHKEY = [("authkey", os.environ["LEASEQ_AUTHKEY"])]
JOBS = int(os.environ.get("JOBS", "10"))

channel = grpc.insecure_channel(os.environ.get("LEASEQ_ADDR", "127.0.0.1:5327"))
leaseq = queue_service_pb2_grpc.QueueServiceStub(channel)


def call(method, request):
    # A server that is not there yet is waited for.
    return method(request, metadata=AUTHKEY, wait_for_ready=True, timeout=60)


for _ in range(JOBS):
    n = random.randint(0, 10000)
    print(f"Put task {n}...", flush=True)
    job = job_pb2.NewJob(payload=str(n).encode(), reply_to="result_queue")
    # With a request_id the call may be repeated: the job is put once.
    request_id = str(uuid.uuid4())
    put = queue_service_pb2.PutRequest(queue="task_queue", jobs=[job], request_id=request_id)
    call(leaseq.Put, put)

print("Try get results...", flush=True)
collected = 0
while collected < JOBS:
    # The outcome of each job is a job too: leased, so that nothing is lost if we die here.
    got = call(
        leaseq.Get,
        queue_service_pb2.GetRequest(queue="result_queue", wait=Duration(seconds=10), max_jobs=1),
    )
    for outcome in got.jobs:
        if outcome.outcome.state == job_pb2.JOB_STATE_COMPLETED:
            print(f"Result: {outcome.payload.decode()}", flush=True)
        else:
            print(f"No result: {outcome.outcome.error}", flush=True)
        done = job_pb2.Settlement(lease_token=outcome.lease_token, complete=job_pb2.Complete())
        call(leaseq.Settle, queue_service_pb2.SettleRequest(settlements=[done]))
        collected += 1
print("master exit.", flush=True)
