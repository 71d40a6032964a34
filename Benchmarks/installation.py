"""A control plane and one agent of the programs in $FLOWFORGE_BIN, on loopback, in a folder of their own."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ["FLOWFORGE_BIN"])
DUCKDB = ROOT / ".tools/bin/duckdb"
RAW = ROOT / ".tools/data/nycflights13"

# Every agent of a fleet is an open file of the control plane; what we start inherits the limit.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


# The one program of the bundles that `commands` describes.
NOTHING = {"bin/task.sh": "#!/bin/sh\nexit 0\n"}


class Installation:
    """`agent` says how many slots the one real agent has; with None there is no agent."""

    def __init__(self, folder, engine=DUCKDB, agent=2):
        self.folder = pathlib.Path(folder)
        self.engine = engine
        self.slots = agent
        self.environment = dict(os.environ, XDG_CONFIG_HOME=str(self.folder / "config"))
        self.server = self.agent = None
        self.startup = {}
        self.local = threading.local()

    def cli(self, *arguments, parse=True, good=(0,)):
        """Exit codes of `good` are none of an error: a plan with changes ends with 2."""
        command = [str(BIN / "flowforge"), *map(str, arguments)] + (["--json"] if parse else [])
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode not in good:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout) if parse and done.stdout.strip() else done.stdout

    def get(self, path):
        return json.loads(self.request("GET", "/api/v1" + path))

    def post(self, path, body):
        return json.loads(self.request("POST", "/api/v1" + path, json.dumps(body).encode()))

    def request(self, method, path, body=None):
        """Over a connection that each thread keeps, as clients do."""
        headers = {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"}
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None)
            fresh = connection is None
            if fresh:
                connection = self.local.connection = http.client.HTTPSConnection(
                    "127.0.0.1", self.operator_port, context=self.tls, timeout=120)
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                break
            except (http.client.HTTPException, OSError):
                connection.close()
                self.local.connection = None
                if fresh or attempt == 2:
                    raise
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500].decode()}")
        return content

    def metrics(self):
        """Of all samples that have no labels."""
        text = self.request("GET", "/metrics").decode()
        return {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.e+-]+)$", text, re.M)}

    def _wait(self, process, what, ready):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if ready():
                    return
            if process.poll() is not None:
                raise RuntimeError(f"{what} ended: {(self.folder / (what + '.log')).read_text()[-2000:]}")
            time.sleep(0.002)
        raise RuntimeError(f"{what} was not ready after 30 s")

    def start(self):
        agent_port, operator_port = free_ports(2)
        data = self.folder / "control"
        subprocess.run(
            [BIN / "flowforged", "init", "--data", data, "--agent-listen", f"127.0.0.1:{agent_port}", "--operator-listen",
             f"127.0.0.1:{operator_port}", "--token-file", self.folder / "token"],
            check=True, stdout=subprocess.DEVNULL)
        self.data = data
        self.token = (self.folder / "token").read_text().strip()
        self.operator_port = operator_port
        self.operator = f"https://127.0.0.1:{operator_port}"
        self.tls = ssl.create_default_context(cafile=str(data / "ca.pem"))
        self.serve()
        self.cli("login", "--url", self.operator, "--token-file", self.folder / "token", "--ca-file", data / "ca.pem", parse=False)
        if self.slots:
            self.start_agent()
        return self

    def serve(self):
        began = time.monotonic()
        self.server = subprocess.Popen(
            [BIN / "flowforged", "serve", "--config", self.data / "flowforged.yaml"],
            stdout=open(self.folder / "flowforged.log", "a"), stderr=subprocess.STDOUT)
        self._wait(self.server, "flowforged", lambda: self.request("GET", "/healthz") == b"ok\n")
        self.startup["flowforged"] = time.monotonic() - began

    def grant(self, uses=1):
        return self.cli("agent", "token", "create", "--pool", "bench", "--ttl", "1h", "--uses", uses)

    def start_agent(self):
        grant = self.grant()
        (self.folder / "agent.yaml").write_text(
            f"control_plane:\n  url: {grant['agentURL']}\nstate_dir: {self.folder}/agent\nlake:\n  root: {self.folder}/lake\n"
            f"slots: {self.slots}\nengines:\n  duckdb:\n    executable: {self.engine}\n")
        subprocess.run(
            [BIN / "flowforge-agent", "join", "--url", grant["agentURL"], "--ca-fingerprint", grant["caFingerprint"], "--pool",
             "bench", "--name", "bench", "--state-dir", self.folder / "agent"],
            check=True, env=dict(os.environ, FLOWFORGE_JOIN_TOKEN=grant["token"]), stdout=subprocess.DEVNULL)
        began = time.monotonic()
        self.agent = subprocess.Popen(
            [BIN / "flowforge-agent", "run", "--config", self.folder / "agent.yaml"],
            stdout=open(self.folder / "flowforge-agent.log", "w"), stderr=subprocess.STDOUT)
        online = lambda: any(a["state"] == "online" and a["name"] == "bench" for a in self.get("/agents")["items"])
        self._wait(self.agent, "flowforge-agent", online)
        self.startup["flowforge-agent"] = time.monotonic() - began

    def deploy(self, manifest, files=NOTHING, environment="dev"):
        """A bundle of these files, in a new environment."""
        bundle = self.folder / f"bundle-{environment}"
        for name, text in {"flowforge.yaml": manifest, **files}.items():
            path = bundle / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            if name.startswith("bin/"):
                path.chmod(0o755)
        self.cli("env", "create", environment, "--pool", "bench")
        self.cli("deploy", bundle, "--env", environment)

    def stop(self):
        for process in (self.agent, self.server):
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def start_run(self, flow, environment="dev"):
        return self.post("/runs", {"environment": environment, "flow": flow, "parameters": {}})

    def run_flow(self, flow, environment="dev"):
        """Starts a run and waits for its end; answers the final view."""
        return self.ended(self.start_run(flow, environment))

    def ended(self, run, seconds=600):
        deadline = time.monotonic() + seconds
        while run["state"] not in ("succeeded", "failed", "cancelled"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"run {run['id']} did not end within {seconds} s")
            run = self.get(f"/runs/{run['id']}?since={run['version']}&wait=20")
        if run["state"] != "succeeded":
            raise RuntimeError(json.dumps(run, indent=1)[:4000])
        return run


@contextlib.contextmanager
def installation(engine=DUCKDB, agent=2):
    folder = tempfile.mkdtemp(prefix="flowforge-bench-")
    it = Installation(folder, engine, agent)
    try:
        yield it.start()
    finally:
        it.stop()
        shutil.rmtree(folder, ignore_errors=True)


def instant(text):
    import datetime

    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(round(share * (len(ordered) - 1))))]


tables = []


def table(title, head, rows, notes=()):
    """Prints the table, or keeps it for `--json`."""
    if "--json" in sys.argv:
        tables.append({"title": title, "rows": [dict(zip(head, map(number, row))) for row in rows], "notes": list(notes)})
        return
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}")
    for row in [head, ["-" * w for w in widths], *rows]:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()


def number(cell):
    try:
        return float(cell)
    except (TypeError, ValueError):
        return cell


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def cpu(pid):
    """CPU seconds of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def commands(count, name="load"):
    """The manifest of a flow of so many tasks that do nothing and wait for nothing."""
    tasks = "\n".join(f"      t{i}: {{layer: bronze, command: [bin/task.sh]}}" for i in range(count))
    return f"bundle: {{name: bench-{name}, version: 1.0.0}}\nflows:\n  {name}:\n    tasks:\n{tasks}\n"
