"""A control plane and one agent of the programs in $FLOWFORGE_BIN, on loopback, in a folder of their own."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ["FLOWFORGE_BIN"])
DUCKDB = ROOT / ".tools/bin/duckdb"
RAW = ROOT / ".tools/data/nycflights13"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Installation:
    def __init__(self, folder, engine=DUCKDB):
        self.folder = pathlib.Path(folder)
        self.engine = engine
        self.environment = dict(os.environ, XDG_CONFIG_HOME=str(self.folder / "config"))
        self.server = self.agent = None
        self.startup = {}

    def cli(self, *arguments, parse=True):
        command = [str(BIN / "flowforge"), *map(str, arguments)] + (["--json"] if parse else [])
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout) if parse and done.stdout.strip() else done.stdout

    def get(self, path):
        request = urllib.request.Request(self.operator + "/api/v1" + path, headers={"Authorization": "Bearer " + self.token})
        with urllib.request.urlopen(request, context=self.tls) as answer:
            return json.load(answer)

    def post(self, path, body):
        request = urllib.request.Request(
            self.operator + "/api/v1" + path, json.dumps(body).encode(),
            {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=self.tls) as answer:
            return json.load(answer)

    def _wait(self, process, what, ready):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(Exception):
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
        self.token = (self.folder / "token").read_text().strip()
        self.operator = f"https://127.0.0.1:{operator_port}"
        self.tls = ssl.create_default_context(cafile=str(data / "ca.pem"))
        began = time.monotonic()
        self.server = subprocess.Popen(
            [BIN / "flowforged", "serve", "--config", data / "flowforged.yaml"],
            stdout=open(self.folder / "flowforged.log", "w"), stderr=subprocess.STDOUT)
        healthy = lambda: urllib.request.urlopen(self.operator + "/healthz", context=self.tls).status == 200
        self._wait(self.server, "flowforged", healthy)
        self.startup["flowforged"] = time.monotonic() - began
        self.cli("login", "--url", self.operator, "--token-file", self.folder / "token", "--ca-file", data / "ca.pem", parse=False)
        grant = self.cli("agent", "token", "create", "--pool", "bench", "--ttl", "10m", "--uses", "1")
        (self.folder / "agent.yaml").write_text(
            f"control_plane:\n  url: {grant['agentURL']}\nstate_dir: {self.folder}/agent\nlake:\n  root: {self.folder}/lake\n"
            f"slots: 2\nengines:\n  duckdb:\n    executable: {self.engine}\n")
        subprocess.run(
            [BIN / "flowforge-agent", "join", "--url", grant["agentURL"], "--ca-fingerprint", grant["caFingerprint"], "--pool",
             "bench", "--name", "bench", "--state-dir", self.folder / "agent"],
            check=True, env=dict(os.environ, FLOWFORGE_JOIN_TOKEN=grant["token"]), stdout=subprocess.DEVNULL)
        began = time.monotonic()
        self.agent = subprocess.Popen(
            [BIN / "flowforge-agent", "run", "--config", self.folder / "agent.yaml"],
            stdout=open(self.folder / "flowforge-agent.log", "w"), stderr=subprocess.STDOUT)
        online = lambda: any(a["state"] == "online" for a in self.get("/agents")["items"])
        self._wait(self.agent, "flowforge-agent", online)
        self.startup["flowforge-agent"] = time.monotonic() - began
        return self

    def stop(self):
        for process in (self.agent, self.server):
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def run_flow(self, flow, environment):
        """Starts a run and waits for its end; answers the final view."""
        run = self.post("/runs", {"environment": environment, "flow": flow, "parameters": {}})
        while run["state"] not in ("succeeded", "failed", "cancelled"):
            run = self.get(f"/runs/{run['id']}?since={run['version']}&wait=20")
        if run["state"] != "succeeded":
            raise RuntimeError(json.dumps(run, indent=1)[:4000])
        return run


@contextlib.contextmanager
def installation(engine=DUCKDB):
    folder = tempfile.mkdtemp(prefix="flowforge-bench-")
    it = Installation(folder, engine)
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


def table(title, head, rows):
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}")
    for row in [head, ["-" * w for w in widths], *rows]:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
