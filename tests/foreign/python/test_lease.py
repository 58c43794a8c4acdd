"""The lease stream: open, deliver, settle, flow, heartbeat, drain, resume."""

import grpc
from leaseq.v1 import job_pb2, queue_service_pb2
from support import LeaseqTest, Session, complete, error_info, seconds


def flow(max_jobs):
    return queue_service_pb2.Flow(max_jobs=max_jobs)


class Lease(LeaseqTest):
    def test_open_deliver_settle(self):
        session = self.session(worker="python", flow=flow(10))
        opened = session.expect("opened")
        self.assertTrue(opened.session_id)
        self.assertGreater(opened.heartbeat_interval.ToMilliseconds(), 0)
        ids = list(self.put(b"a", b"b").job_ids)
        jobs = []
        while len(jobs) < 2:
            deliver = session.expect("deliver")
            self.assertEqual(self.queue, deliver.queue)
            jobs += deliver.jobs
        self.assertEqual(ids, [job.id for job in jobs])
        statuses = session.settle(*(complete(job.lease_token) for job in jobs))
        self.assertEqual([0, 0], [status.code for status in statuses])
        self.assertEqual(0, self.stats().leased_count)

    def test_the_flow_limit_holds_and_can_be_raised(self):
        self.put(b"1", b"2", b"3")
        session = self.session()
        session.expect("opened")
        first, = session.expect("deliver").jobs
        self.assertEqual((1, 2), (self.stats().leased_count, self.stats().ready_count))
        session.send(flow=flow(3))
        rest = []
        while len(rest) < 2:
            rest += session.expect("deliver").jobs
        self.assertEqual([b"1", b"2", b"3"], [job.payload for job in (first, *rest)])

    def test_each_verdict_has_its_own_status(self):
        self.put(b"x")
        session = self.session()
        session.expect("opened")
        job, = session.expect("deliver").jobs
        bad, good = session.settle(complete(b"garbage"), complete(job.lease_token))
        self.assertEqual((3, "LEASE_TOKEN_INVALID"), (bad.code, bad.reason))
        self.assertEqual(0, good.code)

    def test_a_heartbeat_is_answered(self):
        session = self.session()
        session.expect("opened")
        session.send(heartbeat=queue_service_pb2.Heartbeat())
        session.expect("heartbeat")

    def test_heartbeats_keep_a_lease_longer_than_its_duration(self):
        self.put(b"long")
        session = self.session(lease_duration=seconds(0.5))
        session.expect("opened")
        job, = session.expect("deliver").jobs
        for _ in range(4):
            # The waiting Get is the clock here: it ends empty as long as the lease lives.
            self.assertEqual([], self.get(wait=0.25))
            session.send(heartbeat=queue_service_pb2.Heartbeat())
        self.assertEqual(0, session.settle(complete(job.lease_token))[0].code)

    def test_a_silent_session_loses_its_leases(self):
        self.put(b"stuck")
        session = self.session(lease_duration=seconds(0.3), grace=seconds(0))
        session.expect("opened")
        held, = session.expect("deliver").jobs
        again, = self.get()
        self.assertEqual(held.id, again.id)

    def test_a_drained_session_gets_nothing_more(self):
        self.put(b"held")
        session = self.session(flow=flow(5))
        session.expect("opened")
        job, = session.expect("deliver").jobs
        session.send(drain=queue_service_pb2.Drain(reason="going home"))
        self.assertEqual(0, session.settle(complete(job.lease_token))[0].code)
        self.put(b"next")
        self.assertEqual([b"next"], [job.payload for job in self.get()])
        session.close()
        self.assertIsNone(session.expect_end())

    def test_a_dropped_stream_gives_its_jobs_back_after_the_grace(self):
        self.put(b"x")
        session = self.session(grace=seconds(0.2))
        session.expect("opened")
        held, = session.expect("deliver").jobs
        session.drop()
        again, = self.get()
        self.assertEqual(held.id, again.id)
        self.assertGreater(again.fencing_number, held.fencing_number)
        self.assertEqual("LEASE_LOST", self.settle(complete(held.lease_token))[0].reason)

    def test_a_worker_that_comes_back_keeps_what_it_holds(self):
        self.put(b"x")
        session = self.session(grace=seconds(15))
        session.expect("opened")
        held, = session.expect("deliver").jobs
        session.drop()
        back = self.session(grace=seconds(15), held_tokens=[held.lease_token])
        self.assertEqual([], list(back.expect("opened").lost_tokens))
        self.assertEqual([], self.get(wait=0.3), "nobody else gets it")
        self.assertEqual(0, back.settle(complete(held.lease_token))[0].code)

    def test_a_worker_that_comes_back_too_late_is_told(self):
        self.put(b"x")
        session = self.session(grace=seconds(0))
        session.expect("opened")
        held, = session.expect("deliver").jobs
        session.drop()
        self.get(auto_complete=True)
        back = self.session(held_tokens=[held.lease_token])
        self.assertEqual([held.lease_token], list(back.expect("opened").lost_tokens))

    def test_a_cancelled_job_is_announced_to_its_worker(self):
        job_id, = self.put(b"x").job_ids
        session = self.session()
        session.expect("opened")
        held, = session.expect("deliver").jobs
        state = self.call(
            self.service.CancelJob, queue_service_pb2.CancelJobRequest(job_id=job_id)
        ).state
        self.assertEqual(job_pb2.JOB_STATE_LEASED, state)
        self.assertEqual([held.lease_token], list(session.expect("cancel").lease_tokens))

    def test_a_stream_that_does_not_open_ends_with_a_reason_and_others_go_on(self):
        good = self.session()
        good.expect("opened")
        bad = Session(self.service, None)
        self.addCleanup(bad.drop)
        bad.send(heartbeat=queue_service_pb2.Heartbeat())
        error = bad.expect_end()
        self.assertIsNotNone(error)
        self.assertEqual(grpc.StatusCode.FAILED_PRECONDITION, error.code())
        self.assertEqual("SESSION_PROTOCOL", error_info(error)[0].reason)
        self.put(b"x")
        good.expect("deliver")
