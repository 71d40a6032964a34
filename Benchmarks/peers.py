"""The same work on FlowForge and on its peers, one after another on this machine. `Benchmarks/peers` installs them."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from installation import ROOT, commands, free_ports, installation, percentile, table

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ROOT / ".tools/peers"
SLOTS = 4
TRUE = {"bin/task.sh": "#!/bin/true\n"}


def peers(trivial=50, chain=40, fanout=100, many=50, rounds=3, prefect=3):
    """`prefect`: that many trivial runs of Prefect, and half of `many` at once, all once; 0 leaves it out."""
    subprocess.run([HERE / "peers"], check=True)
    sizes = (trivial, chain, fanout, many, rounds)
    rows = [row("FlowForge", "a process a task, synchronous=FULL", sizes, flowforge(*sizes))]
    with temporal() as address:
        for kind, says in (("inside", "a coroutine of the worker"), ("process", "a process a task")):
            rows.append(row("Temporal", f"{says}, its SQLite file", sizes, temporal_figures(address, kind, *sizes)))
    if prefect:
        sizes = (prefect, chain, fanout, many // 2, 1)
        rows.append(row("Prefect", "a process a run, tasks are its threads, its SQLite file", sizes, prefect_figures(*sizes)))
    table(
        f"One agent or worker with {SLOTS} slots; the same client waits for the end; medians of {rounds}",
        ["", "a task is", "runs", "trivial run p50 ms", "p99 ms", f"chain of {chain} s", f"fan-out of {fanout} s", "at once",
         "runs/s"], rows)


def row(name, says, sizes, figures):
    times = [1000 * seconds for seconds in figures["trivial"]]
    return [name, says, len(times), f"{percentile(times, 0.5):.0f}", f"{percentile(times, 0.99):.0f}",
            *(f"{percentile(figures[name], 0.5):.2f}" for name in ("chain", "fanout")), sizes[3],
            f"{sizes[3] / percentile(figures['many'], 0.5):.1f}"]


def chained(count):
    """Each task waits for the one before it."""
    tasks = "\n".join(
        f"      t{i}: {{layer: bronze, command: [bin/task.sh]" + (f", after: t{i - 1}}}" if i else "}") for i in range(count))
    return f"bundle: {{name: bench-chain, version: 1.0.0}}\nflows:\n  chain:\n    tasks:\n{tasks}\n"


def flowforge(trivial, chain, fanout, many, rounds):
    with installation(agent=SLOTS) as it:
        it.deploy(commands(1, "trivial"), files=TRUE, environment="one")
        it.deploy(chained(chain), files=TRUE, environment="chain")
        it.deploy(commands(fanout, "fanout"), files=TRUE, environment="fanout")

        def run(flow, environment):
            began = time.monotonic()
            it.run_flow(flow, environment)
            return time.monotonic() - began

        def at_once():
            began = time.monotonic()
            for done in [clients.submit(run, "trivial", "one") for _ in range(many)]:
                done.result()
            return time.monotonic() - began

        for _ in range(5):
            run("trivial", "one")
        with concurrent.futures.ThreadPoolExecutor(many) as clients:
            return {
                "trivial": [run("trivial", "one") for _ in range(trivial)],
                "chain": [run("chain", "chain") for _ in range(rounds)],
                "fanout": [run("fanout", "fanout") for _ in range(rounds)],
                "many": [at_once() for _ in range(rounds)],
            }


@contextlib.contextmanager
def running(command, folder, log, **options):
    """A process in a session of its own, ended with all of its children."""
    with open(pathlib.Path(folder) / log, "w") as output:
        process = subprocess.Popen(
            list(map(str, command)), stdout=options.pop("stdout", output), stderr=output, start_new_session=True, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def work_folder(name):
    folder = tempfile.mkdtemp(prefix=f"flowforge-bench-{name}-")
    try:
        yield pathlib.Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def temporal():
    bin = PEERS / "temporal/bin"
    with work_folder("temporal") as folder:
        port, http, metrics = free_ports(3)
        address = f"127.0.0.1:{port}"
        server = [
            bin / "temporal", "server", "start-dev", "--headless", "--db-filename", folder / "temporal.db", "--ip", "127.0.0.1",
            "--port", port, "--http-port", http, "--metrics-port", metrics, "--log-level", "error"]
        environment = dict(os.environ, HOME=str(folder))
        with running(server, folder, "server.log", env=environment):
            worker = [bin / "python", HERE / "peer_temporal.py", "worker", address, SLOTS]
            with running(worker, folder, "worker.log", stdout=subprocess.PIPE, text=True) as process:
                if process.stdout.readline() != "ready\n":
                    raise RuntimeError(f"Temporal's worker did not start: {(folder / 'worker.log').read_text()[-2000:]}")
                yield address


def temporal_figures(address, kind, *sizes):
    return measured([PEERS / "temporal/bin/python", HERE / "peer_temporal.py", "measure", address, kind, *sizes])


def measured(command, seconds=900, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def prefect_figures(*sizes):
    bin = PEERS / "prefect/bin"
    with work_folder("prefect") as folder:
        (port,) = free_ports(1)
        environment = dict(
            os.environ, HOME=str(folder), PREFECT_HOME=str(folder / "home"), PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
            PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="120", PREFECT_SERVER_ANALYTICS_ENABLED="false",
            PREFECT_LOGGING_LEVEL="ERROR", PATH=f"{bin}:{os.environ['PATH']}", DO_NOT_TRACK="1")

        def prefect(*words):
            done = subprocess.run([bin / "prefect", *words], env=environment, cwd=folder, capture_output=True, text=True, timeout=180)
            if done.returncode:
                raise RuntimeError(f"prefect {' '.join(words)}: {done.stdout[-1000:]}{done.stderr[-2000:]}")

        server = [bin / "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
        with running(server, folder, "server.log", env=environment, cwd=folder):
            wait_for_http(f"http://127.0.0.1:{port}/api/health", 120)
            prefect("work-pool", "create", "bench", "--type", "process")
            subprocess.run(
                [bin / "python", HERE / "peer_prefect.py", "deploy", "bench"], env=environment, cwd=folder, check=True,
                stdout=subprocess.DEVNULL, timeout=180)
            worker = [bin / "prefect", "worker", "start", "--pool", "bench", "--limit", SLOTS]
            with running(worker, folder, "worker.log", env=environment, cwd=folder):
                return measured(
                    [bin / "python", HERE / "peer_prefect.py", "measure", *sizes], env=environment, cwd=folder)


def wait_for_http(url, seconds):
    import urllib.error
    import urllib.request

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError):
            if urllib.request.urlopen(url, timeout=5).status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{url} did not answer within {seconds} s")
