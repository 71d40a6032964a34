"""Large graphs and long queues, and whether the operators' API answers meanwhile."""

import threading
import time

from fleet import errors, fleet
from installation import commands, cpu, installation, percentile, table

MOST_TASKS = 10_000


def large(tasks=MOST_TASKS, runs=1000, agents=64):
    rows = []
    with installation(agent=None) as it:
        it.deploy(commands(tasks), environment="graph")
        it.deploy(commands(1, "single"), environment="queue")
        with fleet(it, agents, "--slots", 4) as load:
            load.go()
            load.until("all parked", 60, lambda tick: tick["waiting"] == agents)
            rows.append([f"one run of {tasks} tasks", *work(it, load, [("load", "graph")], tasks)])
            rows.append([f"{runs} runs of one task", *work(it, load, [("single", "queue")] * runs, runs)])
            failed = errors(load.end()["counts"])
    table(
        f"Large: {agents} agents of 4 slots that do nothing", ["", "start s", "to the end s", "tasks/s", "flowforged CPU s",
         "GET /runs p50 ms", "p99 ms", "most ms"], rows, [f"errors: {failed}"])


def work(it, load, runs, tasks):
    done = load.ticks[-1]["counts"]["completed"]
    used = cpu(it.server.pid)
    with Probe(it) as probe:
        began = time.monotonic()
        started = [it.start_run(*run) for run in runs]
        accepted = time.monotonic() - began
        for run in started:
            it.ended(run)
        ended = time.monotonic() - began
    load.until("all done", 10, lambda tick: tick["counts"]["completed"] - done >= tasks)
    return [f"{accepted:.2f}", f"{ended:.2f}", f"{tasks / ended:.0f}", f"{cpu(it.server.pid) - used:.1f}",
            *(f"{percentile(probe.times, share):.1f}" for share in (0.5, 0.99, 1))]


class Probe:
    """An operator who looks at the runs ten times a second."""

    def __init__(self, it):
        self.it = it
        self.times = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self):
        while not self.over.wait(0.1):
            began = time.monotonic()
            self.it.get("/runs?limit=10")
            self.times.append(1000 * (time.monotonic() - began))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
