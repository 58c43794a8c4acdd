"""What is refused, with which code, reason and details; and that nothing of it happened."""

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from leaseq.v1 import admin_service_pb2, job_pb2, queue_service_pb2
from support import AUTHKEY, LeaseqTest, Session


class Errors(LeaseqTest):
    def put_request(self, **fields):
        fields.setdefault("queue", self.queue)
        fields.setdefault("jobs", [job_pb2.NewJob(payload=b"x")])
        return queue_service_pb2.PutRequest(**fields)

    def violations(self, details):
        bad = error_details_pb2.BadRequest()
        self.assertTrue(details["google.rpc.BadRequest"].Unpack(bad))
        return [violation.field for violation in bad.field_violations]

    def test_no_key_and_a_wrong_key_are_unauthenticated(self):
        for key, reason in ((None, "AUTHKEY_MISSING"), ("wrong", "AUTHKEY_REJECTED")):
            for method, request in (
                (self.service.Put, self.put_request()),
                (self.service.Get, queue_service_pb2.GetRequest(queue=self.queue)),
                (self.admin.ListQueues, admin_service_pb2.ListQueuesRequest()),
            ):
                self.refused(grpc.StatusCode.UNAUTHENTICATED, reason, method, request, key)

    def test_a_stream_with_a_wrong_key_never_opens(self):
        open_ = queue_service_pb2.Open(queues=[self.queue])
        error = Session(self.service, open_, key="wrong").expect_end()
        self.assertEqual(grpc.StatusCode.UNAUTHENTICATED, error.code())

    def test_an_unknown_method_without_a_key_reveals_nothing(self):
        unknown = self.channel.unary_unary("/leaseq.v1.QueueService/Nothing")
        with self.assertRaises(grpc.RpcError) as raised:
            unknown(b"", timeout=10)
        self.assertEqual(grpc.StatusCode.UNAUTHENTICATED, raised.exception.code())

    def test_a_bearer_token_is_the_same_key(self):
        request = admin_service_pb2.GetServerInfoRequest()
        metadata = [("authorization", f"Bearer {AUTHKEY}")]
        info = self.admin.GetServerInfo(request, metadata=metadata, timeout=10)
        self.assertTrue(info.version)

    def test_queue_names(self):
        for name in ("", "has space", "ü", "-dash", "a/b", "x" * 129):
            details = self.refused(
                grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD",
                self.service.Put, self.put_request(queue=name),
            )
            self.assertEqual(["queue"], self.violations(details))

    def test_a_bad_job_names_its_field_and_nothing_is_put(self):
        jobs = [
            job_pb2.NewJob(payload=b"good"),
            job_pb2.NewJob(payload=b"bad", delay=Duration(seconds=-1)),
        ]
        details = self.refused(
            grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD",
            self.service.Put, self.put_request(jobs=jobs),
        )
        self.assertEqual(["jobs[1].delay"], self.violations(details))
        self.assertEqual([], self.get(wait=0))

    def test_no_jobs_and_too_many_jobs(self):
        for count in (0, 1001):
            jobs = [job_pb2.NewJob(payload=b"x")] * count
            details = self.refused(
                grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD",
                self.service.Put, self.put_request(jobs=jobs),
            )
            self.assertEqual(["jobs"], self.violations(details))

    def test_a_payload_over_the_limit(self):
        jobs = [job_pb2.NewJob(payload=bytes((1 << 20) + 1))]
        self.refused(
            grpc.StatusCode.INVALID_ARGUMENT, "PAYLOAD_TOO_LARGE",
            self.service.Put, self.put_request(jobs=jobs),
        )

    def test_a_reused_request_id(self):
        request_id = "0192e7a2-6f3c-4000-8000-000000000001"
        self.put(b"one", request_id=request_id)
        self.refused(
            grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED",
            self.service.Put,
            self.put_request(request_id=request_id, jobs=[job_pb2.NewJob(payload=b"two")]),
        )

    def test_things_that_are_not_there(self):
        self.refused(
            grpc.StatusCode.NOT_FOUND, "QUEUE_NOT_FOUND",
            self.admin.GetQueue, admin_service_pb2.GetQueueRequest(queue="nowhere"),
        )
        self.refused(
            grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND",
            self.admin.GetJob,
            admin_service_pb2.GetJobRequest(job_id="0192e7a2-6f3c-7000-8000-000000040001"),
        )

    def test_a_queue_that_exists_and_one_that_is_not_empty(self):
        queue = admin_service_pb2.Queue(name=self.queue)
        create = admin_service_pb2.CreateQueueRequest(queue=queue)
        self.call(self.admin.CreateQueue, create)
        self.refused(
            grpc.StatusCode.ALREADY_EXISTS, "QUEUE_EXISTS", self.admin.CreateQueue, create
        )
        self.put(b"x")
        delete = admin_service_pb2.DeleteQueueRequest(queue=self.queue)
        self.refused(
            grpc.StatusCode.FAILED_PRECONDITION, "QUEUE_NOT_EMPTY",
            self.admin.DeleteQueue, delete,
        )

    def test_a_full_queue_says_when_to_come_back(self):
        queue = admin_service_pb2.Queue(name=self.queue, max_jobs=1)
        self.call(self.admin.CreateQueue, admin_service_pb2.CreateQueueRequest(queue=queue))
        self.put(b"x")
        details = self.refused(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", self.service.Put, self.put_request()
        )
        self.assertIn("google.rpc.RetryInfo", details)

    def test_health_needs_no_key(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        for service in ("", "leaseq.v1.QueueService", "leaseq.v1.AdminService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
            self.assertEqual(health_pb2.HealthCheckResponse.SERVING, answer.status)
