"""The servers that are measured, each a process on the loopback with a folder of its own, and the load generator."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

# What is set otherwise than by default, and why: devices may come as fast as they can, and say as much as they can.
OPEN_DOORS = {
    "FLEETWARD_LIMITS_UPGRADES_PER_S": "100000",
    "FLEETWARD_LIMITS_UPGRADES_BURST": "1000000",
    "FLEETWARD_LIMITS_CONNECTS_PER_MIN": "10000",
}
TALK = {
    "FLEETWARD_LIMITS_MESSAGES_PER_S": "100000",
    "FLEETWARD_LIMITS_MESSAGES_BURST": "1000000",
    # A closed loop of 10,000 devices has 10,000 reports under way: by default that counts as being overrun, and
    # history is left out.
    "FLEETWARD_LIMITS_INTAKE_REPORTS": "50000",
    "FLEETWARD_LIMITS_INTAKE_BYTES": "100000000",
}

PROGRAMS = {}


class Trouble(Exception):
    """A part that could not be measured."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Trouble(f"the server ended at once, with exit code {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Trouble("the server does not listen")


def memory_kb(pid, field="VmRSS"):
    """Of a process and those that it started."""
    total = 0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for process in [pid, *children]:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                total += int(line.split()[1])
    if total == 0:
        raise Trouble("the server is gone")
    return total


class Server:
    """A process that is ended with the `with` it is opened by."""

    takes_tokens = False

    def __init__(self, command, port, env=None):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-", dir=PROGRAMS["folder"]))
        log = open(self.folder / "output", "w")
        environment = {**os.environ, **(env or {})}
        command = [part.replace("FOLDER", str(self.folder)) for part in map(str, command)]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_for_port(port, self.process)
        except Trouble as trouble:
            self.end()
            raise Trouble(f"{trouble}: {' '.join(command)}") from None
        self.idle_kb = memory_kb(self.process.pid)

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.read()

    def post(self, path):
        request = urllib.request.Request(self.url + path, data=b"", method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=25)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Fleetward(Server):
    takes_tokens = True

    def __init__(self, database=None, **settings):
        port = free_port()
        env = {"FLEETWARD_LOG": "error", **OPEN_DOORS, **settings}
        if database:
            env["FLEETWARD_DATABASE_URL"] = database
        self.settings = env
        command = [PROGRAMS["fleetward"], "--data-dir", "FOLDER/data", "serve", "--listen", f"127.0.0.1:{port}"]
        super().__init__(command, port, env)
        self.enrolment = self.made("enrolment-token", "create")
        self.token = self.made("token", "create", "--name", "bench", "--role", "admin")

    def made(self, *words, told=None):
        command = [PROGRAMS["fleetward"], "--data-dir", self.folder / "data", *words]
        done = subprocess.run(command, input=told, capture_output=True, text=True, env={**os.environ, **self.settings})
        if done.returncode != 0:
            raise Trouble(done.stderr.strip() or f"{words} failed")
        return done.stdout.strip()

    def api(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Trouble(f"{method} {path}: {error.code} {error.read().decode()[:300]}") from None

    def upload(self, version, size):
        file = self.folder / "package"
        with open(file, "wb") as out:
            left = size
            while left > 0:
                left -= out.write(os.urandom(min(left, 1 << 20)))
        command = [PROGRAMS["fleetward"], "package", "upload", "app1", version, file]
        env = {**os.environ, "FLEETWARD_SERVER": self.url, "FLEETWARD_TOKEN": self.token}
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        if done.returncode != 0:
            raise Trouble(done.stderr.strip())
        file.unlink()

    def start_rollout(self, version, at_once):
        policy = {"stages": [{"percent": 100}], "max_in_flight": at_once, "health_window_s": 0}
        wanted = {"packages": [{"name": "app1", "version": version}], "target": {"all": True}, "policy": policy}
        return self.api("POST", "/api/v1/rollouts", wanted)


def bare():
    port = free_port()
    return Server([PROGRAMS["servers"], "bare", port], port)


def fastwebsockets():
    port = free_port()
    return Server([PROGRAMS["servers"], "fastwebsockets", port], port)


def files(folder):
    port = free_port()
    return Server([PROGRAMS["servers"], "files", port, folder], port)


def tornado(batched):
    port = free_port()
    script = Path(__file__).parent / "tornado" / "server.py"
    command = [PROGRAMS["tornado"], script, "--port", port, "--folder", "FOLDER/data"]
    return Server(command + (["--batched"] if batched else []), port)


def nginx(folder):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        raise Trouble("nginx is not installed")
    port = free_port()
    configuration = Path(PROGRAMS["folder"]) / f"nginx-{port}.conf"
    configuration.write_text(
        f"""daemon off; worker_processes auto; pid {PROGRAMS["folder"]}/nginx-{port}.pid; error_log stderr error;
        worker_rlimit_nofile 16384; user root;
        events {{ worker_connections 4096; }}
        http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {PROGRAMS["folder"]}/nginx-body;
        server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}; }} }}"""
    )
    return Server([program, "-c", configuration, "-e", "stderr"], port)


def download(server, path, connections):
    command = [PROGRAMS["servers"], "download", f"127.0.0.1:{server.port}", path, str(connections)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Trouble(done.stderr.strip())
    return json.loads(done.stdout)


def simulating(server, devices, *options, prefix="sim-", first=1, source=None):
    """Starts the load generator. It is ended by what it was told to measure, or by `finish`."""
    command = [PROGRAMS["fleetward"], "simulate", "--json", "--server", server.url, "--devices", str(devices)]
    command += ["--prefix", prefix, "--first", str(first), "--server-pid", str(server.pid)]
    if source:
        command += ["--source", source]
    if server.takes_tokens:
        command += ["--token", server.enrolment, "--state", str(server.folder / f"{prefix}state.json")]
    env = {**os.environ, "FLEETWARD_LOG": "error"}
    command += [str(option) for option in options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def finish(process, seconds=180):
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Trouble("the load generator did not end") from None
    if process.returncode != 0:
        raise Trouble(f"the load generator: {err.strip()[-300:]}")
    return json.loads(out)


def simulate(server, devices, *options, **more):
    return finish(simulating(server, devices, *options, **more))


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "processor": model.group(1) if model else "unknown",
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory.group(1)) / 1048576, 1),
        "kernel": os.uname().release,
    }
