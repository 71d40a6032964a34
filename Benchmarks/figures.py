"""FlowForge's figures, measured on whole processes. Times are wall seconds unless they say otherwise."""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

from installation import BIN, DUCKDB, RAW, ROOT, installation, instant, percentile, table

TRIVIAL = """\
bundle: {name: trivial, version: 1.0.0, description: one task that does nothing}
flows:
  nothing:
    tasks:
      nothing: {layer: bronze, engine: command, command: [bin/nothing.sh]}
"""


def medallion(rounds=3):
    """The example's run against the statements that its engine was given, in the bare engine.

    A recording stands in for the engine: it keeps what the agent writes to the engine's input. The
    recorded statements are then played to the same engine, one process a task, in the order in
    which the tasks ran, writing to the same places.
    """
    recorder = pathlib.Path(tempfile.mkdtemp(prefix="flowforge-record-"))
    script = recorder / "duckdb"
    script.write_text(
        f'#!/bin/bash\n[ "$1" = -version ] && exec {DUCKDB} -version\n'
        f'exec {DUCKDB} "$@" < <(exec tee "{recorder}/$(date +%s%N)-$$.sql")\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    ratios, rows = [], []
    try:
        for round_number in range(1, rounds + 1):
            with installation() as plain:
                ours, tasks = timed_run(plain)
            with installation(engine=script) as recorded:
                for old in recorder.glob("*.sql"):
                    old.unlink()
                timed_run(recorded)
                bare = replay(recorder, recorded.folder)
            ratios.append(ours / bare)
            rows.append([round_number, f"{ours:.2f}", f"{bare:.2f}", f"{ours / bare:.2f}", tasks])
    finally:
        shutil.rmtree(recorder, ignore_errors=True)
    table("Medallion run against the same statements in the bare engine", ["round", "FlowForge s", "bare s", "ratio", "tasks"], rows)
    print(f"  median ratio {percentile(ratios, 0.5):.2f} (aim 1.15)")


def timed_run(it):
    raw = it.folder / "raw"
    shutil.copytree(RAW, raw)
    for late in (ROOT / "Examples/nyc-flights/raw").glob("*.csv"):
        shutil.copy(late, raw)
    it.cli("env", "create", "dev", "--pool", "bench", "--var", f"raw_dir={raw}")
    it.cli("deploy", ROOT / "Examples/nyc-flights", "--env", "dev")
    run = it.run_flow("medallion", "dev")
    return instant(run["finishedAt"]) - instant(run["createdAt"]), len(run["tasks"])


def replay(recorder, folder):
    scripts = sorted(path for path in recorder.glob("*.sql") if path.stat().st_size > 200)
    # The agent has renamed and removed the folders that the statements write to.
    for path in scripts:
        for target in re.findall(r"'(/[^']+)'", path.read_text(errors="replace")):
            if target.startswith(str(folder)):
                pathlib.Path(target).parent.mkdir(parents=True, exist_ok=True)
    # Two at a time, as the agent's two slots allow.
    began = time.monotonic()
    running = []
    for path in scripts:
        if len(running) == 2:
            finish(running.pop(0))
        running.append((path, subprocess.Popen(
            [DUCKDB, "-init", "/dev/null", "-jsonlines", "-batch"], stdin=open(path), stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)))
    for process in running:
        finish(process)
    return time.monotonic() - began


def finish(started):
    path, process = started
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{path}: {errors[-800:]}")


def latency(count=200):
    with installation() as it:
        bundle = it.folder / "trivial"
        (bundle / "bin").mkdir(parents=True)
        (bundle / "flowforge.yaml").write_text(TRIVIAL)
        (bundle / "bin/nothing.sh").write_text("#!/bin/sh\nexit 0\n")
        (bundle / "bin/nothing.sh").chmod(0o755)
        it.cli("env", "create", "dev", "--pool", "bench")
        it.cli("deploy", bundle, "--env", "dev")
        for _ in range(5):
            it.run_flow("nothing", "dev")
        started, visible = [], []
        for _ in range(count):
            run = it.run_flow("nothing", "dev")
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


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


FIGURES = {"medallion": medallion, "latency": latency, "idle": idle}

if __name__ == "__main__":
    chosen = sys.argv[1:] or list(FIGURES)
    for name in chosen:
        if name not in FIGURES:
            sys.exit(f"error: '{name}' is no figure; choose from {', '.join(FIGURES)}")
    for name in chosen:
        FIGURES[name]()
