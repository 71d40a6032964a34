"""An agent in Python that runs nothing: it says of each task at once that it has made a snapshot."""

import datetime
import http.client
import json
import pathlib
import secrets
import ssl
import subprocess
import time
import urllib.parse

from history import identifier
from installation import BIN

SLOTS = 64
# What the messages below are of; a control plane that no longer speaks it says so.
PROTOCOL = 2


class SnapshotAgent:
    """Each snapshot is a folder of the lake at `lake` with a copy of the Parquet file `sample`. `size` is what it reports the
    table to have in bytes, instead of the file's own."""

    def __init__(self, it, lake, sample, columns, size=None):
        self.lake, self.sample, self.columns = pathlib.Path(lake), pathlib.Path(sample).read_bytes(), columns
        self.size = size
        grant = it.grant()
        url = urllib.parse.urlparse(grant["agentURL"])
        self.address = (url.hostname, url.port)
        self.authority = it.data / "ca.pem"
        self.folder = it.folder / f"fake-{secrets.token_hex(4)}"
        self.folder.mkdir()
        key, request = self.folder / "key.pem", self.folder / "request.pem"
        subprocess.run(
            ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj",
             "/CN=fake", "-out", request], check=True, stderr=subprocess.DEVNULL)
        self.tls = ssl.create_default_context(cafile=self.authority)
        self.connection = None
        self.version = subprocess.run([BIN / "flowforge-agent", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        joined = self.post("join", {
            "protocolVersion": PROTOCOL, "token": grant["token"], "pool": "bench", "csr": request.read_text(), "name": "fake",
            "agentVersion": self.version})
        (self.folder / "certificate.pem").write_text(joined["certificate"])
        self.tls.load_cert_chain(self.folder / "certificate.pem", key)
        self.connection.close()
        self.connection = None
        self.spool = identifier("spl", int(time.time() * 1000))
        self.number = 0

    def post(self, path, body):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(*self.address, context=self.tls, timeout=60)
        self.connection.request("POST", "/agent/v1/" + path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {content[:500].decode()}")
        return json.loads(content)

    def work(self, it, run, outputs):
        """Until the run has ended. `outputs` says which table each task writes."""
        while True:
            heard = self.poll(1)
            events = [event for task in heard["assignments"] for event in self.done(task, outputs[task["task"]])]
            events += [self.event("published", publication) for publication in heard["publications"]]
            if events:
                self.report(events)
            elif it.get(f"/runs/{run['id']}")["state"] not in ("queued", "running", "pending"):
                return it.ended(run)

    def poll(self, wait):
        return self.post("poll", {
            "protocolVersion": PROTOCOL, "agentVersion": self.version, "freeSlots": SLOTS, "slots": SLOTS,
            "engines": [{"name": "duckdb", "version": "1.5.5"}], "labels": {}, "leases": [], "waitSeconds": wait})

    def rest(self):
        """Acknowledges publications, without having moved a pointer, until none is left."""
        while publications := self.poll(1)["publications"]:
            self.report([self.event("published", publication) for publication in publications])

    def report(self, events):
        while events:
            batch, events = events[:200], events[200:]
            heard = self.post("report", {"spool": self.spool, "events": batch})
            if heard["stale"]:
                raise RuntimeError(f"stale: {heard['stale'][:3]}")
            # What the report itself has published is acknowledged with the next.
            events += [self.event("published", publication) for publication in heard["publications"]]

    def event(self, type, body, task=None):
        self.number += 1
        at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {"number": self.number, "at": at, "body": {"type": type, type: body}}
        if task:
            event |= {name: task[name] for name in ("attempt", "lease", "fencing")}
        return event

    def done(self, task, asset):
        snapshot = identifier("snp", int(time.time() * 1000))
        location = f"snapshots/{snapshot}"
        folder = self.lake / task["environment"] / asset.replace(".", "/") / location
        folder.mkdir(parents=True)
        (folder / "part-0.parquet").write_bytes(self.sample)
        size = self.size or len(self.sample)
        rows = max(100, size // 200)
        output = {
            "asset": asset, "snapshot": snapshot, "location": location, "rows": rows, "bytes": size,
            "schema": [{"name": name, "type": type, "tags": []} for name, type in self.columns],
            "statistics": [{"column": name, "count": rows, "nulls": 0, "distinct": 100} for name, _ in self.columns]}
        metrics = dict.fromkeys(
            ["rowsRead", "rowsWritten", "rowsQuarantined", "bytesRead", "bytesWritten", "wallSeconds", "cpuSeconds",
             "peakMemoryBytes"], 0) | {"rowsWritten": rows, "bytesWritten": size}
        return [
            self.event("started", {"pid": 4242}, task),
            self.event("finished", {"outcome": "succeeded", "metrics": metrics, "checks": [], "output": output, "logLines": 0}, task)]

    def stop(self):
        if self.connection:
            self.connection.close()
