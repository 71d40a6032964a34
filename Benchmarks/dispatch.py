"""How soon a task's process runs once the task can run."""

import pathlib
import subprocess
import time

from fleet import errors, fleet
from installation import commands, installation, instant, percentile, table

# The first thing that it does is to say when; an interpreter would take a millisecond before.
PROGRAM = """
#include <stdio.h>
#include <time.h>
int main(void) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return printf("%lld.%06ld\\n", (long long)at.tv_sec, at.tv_nsec / 1000) < 0;
}
"""


def dispatch(count=200, others=1000):
    """The process says itself when it runs; the task was ready when its run was created."""
    with installation(agent=2) as it:
        program = compiled(it.folder)
        it.deploy(commands(1), files={"bin/task.sh": program.read_bytes()})
        rows = [figures("1 idle agent", it, count)]
        # They offer an engine that no task asks for, so the one agent gets every task.
        with fleet(it, others, "--engine", "none") as load:
            load.go()
            load.until("all parked", 120, lambda tick: tick["waiting"] == others)
            rows.append(figures(f"1 idle agent beside {others} that poll", it, count))
            failed = errors(load.end()["counts"])
        alone = started(program)
    table(
        f"Task ready → its process runs, {count} runs one after another, ms", ["with", "p50", "p99", "most"], rows,
        [f"of it the start of the program by itself {alone:.1f}; errors of the {others}: {failed}"])


def figures(name, it, count):
    for _ in range(10):
        it.run_flow("load")
    times = []
    for _ in range(count):
        run = it.run_flow("load")
        said = it.get(f"/runs/{run['id']}/logs")["lines"][0]["line"]["text"]
        times.append(1000 * (float(said) - instant(run["createdAt"])))
        time.sleep(0.03)  # until the agent waits again
    return [name, *(f"{percentile(times, share):.1f}" for share in (0.5, 0.99, 1))]


def compiled(folder):
    source, program = pathlib.Path(folder) / "when.c", pathlib.Path(folder) / "when"
    source.write_text(PROGRAM)
    subprocess.run(["cc", "-O2", "-static", "-o", program, source], check=True)
    return program


def started(program):
    """Milliseconds from starting the program to its first word, in the median."""
    times = []
    for _ in range(50):
        began = time.time()
        said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
        times.append(1000 * (float(said) - began))
    return percentile(times, 0.5)
