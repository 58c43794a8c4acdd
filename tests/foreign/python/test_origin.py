"""The origin's two programs, line by line; and its workers killed where it hurts."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from leaseq.v1 import admin_service_pb2
from support import ADDR, LeaseqTest

HERE = pathlib.Path(__file__).parent


class Origin(LeaseqTest):
    def setUp(self):
        super().setUp()
        # Both programs name their queues themselves, as the origin's do: each test empties them.
        there = self.call(self.admin.ListQueues, admin_service_pb2.ListQueuesRequest()).queues
        for name in ("task_queue", "result_queue"):
            if name in [queue.name for queue in there]:
                request = admin_service_pb2.DeleteQueueRequest(queue=name, force=True)
                self.call(self.admin.DeleteQueue, request)
            queue = admin_service_pb2.Queue(name=name)
            self.call(self.admin.CreateQueue, admin_service_pb2.CreateQueueRequest(queue=queue))

    def start(self, program, **environment):
        process = subprocess.Popen(
            [sys.executable, HERE / program],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "JOBS": "3", "RUN_SECONDS": "0.1", **environment},
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def finish(self, process):
        output, _ = process.communicate(timeout=60)
        self.assertEqual(0, process.returncode, output)
        return output.splitlines()

    def check_output(self, master, worker):
        numbers = [int(re.fullmatch(r"Put task (\d+)\.\.\.", line)[1]) for line in master[:3]]
        results = [f"Result: {n} * {n} = {n * n}" for n in numbers]
        self.assertEqual("Try get results...", master[3])
        self.assertEqual(sorted(results), sorted(master[4:7]))
        self.assertEqual(["master exit."], master[7:])
        self.assertEqual(f"Connect to server {ADDR}...", worker[0])
        self.assertEqual("worker exit.", worker[-1])
        runs = [line for line in worker if line.startswith("run task")]
        self.assertEqual([f"run task {n} * {n}..." for n in numbers], runs)

    def test_master_first(self):
        master = self.start("master.py")
        self.assertTrue(master.stdout.readline().startswith("Put task"))
        worker = self.finish(self.start("worker.py"))
        # The first line was read above; what it said is among the results all the same.
        rest = self.finish(master)
        first = next(line for line in worker if line.startswith("run task"))
        number = first.split()[2]
        self.check_output([f"Put task {number}..."] + rest, worker)

    def test_worker_first(self):
        worker = self.start("worker.py", JOBS="8")
        self.wait_until(lambda: self.waiting("task_queue") == 1)
        master = self.finish(self.start("master.py"))
        self.check_output(master, self.finish(worker))

    def test_an_empty_queue_is_said(self):
        worker = self.finish(self.start("worker.py", JOBS="1"))
        self.assertEqual(["task queue is empty.", "worker exit."], worker[1:])

    def test_a_worker_killed_in_get_swallows_nothing(self):
        worker = self.start("worker.py", JOBS="1000", LEASE_SECONDS="2")
        self.wait_until(lambda: self.waiting("task_queue") == 1)
        worker.send_signal(signal.SIGKILL)
        # At once: the server may not have heard of the death yet. Then the job is leased to the
        # dead worker, and comes back when that lease ends.
        job_id, = self.put(b"12", queue="task_queue").job_ids
        job, = self.get(queue="task_queue", auto_complete=True)
        self.assertEqual(job_id, job.id)

    def test_a_worker_known_to_be_gone_gets_nothing(self):
        worker = self.start("worker.py", JOBS="1000")
        self.wait_until(lambda: self.waiting("task_queue") == 1)
        worker.send_signal(signal.SIGKILL)
        self.wait_until(lambda: self.waiting("task_queue") == 0)
        job_id, = self.put(b"12", queue="task_queue").job_ids
        job, = self.get(queue="task_queue", auto_complete=True)
        self.assertEqual((job_id, 1), (job.id, job.attempt))

    def test_a_worker_killed_with_a_job_loses_nothing(self):
        master = self.start("master.py")
        killed = self.start("worker.py", RUN_SECONDS="1000", LEASE_SECONDS="2")
        while not killed.stdout.readline().startswith("run task"):
            pass
        killed.send_signal(signal.SIGKILL)
        worker = self.start("worker.py", JOBS="1000")
        master = self.finish(master)
        numbers = [int(line[len("Put task "):-3]) for line in master[:3]]
        results = [f"Result: {n} * {n} = {n * n}" for n in numbers]
        self.assertEqual(sorted(results), sorted(master[4:7]))
        worker.kill()

    def waiting(self, queue):
        request = admin_service_pb2.ListQueuesRequest()
        queues = self.call(self.admin.ListQueues, request).queues
        return sum(q.stats.waiting_count for q in queues if q.name == queue)

    def wait_until(self, true):
        deadline = time.monotonic() + 20
        while not true():
            self.assertLess(time.monotonic(), deadline, "it did not come to pass")
            time.sleep(0.02)
