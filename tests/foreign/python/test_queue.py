"""Put, Get, Settle, Extend, Cancel, Wait: the unary calls."""

import time
import uuid

from leaseq.v1 import admin_service_pb2, job_pb2, queue_service_pb2
from support import AUTHKEY, LeaseqTest, complete, seconds


class Queue(LeaseqTest):
    def test_put_get_settle(self):
        ids = self.put(b"\x00first\xff", b"second", headers={"trace": "7"}).job_ids
        self.assertEqual(2, len(set(ids)))
        first, second = self.get(max_jobs=2)
        self.assertEqual([first.id, second.id], list(ids), "put order")
        self.assertEqual(b"\x00first\xff", first.payload, "bytes come out as they went in")
        self.assertEqual({"trace": "7"}, dict(first.headers))
        self.assertEqual((1, 20), (first.attempt, first.max_attempts))
        self.assertLess(first.fencing_number, second.fencing_number)
        statuses = self.settle(complete(first.lease_token), complete(second.lease_token))
        self.assertEqual([0, 0], [status.code for status in statuses])
        stats = self.stats()
        self.assertEqual((0, 0), (stats.ready_count, stats.leased_count))

    def test_get_on_an_empty_queue_waits_and_says_empty(self):
        self.put(b"gone")
        self.get(auto_complete=True)
        started = time.monotonic()
        self.assertEqual([], self.get(wait=0.3))
        self.assertGreaterEqual(time.monotonic() - started, 0.3)
        self.assertEqual([], self.get(wait=0))

    def test_get_without_wait_answers_before_its_own_deadline(self):
        self.put(b"gone")
        self.get(auto_complete=True)
        request = queue_service_pb2.GetRequest(queue=self.queue)
        self.assertEqual(0, len(self.call(self.service.Get, request, timeout=1.0).jobs))

    def test_get_on_a_queue_that_is_not_there_yet_is_empty(self):
        self.assertEqual([], self.get(wait=0.1))

    def test_a_waiting_get_gets_the_next_put(self):
        request = queue_service_pb2.GetRequest(queue=self.queue, wait=seconds(10))
        waiting = self.service.Get.future(request, metadata=[("authkey", AUTHKEY)], timeout=15)
        job_id, = self.put(b"late").job_ids
        self.assertEqual([job_id], [job.id for job in waiting.result().jobs])

    def test_the_same_request_id_puts_once(self):
        request_id = str(uuid.uuid4())
        first = self.put(b"a", b"b", request_id=request_id)
        again = self.put(b"a", b"b", request_id=request_id)
        self.assertEqual(list(first.job_ids), list(again.job_ids))
        self.assertEqual((False, True), (first.deduplicated, again.deduplicated))
        self.assertEqual(2, self.stats().ready_count)

    def test_put_stream_answers_each_put_in_order(self):
        puts = [
            queue_service_pb2.PutStreamRequest(put=queue_service_pb2.PutRequest(
                queue=queue, jobs=[job_pb2.NewJob(payload=b"x")]))
            for queue in (self.queue, "no such name!", self.queue)
        ]
        answers = list(self.call(self.service.PutStream, iter(puts)))
        self.assertEqual([1, 0, 1], [len(answer.job_ids) for answer in answers])
        self.assertEqual(["", "INVALID_FIELD", ""], [a.status.reason for a in answers])

    def test_priority_first_then_put_order(self):
        self.put(b"1", b"2")
        self.put(b"urgent", priority=5)
        self.put(b"someday", priority=-5)
        jobs = self.get(max_jobs=10)
        self.assertEqual([b"urgent", b"1", b"2", b"someday"], [job.payload for job in jobs])

    def test_a_delayed_job_waits_for_its_time(self):
        started = time.monotonic()
        self.put(b"later", delay=seconds(0.4))
        self.assertEqual([], self.get(wait=0))
        self.assertEqual([b"later"], [job.payload for job in self.get()])
        self.assertGreaterEqual(time.monotonic() - started, 0.4)

    def test_a_failed_job_comes_back_and_dies_after_its_last_attempt(self):
        self.put(b"hard", max_attempts=2)
        for attempt in (1, 2):
            job, = self.get()
            self.assertEqual(attempt, job.attempt)
            fail = job_pb2.Fail(error="no luck", retry_delay=seconds(0.05))
            self.settle(job_pb2.Settlement(lease_token=job.lease_token, fail=fail))
        self.assertEqual(1, self.stats().dead_count)
        redriven = self.call(
            self.admin.RedriveJobs,
            admin_service_pb2.RedriveJobsRequest(queue=self.queue, force=True),
        )
        self.assertEqual(1, redriven.job_count)
        job, = self.get()
        self.assertEqual((b"hard", 1), (job.payload, job.attempt))

    def test_a_released_attempt_is_not_counted(self):
        self.put(b"not now")
        job, = self.get()
        self.settle(job_pb2.Settlement(lease_token=job.lease_token, release=job_pb2.Release()))
        job, = self.get()
        self.assertEqual(1, job.attempt)

    def test_a_lease_that_expires_gives_the_job_back(self):
        self.put(b"left behind")
        held, = self.get(lease_duration=seconds(0.2))
        again, = self.get()
        self.assertEqual((held.id, 1), (again.id, again.attempt))
        self.assertGreater(again.fencing_number, held.fencing_number)
        status, = self.settle(complete(held.lease_token))
        self.assertEqual((9, "LEASE_LOST"), (status.code, status.reason))
        status, = self.settle(complete(again.lease_token))
        self.assertEqual(0, status.code)

    def test_extend_keeps_a_lease_and_its_token(self):
        self.put(b"long")
        job, = self.get(lease_duration=seconds(0.4))
        request = queue_service_pb2.ExtendRequest(
            lease_tokens=[job.lease_token], lease_duration=seconds(30), progress="half"
        )
        result, = self.call(self.service.Extend, request).results
        self.assertEqual((0, False), (result.status.code, result.cancel_requested))
        self.assertEqual([], self.get(wait=0.6), "the first duration has passed")
        request = admin_service_pb2.GetJobRequest(job_id=job.id)
        shown = self.call(self.admin.GetJob, request).job
        self.assertEqual((job_pb2.JOB_STATE_LEASED, "half"), (shown.state, shown.progress))
        self.assertEqual(0, self.settle(complete(job.lease_token))[0].code)

    def test_the_outcome_goes_to_the_reply_queue(self):
        reply = self.queue + ".reply"
        job_id, = self.put(b"6", reply_to=reply).job_ids
        job, = self.get()
        self.settle(complete(job.lease_token, b"36"))
        outcome, = self.get(queue=reply)
        self.assertEqual(b"36", outcome.payload)
        self.assertEqual(job_id, outcome.outcome.job_id)
        self.assertEqual(job_pb2.JOB_STATE_COMPLETED, outcome.outcome.state)

    def test_wait_job_gives_the_result(self):
        job_id, = self.put(b"6", result_retention=seconds(60)).job_ids
        request = queue_service_pb2.WaitJobRequest(job_id=job_id, wait=seconds(0.1))
        self.assertEqual(
            job_pb2.JOB_STATE_READY, self.call(self.service.WaitJob, request).state
        )
        job, = self.get()
        self.settle(complete(job.lease_token, b"36"))
        request = queue_service_pb2.WaitJobRequest(job_id=job_id, wait=seconds(10))
        waited = self.call(self.service.WaitJob, request)
        self.assertEqual((job_pb2.JOB_STATE_COMPLETED, b"36"), (waited.state, waited.result))

    def test_wait_queue_joins(self):
        self.put(b"x")
        request = queue_service_pb2.WaitQueueRequest(queue=self.queue, wait=seconds(0.1))
        self.assertFalse(self.call(self.service.WaitQueue, request).done)
        self.get(auto_complete=True)
        request = queue_service_pb2.WaitQueueRequest(queue=self.queue, wait=seconds(10))
        self.assertTrue(self.call(self.service.WaitQueue, request).done)

    def test_a_cancelled_job_is_not_delivered(self):
        keep, drop = self.put(b"keep", b"drop").job_ids
        request = queue_service_pb2.CancelJobRequest(job_id=drop, reason="not wanted")
        state = self.call(self.service.CancelJob, request).state
        self.assertEqual(job_pb2.JOB_STATE_CANCELLED, state)
        self.assertEqual([keep], [job.id for job in self.get(max_jobs=10)])

    def test_a_repeated_verdict_is_ok_and_another_is_not(self):
        self.put(b"x")
        job, = self.get()
        self.assertEqual(0, self.settle(complete(job.lease_token))[0].code)
        self.assertEqual(0, self.settle(complete(job.lease_token))[0].code)
        reject = job_pb2.Settlement(lease_token=job.lease_token, reject=job_pb2.Reject())
        self.assertEqual("ALREADY_SETTLED", self.settle(reject)[0].reason)
