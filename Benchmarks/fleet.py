"""Figures under the load of many agents, which `fleet-load` plays from one process."""

import contextlib
import json
import os
import queue
import signal
import sqlite3
import subprocess
import threading
import time

from installation import BIN, commands, cpu, installation, resident, table

KIB = 1024


class Fleet:
    """`fleet-load` with agents that have joined, and connect when told to."""

    def __init__(self, it, agents, *options):
        grant = it.grant(agents)
        self.log = it.folder / "fleet-load.log"
        self.process = subprocess.Popen(
            [BIN / "fleet-load", "--url", grant["agentURL"], "--ca-file", it.data / "ca.pem", "--pool", "bench", "--agents",
             str(agents), *map(str, options)],
            env=dict(os.environ, FLOWFORGE_JOIN_TOKEN=grant["token"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(self.log, "a"), text=True)
        self.events = queue.Queue()
        self.ticks = []
        threading.Thread(target=self._read, daemon=True).start()
        self.join_seconds = self._next("joined", 600)["seconds"]

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "tick":
                self.ticks.append(event["value"])
            else:
                self.events.put(event)
        self.events.put({"event": "ended"})

    def _next(self, name, seconds):
        event = self.events.get(timeout=seconds)
        if event["event"] != name:
            raise RuntimeError(f"fleet-load said {event} where '{name}' was expected: {self.log.read_text()[-2000:]}")
        return event["value"]

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def until(self, what, seconds, condition):
        """Waits for a tick that meets the condition."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.ticks and condition(self.ticks[-1]):
                return self.ticks[-1]
            if self.process.poll() is not None:
                raise RuntimeError("fleet-load ended")
            time.sleep(0.05)
        raise RuntimeError(f"not {what} within {seconds} s; the last tick was {self.ticks[-1:]}")

    def end(self):
        """Its summary."""
        self.process.stdin.close()
        summary = self._next("summary", 30)
        self.process.wait(30)
        return summary

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def fleet(it, agents, *options):
    load = Fleet(it, agents, *options)
    try:
        yield load
    finally:
        load.kill()


def errors(counts):
    return sum(counts[name] for name in ("connectFailures", "lost", "timeouts", "refusals", "unreadable", "stale"))


def idle(agents=10_000, seconds=60):
    with installation(agent=None) as it, fleet(it, agents) as load:
        pid = it.server.pid
        time.sleep(2)
        before = resident(pid)
        load.go()
        load.until("all parked", 120 + agents / 100, lambda tick: tick["waiting"] == agents)
        time.sleep(5)
        began, used, client, polls = time.monotonic(), cpu(pid), cpu(load.process.pid), load.ticks[-1]["counts"]["polls"]
        time.sleep(seconds)
        took = time.monotonic() - began
        after, used, client = resident(pid), cpu(pid) - used, cpu(load.process.pid) - client
        polls = load.ticks[-1]["counts"]["polls"] - polls
        parked = it.metrics()["flowforge_requests_parked"]
        counts = load.end()["counts"]
    table(
        f"{agents} idle agents over mutual TLS, {took:.0f} s",
        ["joined in s", "parked", "flowforged MiB", "KiB an agent", "polls/s", "CPU s/s", "CPU ms a poll", "errors"],
        [[f"{load.join_seconds:.1f}", f"{parked:.0f}", f"{after / 2**20:.0f}", f"{(after - before) / KIB / agents:.1f}",
          f"{polls / took:.0f}", f"{used / took:.3f}", f"{1000 * used / max(polls, 1):.2f}", errors(counts)]],
        [f"before they connected flowforged had {before / 2**20:.0f} MiB; fleet-load used {client / took:.3f} CPU s/s"])


def transitions(agents=64, slots=1, tasks=1000, runs=20, lineage=0):
    """Claims and completions a second, against SQLite alone with rows of the same shape."""
    with installation(agent=None) as it:
        it.deploy(commands(tasks))
        for _ in range(runs):
            it.start_run("load")
        with fleet(it, agents, "--slots", slots, *(["--lineage"] if lineage else [])) as load:
            total = tasks * runs
            used, client = cpu(it.server.pid), cpu(load.process.pid)
            load.go()
            load.until("all done", 30 + total / 100, lambda tick: tick["counts"]["completed"] >= total)
            used, client = cpu(it.server.pid) - used, cpu(load.process.pid) - client
            metrics = it.metrics()
            summary = load.end()
        bare = {size: bare_transitions(it, size) for size in (1, 64, 256)}
    rate = 2 * total / summary["workSeconds"]
    table(
        f"{total} tasks claimed and completed by {agents} agents of {slots} slots"
        + (", with lineage events" if lineage else ""),
        ["transitions/s", "of bare SQLite (64)", "requests a task", "writes a commit", "flowforged CPU µs a transition",
         "fleet-load CPU µs", "report p50 ms", "p99 ms", "errors"],
        [[f"{rate:.0f}", f"{100 * rate / bare[64]:.0f} %",
          f"{(summary['counts']['polls'] + summary['counts']['reports']) / total:.2f}",
          f"{2 * total / metrics['flowforge_store_commits_total']:.1f}", f"{1e6 * used / 2 / total:.0f}",
          f"{1e6 * client / 2 / total:.0f}", f"{summary['reportP50']:.1f}", f"{summary['reportP99']:.1f}",
          errors(summary["counts"])]])
    table(
        "Bare SQLite, synchronous=FULL, the same tables: an update and an insert a transition",
        ["transitions a transaction", "transitions/s"], [[size, f"{rate:.0f}"] for size, rate in bare.items()])


def bare_transitions(it, size, seconds=3):
    """Transitions a second, `size` in a transaction: a claim updates a task and inserts an attempt, a
    completion updates the attempt and inserts an audit entry."""
    path = it.folder / f"bare-{size}.db"
    real = sqlite3.connect(f"file:{it.data}/flowforge.db?mode=ro", uri=True)
    schema = [sql for (sql,) in real.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name IN ('task', 'attempt', 'audit_entry') AND type <> 'trigger' AND sql NOT NULL "
        "ORDER BY type = 'index'")]
    rows = {name: real.execute(f"SELECT * FROM {name} LIMIT 1") for name in ("task", "attempt", "audit_entry")}
    columns = {name: [d[0] for d in cursor.description] for name, cursor in rows.items()}
    model = {name: dict(zip(columns[name], cursor.fetchone())) for name, cursor in rows.items()}
    audited = real.execute("SELECT actor, action, detail FROM audit_entry WHERE action = 'attempt.finish' LIMIT 1").fetchone()
    real.close()
    insert = {name: f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})" for name, names in columns.items()}
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF"):
        db.execute(f"PRAGMA {pragma}")
    for sql in schema:
        db.execute(sql)
    count = 400_000
    db.execute("BEGIN")
    for number in range(count):
        ready = dict(model["task"], id=number, name=f"t{number}", position=number, state="ready", ready_at=number, finished_at=None)
        db.execute(insert["task"], list(ready.values()))
    db.execute("COMMIT")
    done, number, began = 0, 0, time.monotonic()
    open_attempts = []
    while time.monotonic() - began < seconds and number < count:
        db.execute("BEGIN IMMEDIATE")
        for _ in range(size):
            if done % 2 == 0:
                db.execute("UPDATE task SET state = 'leased', ready_at = NULL WHERE id = ? AND state = 'ready'", (number,))
                attempt = dict(
                    model["attempt"], id=f"att_{number:026d}", task=number, lease=f"lse_{number:026d}", fencing=number,
                    state="leased", lease_until=number, started_at=None, finished_at=None, metrics=None)
                db.execute(insert["attempt"], list(attempt.values()))
                open_attempts.append(attempt["id"])
                number += 1
            else:
                db.execute(
                    "UPDATE attempt SET state = 'succeeded', lease_until = NULL, finished_at = ?, metrics = ? WHERE id = ?",
                    (number, model["attempt"]["metrics"], open_attempts[-1]))
                entry = dict(model["audit_entry"], number=None, actor=audited[0], action=audited[1], detail=audited[2])
                db.execute(insert["audit_entry"], list(entry.values()))
            done += 1
        db.execute("COMMIT")
    took = time.monotonic() - began
    db.close()
    path.unlink()
    return done / took


def reconnect(agents=10_000):
    """The control plane ends, by SIGTERM and by SIGKILL, and is started again at once. A real agent's
    two tasks run meanwhile, and must not notice."""
    rows = []
    with installation(agent=2) as it, fleet(it, agents, "--engine", "none") as load:
        it.deploy(commands(2), files={"bin/task.sh": "#!/bin/sh\nsleep 10\n"})
        load.go()
        load.until("all parked", 120 + agents / 100, lambda tick: tick["waiting"] == agents)
        for name, number in (("SIGTERM", signal.SIGTERM), ("SIGKILL", signal.SIGKILL)):
            run = it.start_run("load")
            while run["state"] != "running":
                run = it.get(f"/runs/{run['id']}?since={run['version']}&wait=20")
            rows.append([name, *restart(it, load, agents, number)])
            tasks = it.ended(run)["tasks"]
            rows[-1].append(sum(task["state"] == "succeeded" and len(task["attempts"]) == 1 for task in tasks))
            # An agent's delays are short again once a poll of it was answered.
            answered = load.ticks[-1]["counts"]["polls"] + agents
            load.until("all answered", 90, lambda tick: tick["counts"]["polls"] >= answered)
    table(
        f"{agents} agents wait, the control plane ends and is started again",
        ["by", "ended in s", "served again s", "half back s", "all back s", "connections tried", "most a second",
         "CPU s until all were back", "refusals", "tasks of 2 unharmed"], rows,
        ["seconds since the signal; back: the control plane holds the agent's poll again"])


def restart(it, load, agents, number):
    before = dict(load.ticks[-1]["counts"])
    first = len(load.ticks)
    began = time.monotonic()
    it.server.send_signal(number)
    it.server.wait(60)
    ended = time.monotonic() - began
    it.serve()
    served = time.monotonic() - began
    half = all_back = None
    while all_back is None:
        parked = it.metrics()["flowforge_requests_parked"]
        now = time.monotonic() - began
        if half is None and parked >= agents / 2:
            half = now
        if parked >= agents:
            all_back = now
        if now > 300:
            raise RuntimeError(f"after 300 s {parked:.0f} of {agents} agents are back: {load.ticks[-1]}")
        time.sleep(0.25)
    used = cpu(it.server.pid)
    load.until("seen", 5, lambda tick: tick["waiting"] >= agents)
    counts = load.ticks[-1]["counts"]
    opened = [tick["counts"]["handshakes"] for tick in load.ticks[first:]]
    most = max(b - a for a, b in zip(opened, opened[1:]))
    tried = sum(counts[name] - before[name] for name in ("handshakes", "connectFailures"))
    return [f"{ended:.2f}", f"{served:.2f}", f"{half:.1f}", f"{all_back:.1f}", tried, most, f"{used:.1f}",
            counts["refusals"] - before["refusals"]]
