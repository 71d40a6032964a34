"""The same models planned and brought to a second environment by FlowForge and by SQLMesh, in one run."""

import os
import subprocess

from installation import installation, percentile, table
from models import COLUMNS, Models, kind
from peers import HERE, PEERS, work_folder
from releases import locked, sample, seconds
from snapshots import SnapshotAgent


def sqlmesh(models=100, rounds=2):
    subprocess.run([HERE / "peers"], check=True)
    ours, theirs = flowforge_figures(models, rounds), sqlmesh_figures(models, rounds)
    names = {
        "start": "the program's start (--version)", "columns": "columns and lineage (`bundle lock`)",
        "none": "plan, nothing changed", "one": "plan, a column removed",
        "virtual": f"a second environment with all {models} tables, by pointers or views",
    }
    rows = []
    for step, says in names.items():
        one, other = (percentile(figures[step], 0.5) if figures.get(step) else None for figures in (ours, theirs))
        rows.append([
            says, f"{one:.2f}" if one else "", f"{other:.2f}" if other else "(part of the plan)",
            f"{other / one:.1f}" if one and other else ""])
    rows.append(["plan, a column removed, with `bundle lock`", f"{percentile(ours['both'], 0.5):.2f}",
                 f"{percentile(theirs['one'], 0.5):.2f}", f"{percentile(theirs['one'], 0.5) / percentile(ours['both'], 0.5):.1f}"])
    table(
        f"FlowForge and SQLMesh over the same {models} models of {COLUMNS} columns, s from the command's start to its end",
        ["", "FlowForge", "SQLMesh", "SQLMesh ÷ FlowForge"], rows,
        [f"medians of {rounds}; the first plan and its tables took SQLMesh {theirs['first'][0]:.1f} s"])


def flowforge_figures(count, rounds):
    figures = {step: [] for step in ("start", "columns", "none", "one", "virtual", "both")}
    with installation(agent=None) as it:
        one, two = it.folder / "one", it.folder / "two"
        locked(Models(count), one, "1.0.0")
        it.cli("env", "create", "qa", "--pool", "bench")
        it.cli("deploy", one, "--env", "qa", "--timeout", 120)
        columns = [("id", "BIGINT")] + [(f"c{i}", kind(f"c{i}")) for i in range(1, COLUMNS)]
        models = Models(count)
        agent = SnapshotAgent(it, it.folder / "lake", sample(it), columns)
        for flow in models.flows():
            agent.work(it, it.start_run(flow, "qa"), {f"t{number}": models.name(number) for number in range(count)})
        # `promote` ends when readers see what it has promoted, so there is an agent to move the pointer files.
        agent.rest()
        agent.stop()
        it.slots = 2
        it.start_agent()
        for round in range(rounds):
            figures["start"].append(seconds(lambda: it.cli("--version", parse=False)))
            # Each time a column of another name, as a plan of what was planned before is no work.
            figures["none"].append(seconds(lambda: it.cli("plan", "--env", "qa", "--bundle", one)))
            changed = Models(count).remove_one(round)
            figures["columns"].append(locked(changed, two, f"2.0.{round}"))
            figures["one"].append(seconds(lambda: it.cli("plan", "--env", "qa", "--bundle", two, good=(2,))))
            figures["both"].append(figures["columns"][-1] + figures["one"][-1])
            it.cli("env", "create", f"second{round}", "--pool", "bench")
            command = ["promote", "--from", "qa", "--to", f"second{round}", "--mode", "virtual"]
            figures["virtual"].append(seconds(lambda: it.cli(*command)))
    return figures


def sqlmesh_figures(count, rounds):
    figures = {step: [] for step in ("first", "start", "none", "one", "virtual")}
    with work_folder("sqlmesh") as folder:
        project = Models(count).sqlmesh(folder / "project")
        environment = dict(os.environ, HOME=str(folder), NO_COLOR="1", TERM="dumb")

        def run(*words):
            # It asks whether to apply what it has planned.
            done = subprocess.run(
                [PEERS / "sqlmesh/bin/sqlmesh", *words], env=environment, cwd=project, capture_output=True, text=True,
                input="n\n", timeout=600)
            if done.returncode:
                raise RuntimeError(f"sqlmesh {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
            return done.stdout

        apply = ["--no-prompts", "--auto-apply"]
        figures["first"].append(seconds(lambda: run("plan", *apply)))
        for round in range(rounds):
            figures["start"].append(seconds(lambda: run("--version")))
            said = []
            figures["none"].append(seconds(lambda: said.append(run("plan", "--no-prompts"))))
            if "No changes" not in said[0]:
                raise RuntimeError(f"sqlmesh found changes where there are none: {said[0][-1000:]}")
            figures["virtual"].append(seconds(lambda: said.append(run("plan", f"second{round}", "--include-unmodified", *apply))))
            if "Virtual layer updated" not in said[-1]:
                raise RuntimeError(f"sqlmesh made no environment: {said[-1][-1000:]}")
            Models(count).remove_one(round).sqlmesh(project)
            figures["one"].append(seconds(lambda: said.append(run("plan", "dev", "--no-prompts"))))
            if "t25" not in said[-1]:
                raise RuntimeError(f"sqlmesh did not find the change: {said[-1][-1000:]}")
            Models(count).sqlmesh(project)
    return figures
