#!/usr/bin/env python3
"""Python's multiprocessing.managers under the load that all subjects get.

manager.py serve PORT
manager.py cycle|put|latency PORT SERVER_PID PAIRS PAYLOAD_BYTES RATE WARM_UP_S DURATION_S

The load prints one JSON object with the names of `leaseq bench -o json`. Each master and each
worker is a process of its own, as it would be.
"""
import json
import multiprocessing as mp
import os
import queue
import struct
import sys
import time
from multiprocessing.managers import BaseManager

KEY = b"bench"
OUTSTANDING = 2000
WARM_UP, MEASURE, STOP, GONE = range(4)


class Manager(BaseManager):
    pass


def serve(port):
    jobs = queue.Queue()
    Manager.register("jobs", callable=lambda: jobs)
    Manager(address=("127.0.0.1", port), authkey=KEY).get_server().serve_forever()


def connect(port):
    Manager.register("jobs")
    manager = Manager(address=("127.0.0.1", port), authkey=KEY)
    manager.connect()
    return manager.jobs()


def cpu(pid):
    """Processor time of a process and its threads, in seconds."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def put_on(port, at, payload_bytes, every, bound, puts, gets, phase, out):
    jobs, rest = connect(port), os.urandom(max(0, payload_bytes - 8))
    times, count, due = [], 0, time.monotonic()
    while phase.value < STOP:
        if bound and sum(puts) - sum(gets) > bound:
            time.sleep(0.001)
            continue
        if every:
            due += every
            time.sleep(max(0.0, due - time.monotonic()))
        moment = time.monotonic_ns()
        jobs.put(struct.pack("<q", moment) + rest)
        if phase.value == MEASURE:
            times.append(time.monotonic_ns() - moment)
        count += 1
        puts[at] = count
    out.put(("put", times))


def get_on(port, at, gets, phase, out):
    jobs, times, count = connect(port), [], 0
    while phase.value < GONE:
        try:
            job = jobs.get(True, 0.5)
        except queue.Empty:
            continue
        if phase.value == MEASURE:
            times.append(time.monotonic_ns() - struct.unpack_from("<q", job)[0])
        count += 1
        gets[at] = count
    out.put(("deliver", times))


def quantiles(name, times):
    if not times:
        return {}
    times.sort()
    last = len(times) - 1
    at = {"p50": last // 2, "p99": last * 99 // 100, "max": last}
    return {f"{name}_{q}_us": times[place] / 1000 for q, place in at.items()}


def load(kind, port, pid, pairs, payload_bytes, rate, warm_up, duration):
    workers = 0 if kind == "put" else pairs
    puts, gets = mp.Array("q", pairs, lock=False), mp.Array("q", max(workers, 1), lock=False)
    phase, out = mp.Value("i", WARM_UP), mp.Queue()
    every = pairs / rate if kind == "latency" else 0
    bound = OUTSTANDING if kind == "cycle" else 0
    crew = [
        mp.Process(
            target=put_on, args=(port, at, payload_bytes, every, bound, puts, gets, phase, out)
        )
        for at in range(pairs)
    ]
    crew += [mp.Process(target=get_on, args=(port, at, gets, phase, out)) for at in range(workers)]
    for process in crew:
        process.start()

    def snapshot():
        jobs = sum(gets) if kind == "cycle" else sum(puts)
        return time.monotonic(), jobs, cpu(pid), sum(cpu(process.pid) for process in crew)

    time.sleep(warm_up)
    phase.value = MEASURE
    start = snapshot()
    time.sleep(duration)
    end = snapshot()
    used = memory(pid)
    phase.value = STOP
    time.sleep(0.5)
    phase.value = GONE
    times = {"put": [], "deliver": []}
    for _ in crew:
        name, found = out.get()
        times[name] += found
    for process in crew:
        process.join(10)
    seconds, jobs, server, client = (after - before for after, before in zip(end, start))
    each = 1e6 / max(jobs, 1)
    print(
        json.dumps(
            {
                "jobs": jobs,
                "seconds": seconds,
                "jobs_per_s": jobs / seconds,
                "server_cpu_us_per_job": server * each,
                "client_cpu_us_per_job": client * each,
                "server_memory_bytes": used,
                **quantiles("put", times["put"]),
                **quantiles("deliver", times["deliver"]),
            }
        )
    )


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    load(sys.argv[1], *map(int, sys.argv[2:7]), *map(float, sys.argv[7:9]))
