"""What the tests share: a connection, short forms of the messages, a lease stream."""

import os
import queue
import threading
import unittest
import uuid

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from leaseq.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    job_pb2,
    queue_service_pb2,
    queue_service_pb2_grpc,
)

ADDR = os.environ["LEASEQ_ADDR"]
AUTHKEY = os.environ["LEASEQ_AUTHKEY"]
# No test waits longer for anything: a hang is a failure with a name.
PATIENCE = 20.0


def seconds(value):
    return Duration(seconds=int(value), nanos=int(round((value % 1) * 1e9)))


def complete(token, result=b""):
    return job_pb2.Settlement(lease_token=token, complete=job_pb2.Complete(result=result))


def error_info(error):
    """The one google.rpc.ErrorInfo of an error, and all its details by type name."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no details in {error}"
    details = {any_.TypeName(): any_ for any_ in status.details}
    info = error_details_pb2.ErrorInfo()
    assert details["google.rpc.ErrorInfo"].Unpack(info)
    return info, details


class LeaseqTest(unittest.TestCase):
    """Each test has a queue of its own, so that they can run in any order on one server."""

    def setUp(self):
        self.channel = grpc.insecure_channel(ADDR)
        self.addCleanup(self.channel.close)
        self.service = queue_service_pb2_grpc.QueueServiceStub(self.channel)
        self.admin = admin_service_pb2_grpc.AdminServiceStub(self.channel)
        self.queue = f"{self._testMethodName}.{uuid.uuid4().hex[:8]}"

    def call(self, method, request, key=AUTHKEY, timeout=PATIENCE):
        metadata = [] if key is None else [("authkey", key)]
        return method(request, metadata=metadata, timeout=timeout)

    def put(self, *payloads, queue=None, request_id="", **fields):
        jobs = [job_pb2.NewJob(payload=payload, **fields) for payload in payloads]
        request = queue_service_pb2.PutRequest(
            queue=queue or self.queue, jobs=jobs, request_id=request_id
        )
        return self.call(self.service.Put, request)

    def get(self, wait=5.0, max_jobs=1, queue=None, **fields):
        request = queue_service_pb2.GetRequest(
            queue=queue or self.queue, wait=seconds(wait), max_jobs=max_jobs, **fields
        )
        return list(self.call(self.service.Get, request).jobs)

    def settle(self, *settlements):
        request = queue_service_pb2.SettleRequest(settlements=settlements)
        return list(self.call(self.service.Settle, request).results)

    def stats(self, queue=None):
        request = admin_service_pb2.GetQueueRequest(queue=queue or self.queue)
        return self.call(self.admin.GetQueue, request).queue.stats

    def refused(self, code, reason, method, request, key=AUTHKEY):
        """Asserts that the call is refused so; returns the error's details."""
        with self.assertRaises(grpc.RpcError) as raised:
            self.call(method, request, key)
        self.assertEqual(code, raised.exception.code(), raised.exception.details())
        info, details = error_info(raised.exception)
        self.assertEqual((reason, "leaseq"), (info.reason, info.domain))
        self.assertTrue(raised.exception.details(), "an error says something to people")
        return details

    def session(self, **fields):
        fields.setdefault("queues", [self.queue])
        session = Session(self.service, queue_service_pb2.Open(**fields))
        self.addCleanup(session.drop)
        return session


class Session:
    """One Lease stream. `expect` gives the next message of one kind; heartbeats are skipped."""

    def __init__(self, service, open_, key=AUTHKEY):
        self.requests = queue.Queue()
        self.responses = queue.Queue()
        self.error = None
        if open_ is not None:
            self.send(open=open_)
        self.stream = service.Lease(
            iter(self.requests.get, None), metadata=[("authkey", key)], timeout=60
        )
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        try:
            for response in self.stream:
                self.responses.put(response)
        except grpc.RpcError as error:
            self.error = error
        self.responses.put(None)

    def send(self, **request):
        self.requests.put(queue_service_pb2.LeaseRequest(**request))

    def settle(self, *settlements):
        self.send(settle=queue_service_pb2.SettleRequest(settlements=settlements))
        return list(self.expect("settled").results)

    def expect(self, kind):
        while True:
            response = self.responses.get(timeout=PATIENCE)
            assert response is not None, f"the stream ended while {kind} was due: {self.error}"
            found = response.WhichOneof("response")
            if found == kind:
                return getattr(response, kind)
            assert found == "heartbeat", f"{found} came while {kind} was due"

    def expect_end(self):
        """Waits for the end of the stream; returns the error, None for a regular end."""
        while self.responses.get(timeout=PATIENCE) is not None:
            pass
        return self.error

    def close(self):
        """Ends the requests; the server ends the responses."""
        self.requests.put(None)

    def drop(self):
        """The stream is torn, as when a worker dies."""
        self.stream.cancel()
        self.requests.put(None)
