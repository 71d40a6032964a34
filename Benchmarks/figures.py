"""FlowForge's figures, measured on whole processes. Times are wall seconds unless they say otherwise."""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

import dispatch
import fleet
import history
import large
import peer_sqlmesh
import peers
import releases
from installation import BIN, DUCKDB, RAW, ROOT, commands, cpu, installation, instant, percentile, resident, table, tables


def medallion(rounds=5):
    """The example's run against the statements that its engine was given, in the bare engine.

    A recording stands in for the engine: it keeps what the agent writes to the engine's input. The
    recorded statements are then played to the same engine, writing to the same places: all of them to
    one process, task after task, and to one process a task, two at a time, as the agent's two slots
    allow, each as soon as its inputs are written.
    """
    recorder = pathlib.Path(tempfile.mkdtemp(prefix="flowforge-record-"))
    script = recorder / "duckdb"
    script.write_text(
        f'#!/bin/bash\n[ "$1" = -version ] && exec {DUCKDB} -version\n'
        f'exec {DUCKDB} "$@" < <(exec tee "{recorder}/$(date +%s%N)-$$.sql")\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    figures = []
    try:
        for _ in range(rounds):
            with installation() as plain:
                ours, tasks = timed_run(plain)
            with installation(engine=script) as recorded:
                for old in recorder.glob("*.sql"):
                    old.unlink()
                timed_run(recorded)
                scripts = Recorded(recorder, recorded.folder)
                assert len(scripts.inputs) == tasks, f"{len(scripts.inputs)} of {tasks} tasks were recorded"
                figures.append((ours, timed(scripts.in_one_process), timed(scripts.two_at_a_time)))
    finally:
        shutil.rmtree(recorder, ignore_errors=True)
    table(
        "Medallion run (s) against the same statements in the bare engine", ["round", "FlowForge", "one process", "ratio", "two at a time", "ratio"],
        [[number, f"{ours:.2f}", f"{one:.2f}", f"{ours / one:.2f}", f"{two:.2f}", f"{ours / two:.2f}"]
         for number, (ours, one, two) in enumerate(figures, 1)],
        [f"median ratios {percentile([f[0] / f[1] for f in figures], 0.5):.2f} (aim 1.15) and "
         f"{percentile([f[0] / f[2] for f in figures], 0.5):.2f}"])


def timed_run(it):
    raw = it.folder / "raw"
    shutil.copytree(RAW, raw)
    for late in (ROOT / "Examples/nyc-flights/raw").glob("*.csv"):
        shutil.copy(late, raw)
    it.cli("env", "create", "dev", "--pool", "bench", "--var", f"raw_dir={raw}")
    it.cli("deploy", ROOT / "Examples/nyc-flights", "--env", "dev")
    os.sync()  # the copy's own writing is no part of the run
    run = it.run_flow("medallion", "dev")
    return instant(run["finishedAt"]) - instant(run["createdAt"]), len(run["tasks"])


def timed(work):
    os.sync()
    began = time.monotonic()
    work()
    return time.monotonic() - began


class Recorded:
    """What the agent wrote to the engine, by the asset that it makes."""

    def __init__(self, recorder, folder):
        lake = re.escape(f"{folder}/lake/dev/")
        self.texts, self.inputs = {}, {}
        for path in sorted(recorder.glob("*.sql")):
            text = path.read_text()
            if made := re.search(lake + r"(\w+/\w+)/\.staging/", text):
                self.texts[made[1]] = text
                self.inputs[made[1]] = set(re.findall(lake + r"(\w+/\w+)/snapshots/", text)) - {made[1]}
            # The agent has renamed and removed the folders that the statements write to.
            for target in re.findall(r"'(/[^']+)'", text):
                if target.startswith(str(folder)):
                    pathlib.Path(target).parent.mkdir(parents=True, exist_ok=True)

    def in_one_process(self):
        play("\n.open :memory:\n".join(self.texts.values()))

    def two_at_a_time(self):
        waiting, running, done = list(self.texts), {}, set()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            while waiting or running:
                for asset in [a for a in waiting if self.inputs[a] <= done][: 2 - len(running)]:
                    waiting.remove(asset)
                    running[pool.submit(play, self.texts[asset])] = asset
                for task in concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).done:
                    task.result()
                    done.add(running.pop(task))


def play(text):
    subprocess.run(
        [DUCKDB, "-init", "/dev/null", "-jsonlines", "-batch", "-bail"], input=text, text=True, stdout=subprocess.DEVNULL, check=True)


def latency(count=200):
    with installation() as it:
        it.deploy(commands(1))
        for _ in range(5):
            it.run_flow("load")
        started, visible = [], []
        for _ in range(count):
            run = it.run_flow("load")
            seen = time.time()
            attempt = run["tasks"][0]["attempts"][-1]
            started.append(1000 * (instant(attempt["startedAt"]) - instant(run["createdAt"])))
            visible.append(1000 * (seen - instant(run["createdAt"])))
    table(
        f"Trivial task, agent idle, {count} runs one after another (ms after the start was accepted)", ["until", "p50", "p99"],
        [[name, f"{percentile(values, 0.5):.1f}", f"{percentile(values, 0.99):.1f}"]
         for name, values in (("process started", started), ("outcome visible to a waiting client", visible))])


def idle(seconds=60):
    with installation() as it:
        time.sleep(5)
        before = {p.pid: cpu(p.pid) for p in (it.server, it.agent)}
        time.sleep(seconds)
        rows = []
        for name, process in (("flowforged", it.server), ("flowforge-agent", it.agent)):
            rows.append([
                name, f"{resident(process.pid) / 2**20:.1f}", f"{(cpu(process.pid) - before[process.pid]) * 60 / seconds:.3f}",
                f"{stripped(BIN / name) / 2**20:.1f}", f"{it.startup[name] * 1000:.0f}"])
    table(
        f"Idle for {seconds} s with one agent", ["program", "resident MiB", "CPU s/min", "stripped MiB", "start to serving ms"], rows)


def stripped(binary):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "-o", out.name, binary], check=True)
        return os.path.getsize(out.name)


FIGURES = {
    "medallion": medallion, "latency": latency, "idle": idle, "idle-fleet": fleet.idle, "transitions": fleet.transitions,
    "reconnect": fleet.reconnect, "dispatch": dispatch.dispatch, "history": history.history, "schedules": history.schedules,
    "large": large.large, "peers": peers.peers, "plan": releases.plan, "promotions": releases.promotions,
    "push": releases.push, "sqlmesh": peer_sqlmesh.sqlmesh,
}

if __name__ == "__main__":
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    figures, settings = [], {}
    for word in sys.argv[1:]:
        if "=" in word:
            name, value = word.split("=", 1)
            settings[name] = int(value)
        elif word != "--json":
            figures.append(word)
    for name in figures:
        if name not in FIGURES:
            sys.exit(f"error: '{name}' is no figure; choose from {', '.join(FIGURES)}")
    for name in figures or FIGURES:
        FIGURES[name](**settings)
    if tables:
        print(json.dumps(tables, indent=1))
