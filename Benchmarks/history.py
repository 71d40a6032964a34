"""What a long history costs: the same requests with ten runs in the database and with a million."""

import sqlite3
import time

from fleet import fleet
from installation import commands, installation, percentile, table


def history(runs=1_000_000, requests=300):
    with installation(agent=2) as it:
        it.deploy(commands(1))
        for _ in range(10):
            it.run_flow("load")
        it.stop()
        it.serve()
        few = costs(it, requests)
        it.stop()
        began = time.monotonic()
        fill(it.data / "flowforge.db", runs)
        filled = time.monotonic() - began
        size = sum(path.stat().st_size for path in it.data.glob("flowforge.db*")) / 2**30
        it.serve()
        many = costs(it, requests)
    table(
        f"History: 10 runs against {runs} (ms, medians of {requests}; a page is 10 runs)", ["", "10", str(runs), "ratio", "p99 of many"],
        [[name, f"{few[name][0]:.2f}", f"{many[name][0]:.2f}", f"{many[name][0] / few[name][0]:.2f}", f"{many[name][1]:.2f}"]
         for name in few],
        [f"the database has {size:.1f} GiB; filled in {filled:.0f} s"])


def costs(it, requests):
    """Milliseconds: median and p99."""
    figures = {"start to serving": [1000 * it.startup["flowforged"]] * 2}
    run = it.get("/runs?limit=1")["items"][0]["id"]
    asked = {
        "list runs": "/runs?limit=10", "list runs of an environment": "/runs?environment=dev&limit=10",
        "list succeeded runs": "/runs?state=succeeded&limit=10", "list failed runs": "/runs?state=failed&limit=10",
        "show a run": f"/runs/{run}", "its log": f"/runs/{run}/logs",
    }
    for name, path in asked.items():
        figures[name] = timed(requests, lambda: it.get(path))
    figures["/metrics"] = timed(requests, lambda: it.request("GET", "/metrics"))
    figures["flowforge run list"] = timed(20, lambda: it.cli("run", "list", "--limit", "10"))
    figures["start a run"] = timed(requests, lambda: it.start_run("load"))
    with fleet(it, 1) as load:
        load.go()
        done = load.until("all done", 120, lambda tick: tick["counts"]["completed"] >= requests + 10)
        summary = load.end()
        each = 1000 * summary["workSeconds"] / done["counts"]["completed"]
        figures["claim and complete a task"] = (each, summary["reportP99"])
    return figures


def schedules(count=100_000):
    """What many schedules cost that are not due: the start, and how late the one that is due is fired."""
    soon = "    triggers: {soon: {schedule: {every: 1s}}}\n"
    rows = []
    with installation(agent=None) as it:
        it.deploy(commands(1).replace("  load:\n", "  load:\n" + soon))
        for more in (0, count):
            it.stop()
            db = sqlite3.connect(it.data / "flowforge.db")
            db.row_factory = sqlite3.Row
            model = dict(db.execute("SELECT * FROM trigger LIMIT 1").fetchone())
            with db:
                for number in range(more):
                    stamp = model["created_at"] + number
                    own = dict(model, id=identifier("trg", stamp), name=f"t{number}", next_at=model["next_at"] + 10**9)
                    db.execute(f"INSERT INTO trigger ({', '.join(own)}) VALUES ({', '.join('?' * len(own))})", tuple(own.values()))
            db.close()
            it.serve()
            time.sleep(10)
            text = it.metrics()
            ticks = text["flowforge_trigger_lag_seconds_count"]
            memory = int(open(f"/proc/{it.server.pid}/statm").read().split()[1]) * 4096 / 2**20
            rows.append([more + 1, f"{1000 * it.startup['flowforged']:.0f}", f"{ticks:.0f}",
                         f"{1000 * text['flowforge_trigger_lag_seconds_sum'] / max(1, ticks):.0f}", f"{memory:.0f}"])
    table("Schedules, one of which is due each second", ["", "start ms", "ticks in 10 s", "mean lag ms", "resident MiB"], rows)


