"""Plans, promotions and pushes of large bundles."""

import os
import re
import subprocess
import time

from installation import BIN, DUCKDB, cpu, installation, instant, percentile, table
from models import COLUMNS, FLOW, Models, kind
from snapshots import SnapshotAgent

TERABYTE = 10**12


def locked(models, folder, version):
    """The bundle with the lock that DuckDB's answers make; and how long these took."""
    models.bundle(folder, version)
    began = time.monotonic()
    subprocess.run([BIN / "flowforge", "bundle", "lock", folder, "--duckdb", DUCKDB], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def seconds(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def plan(assets=1000, rounds=9):
    """From the start of `flowforge plan` to its end: right after the control plane's start, and again."""
    rows, says = [], []
    with installation(agent=None) as it:
        one, two = it.folder / "one", it.folder / "two"
        locks = [locked(Models(assets), one, "1.0.0"), locked(Models(assets).change_some(), two, "2.0.0")]
        it.cli("env", "create", "dev", "--pool", "bench")
        it.cli("deploy", one, "--env", "dev", "--timeout", 120)
        pushed = seconds(lambda: it.cli("bundle", "push", two, "--timeout", 120))
        for what, words in (
            ("no change", []), ("some changed", ["--bundle", "bench-models@2.0.0"]), ("the same, of a folder", ["--bundle", two])):
            command = ["plan", "--env", "dev", *words]
            it.stop()
            it.serve()
            used = cpu(it.server.pid)
            found = []
            cold = seconds(lambda: found.append(it.cli(*command, good=(0, 2))))
            cold_cpu = cpu(it.server.pid) - used
            used = cpu(it.server.pid)
            warm = [seconds(lambda: it.cli(*command, good=(0, 2))) for _ in range(rounds)]
            warm_cpu = (cpu(it.server.pid) - used) / rounds
            content = found[0]["plan"]["content"]
            rows.append([
                what, len(content["changes"]), len(content["downstream"]), len(content["recompute"]), f"{cold:.2f}",
                f"{cold_cpu:.2f}", f"{percentile(warm, 0.5):.2f}", f"{max(warm):.2f}", f"{warm_cpu:.2f}"])
        size = (one / "flowforge.lock").stat().st_size / 2**20
        says.append(
            f"flowforge.lock has {size:.1f} MiB; `bundle lock` took {locks[0]:.1f} and {locks[1]:.1f} s, the second push {pushed:.2f} s")
    table(
        f"flowforge plan over {assets} tables of {COLUMNS} columns, s", ["", "changes", "columns hit", "made again", "cold",
        "flowforged CPU", f"warm p50 of {rounds}", "most", "flowforged CPU"], rows, says)


def sample(it):
    """One small table of the models, written by DuckDB."""
    path = it.folder / "sample.parquet"
    text = Models(FLOW).query(0).rstrip()
    subprocess.run([DUCKDB, "-c", f"COPY ({text}) TO '{path}' (FORMAT parquet)"], check=True, stdout=subprocess.DEVNULL)
    return path


def promotions(assets=1000, rounds=3, terabytes=1):
    """Two releases go from qa to prod by pointers, and the second is rolled back: from the request to `succeeded`, and until
    the agent has moved the last pointer file. Once with the sizes that the files have, and once with tables of 1 TB each."""
    rows = []
    for size in (None, terabytes * TERABYTE):
        with installation(agent=None) as it:
            for step, figures in promoted(it, assets, size, rounds).items():
                moved = [figure[1] for figure in figures if figure[1] is not None]
                rows.append([
                    f"{terabytes} TB" if size else f"{it.sample.stat().st_size} B", step,
                    f"{percentile([f[0] for f in figures], 0.5):.2f}", f"{max(f[0] for f in figures):.2f}",
                    f"{percentile([f[2] for f in figures], 0.5):.2f}", f"{percentile(moved, 0.5):.2f}" if moved else "",
                    f"{max(moved):.2f}" if moved else ""])
    table(
        f"Virtual promotion and rollback of {assets} tables, s, medians of {rounds}",
        ["a table has", "", "planned, accepted and succeeded", "most", "accepted after", "last pointer file moved", "most"], rows,
        ["until all of it succeeded; the agent's files are moved after that"])


def promoted(it, assets, size, rounds):
    lake = it.folder / "lake"
    (it.folder / "environments").mkdir()
    for name, upstream in (("qa", ""), ("prod", "upstream: [qa]\n")):
        (it.folder / f"environments/{name}.yaml").write_text(
            f"environment: {{name: {name}, tier: {name}}}\npool: bench\nmode: virtual\n{upstream}")
    it.cli("env", "apply", "-f", it.folder / "environments")
    columns = [("id", "BIGINT")] + [(f"c{i}", kind(f"c{i}")) for i in range(1, COLUMNS)]
    it.sample = sample(it)
    agent = SnapshotAgent(it, lake, it.sample, columns, size)
    figures = {"first promotion": [], "promotion": [], "rollback": []}
    promote = {"kind": "promote", "environment": "prod", "source": "qa"}
    for version, models in (("1.0.0", Models(assets)), ("2.0.0", Models(assets).change_all())):
        folder = it.folder / version
        locked(models, folder, version)
        it.cli("deploy", folder, "--env", "qa", "--timeout", 120)
        outputs = {f"t{number}": models.name(number) for number in range(assets)}
        for flow in models.flows():
            agent.work(it, it.start_run(flow, "qa"), outputs)
        if version == "1.0.0":
            figures["first promotion"].append(changed(it, promote))
    # What the first promotion has asked for is off its list before the agent comes that is measured.
    agent.rest()
    agent.stop()
    it.slots = 2
    it.start_agent()
    for _ in range(rounds):
        figures["promotion"].append(changed(it, promote, lake, assets))
        back = {"kind": "rollback", "environment": "prod", "reason": "measured"}
        figures["rollback"].append(changed(it, back, lake, assets))
    return figures


def changed(it, request, lake=None, assets=0):
    """Seconds until it succeeded, until the last pointer file was moved, and until the request was answered."""
    began = time.time()
    view = it.post("/promotions", request)
    answered = time.time() - began
    while not view["isFinal"]:
        time.sleep(0.1)
        view = it.get(f"/promotions/{view['id']}")
    if view["state"] != "succeeded":
        raise RuntimeError(f"{request['kind']}: {view['state']}: {view['message']}")
    succeeded = instant(view["finishedAt"]) - began
    return succeeded, (pointers(lake, assets, began) if lake else None), answered


def pointers(lake, assets, began):
    """Seconds until the last of so many links of prod was moved."""
    deadline = time.time() + 120
    while time.time() < deadline:
        times = [link.lstat().st_mtime for link in lake.glob("prod/*/*/current")]
        if sum(moved > began for moved in times) == assets:
            return max(times) - began
        time.sleep(0.2)
    raise RuntimeError(f"of {assets} pointers {sum(moved > began for moved in times)} were moved within 120 s")


def push(megabytes=200, files=20):
    """A bundle of random files, pushed; then its next version, in which one of them differs."""
    rows = []
    with installation(agent=None) as it:
        folder = it.folder / "large"
        (folder / "bin").mkdir(parents=True)
        (folder / "files").mkdir()
        (folder / "bin/task.sh").write_text("#!/bin/sh\nexit 0\n")
        (folder / "bin/task.sh").chmod(0o755)
        for number in range(files):
            (folder / f"files/f{number}.bin").write_bytes(os.urandom(megabytes * 10**6 // files))
        for what, version in (("first push", "1.0.0"), ("one file changed", "2.0.0"), ("pushed again", "2.0.0")):
            (folder / "flowforge.yaml").write_text(
                f"bundle: {{name: large, version: {version}}}\ninclude: [files/*]\nflows:\n  f:\n    tasks:\n"
                "      t: {layer: bronze, command: [bin/task.sh]}\n")
            if what == "one file changed":
                (folder / "files/f7.bin").write_bytes(os.urandom(megabytes * 10**6 // files))
            os.sync()
            received, used = loopback(), cpu(it.server.pid)
            said = []
            took = seconds(lambda: said.append(subprocess.run(
                [BIN / "flowforge", "bundle", "push", folder, "--timeout", "120"], env=it.environment, check=True,
                capture_output=True, text=True).stderr))
            sent = re.search(r"\((.*) sent\)", said[0])
            rows.append([
                what, f"{took:.2f}", f"{cpu(it.server.pid) - used:.2f}", sent[1] if sent else "nothing",
                f"{(loopback() - received) / 1e6:.1f}"])
    table(
        f"flowforge bundle push of {megabytes} MB in {files} files", ["", "s", "flowforged CPU s", "of blobs", "MB over loopback"],
        rows, ["over loopback: what its interface has counted meanwhile, of everything on the machine"])


def loopback():
    """Bytes that the loopback interface has received."""
    for line in open("/proc/net/dev"):
        if line.strip().startswith("lo:"):
            return int(line.split(":")[1].split()[0])
    return 0