def timed(count, work):
    times = []
    for warm in range(count + 10):
        began = time.monotonic()
        work()
        if warm >= 10:
            times.append(1000 * (time.monotonic() - began))
    return percentile(times, 0.5), percentile(times, 0.99)


def fill(path, runs):
    """Copies of one finished run with all that belongs to it, older than it, each under ids of its own."""
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    for pragma in ("synchronous=OFF", "cache_size=-400000", "foreign_keys=OFF"):
        db.execute(f"PRAGMA {pragma}")

    def one(sql, *values):
        return dict(db.execute(sql, values).fetchone())

    def all_of(sql, *values):
        return [dict(row) for row in db.execute(sql, values)]

    run = one("SELECT * FROM run WHERE state = 'succeeded' ORDER BY id LIMIT 1")
    task = one("SELECT * FROM task WHERE run = ?", run["id"])
    attempt = one("SELECT * FROM attempt WHERE run = ?", run["id"])
    numbered = {
        "log_chunk": all_of("SELECT * FROM log_chunk WHERE run = ?", run["id"]),
        "lineage_event": all_of("SELECT * FROM lineage_event WHERE run = ?", run["id"]),
        "audit_entry": all_of("SELECT * FROM audit_entry WHERE subject IN (?, ?) ORDER BY number", run["id"], attempt["id"]),
    }
    first_task = one("SELECT max(id) AS id FROM task")["id"] + 1
    first_fence = one("SELECT max(last) AS last FROM fencing")["last"] + 1
    # A run a second, the last a minute before the template.
    age = [(runs - number) * 1000 + 60_000 for number in range(runs)]

    def put(table, rows):
        names = list(rows[0])
        db.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            (tuple(row.values()) for row in rows))

    for start in range(0, runs, 10_000):
        rows = {"run": [], "task": [], "attempt": [], **{name: [] for name in numbered}}
        for number in range(start, min(start + 10_000, runs)):
            def older(row, **changes):
                row = dict(row, **changes)
                for name in row:
                    if (name == "at" or name.endswith("_at")) and row[name] is not None:
                        row[name] -= age[number]
                return row

            stamp = run["created_at"] - age[number]
            ids = {"run": identifier("run", stamp), "attempt": identifier("att", stamp), "task": first_task + number}
            old = {run["id"]: ids["run"], attempt["id"]: ids["attempt"]}
            rows["run"].append(older(run, id=ids["run"]))
            rows["task"].append(older(task, id=ids["task"], run=ids["run"]))
            rows["attempt"].append(older(
                attempt, id=ids["attempt"], run=ids["run"], task=ids["task"], lease=identifier("lse", stamp),
                fencing=first_fence + number))
            for name, models in numbered.items():
                for model in models:
                    copy = older(model, number=None)
                    for column, value in (("run", ids["run"]), ("task", ids["task"])):
                        if column in copy:
                            copy[column] = value
                    for column in ("subject", "attempt"):
                        if copy.get(column) in old:
                            copy[column] = old[copy[column]]
                    rows[name].append(copy)
        with db:
            for name, those in rows.items():
                if those:
                    put(name, those)
    with db:
        db.execute("UPDATE fencing SET last = last + ?", (runs,))
    broken = db.execute("PRAGMA foreign_key_check").fetchone()
    assert broken is None, f"the copies are not consistent: {tuple(broken)}"
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LAST = [0]


def identifier(prefix, milliseconds):
    """An id of that time (a version 7 UUID in Crockford's base 32)."""
    LAST[0] += 1
    value = milliseconds << 80 | 7 << 76 | 2 << 62 | LAST[0] & (1 << 62) - 1
    return prefix + "_" + "".join(ALPHABET[value >> 5 * place & 31] for place in range(25, -1, -1))
