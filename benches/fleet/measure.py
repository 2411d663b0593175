"""The parts of the benchmark. Each takes the sizes it is to work with, and gives figures; what fails is said."""

import itertools
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import servers
from servers import Fleetward, Trouble

MIB = 1 << 20
# Devices that one server process is given here: open files allow 20,000 on many machines, less a fifth.
A_PROCESS = 15000


def median(rows, *path):
    """The middle of what the rows say, where they say something."""
    found = []
    for row in rows:
        for key in path:
            row = row.get(key) if isinstance(row, dict) else None
        if row is not None:
            found.append(row)
    return statistics.median(found) if found else None


def in_pairs(kinds, rounds, measure, say):
    """Each kind once a round, so that what the machine does meanwhile meets all of them."""
    rows, troubles = {name: [] for name in kinds}, {}
    for number in range(rounds):
        for name, open_server in kinds.items():
            if name in troubles:
                continue
            try:
                with open_server() as server:
                    rows[name].append(measure(name, server, number))
                say(f"round {number + 1}: {name}: {json.dumps(rows[name][-1])}")
            except Exception as trouble:
                troubles[name] = str(trouble)
                say(f"round {number + 1}: {name}: {trouble}")
    return rows, troubles


def reports(sizes, say):
    """Closed loop: reports a second, processor time for each, memory of a connection, connects a second."""
    devices = sizes.devices

    def measure(name, server, number):
        row = {}
        rate = ["--connect-rate", 100000]
        if server.takes_tokens:
            # They enrol, so that what is timed afterwards is devices that come again with a token of their own.
            servers.simulate(server, devices, *rate, "--interval", "3600s", "--measure", "1s", "--duration", "90s")
            time.sleep(0.5)
        idle = servers.simulate(
            server, devices, *rate, "--interval", "3600s", "--settle", "0s", "--measure", "1s", "--duration", "90s"
        )
        if not idle.get("measured"):
            raise Trouble(f"only {idle['welcomed']} of {devices} devices were let in within 90 s")
        row["connects_per_s"] = devices / idle["connected_in_s"]
        row["idle_bytes"] = (idle["server"]["memory_kb"] - server.idle_kb) * 1024 / devices
        # Busy with the first, a server with one commit a report would never let the last in.
        together = ["--start-together"] if name == "tornado" else []
        loop = servers.simulate(
            server, devices, *rate, "--closed-loop", *together, "--settle", sizes.settle, "--measure", sizes.measure,
            "--duration", "120s",
        )
        if not loop.get("measured"):
            raise Trouble("not all devices came again")
        row["reports_per_s"] = loop["measured"]["reports_per_s"]
        row["cpu_us"] = loop["server"]["cpu_s"] * 1e6 / max(1, loop["measured"]["reports_acked"])
        row["p99_ms"] = loop["ack_ms"]["p99"]
        row["errors"] = loop["errors"]
        return row

    kinds = {
        "fleetward": lambda: Fleetward(**servers.TALK),
        "bare": servers.bare,
        "fastwebsockets": servers.fastwebsockets,
        "tornado batched": lambda: servers.tornado(True),
    }
    rows, troubles = in_pairs(kinds, sizes.rounds, measure, say)
    # One commit a report is so slow that three rounds say enough.
    slow, more = in_pairs({"tornado": lambda: servers.tornado(False)}, min(3, sizes.rounds), measure, say)
    found = {}
    for name, of in {**rows, **slow}.items():
        keys = ("reports_per_s", "cpu_us", "p99_ms", "idle_bytes", "connects_per_s")
        found[name] = {"rounds": len(of), **{key: median(of, key) for key in keys}}
    return {"devices": devices, "servers": found, "troubles": {**troubles, **more}}


def connected(server):
    if not server.takes_tokens:
        return json.loads(server.get("/update"))["devices"]
    for line in server.get("/metrics").decode().splitlines():
        if line.startswith("fleetward_connections "):
            return int(float(line.split()[1]))
    raise Trouble("the metrics do not say how many are connected")


def wait_until(holds, seconds, otherwise):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise Trouble(otherwise)
        time.sleep(0.1)


def update_list(sizes, say):
    """From the button to the last device that was asked."""
    devices = sizes.devices

    def press(name, server, number):
        options = ["--connect-rate", 100000, "--interval", "30s", "--install-time", "0s", "--duration", "150s"]
        process = servers.simulating(server, devices, *options)
        try:
            if server.takes_tokens:
                server.upload(f"2.0.{number}", 1024)
            wait_until(lambda: connected(server) >= devices, 60, "not all devices came")
            time.sleep(2)
            pressed = time.time()
            if server.takes_tokens:
                started = server.start_rollout(f"2.0.{number}", devices)
            else:
                server.post("/update")
            answered = time.time()
            if server.takes_tokens:
                path = f"/api/v1/rollouts/{started['id']}"
                wait_until(lambda: not server.api("GET", path)["counts"].get("waiting"), 30, "some were never asked")
            time.sleep(2)
            process.send_signal(servers.signal.SIGINT)
            summary = servers.finish(process)
        except BaseException:
            process.kill()
            raise
        if summary["asked"] < devices:
            raise Trouble(f"only {summary['asked']} of {devices} devices were asked")
        last = summary["asked_last_at_ms"] / 1000
        return {"last_ms": (last - pressed) * 1000, "answered_ms": (answered - pressed) * 1000}

    kinds = {"fleetward": Fleetward, "tornado, saving nothing": lambda: servers.tornado(True)}
    rows, troubles = in_pairs(kinds, sizes.rounds, press, say)
    found = {name: {"last_ms": median(of, "last_ms"), "answered_ms": median(of, "answered_ms")}
             for name, of in rows.items()}
    return {"devices": devices, "servers": found, "troubles": troubles}


def push(sizes, say):
    """Package bytes: few large ones, and many small ones."""
    found, troubles = {}, {}
    for label, size, connections in sizes.pushes:
        folder = Path(servers.PROGRAMS["folder"]) / f"push-{size}-{connections}"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        (folder / "package").write_bytes(bytes(size))

        def measure(name, server, number):
            wanted = size * connections
            if server.takes_tokens:
                row = pushed(server, size, connections, wanted)
            else:
                got = servers.download(server, "/package", connections)
                if got["bytes"] != wanted:
                    raise Trouble(f"{got['bytes']} bytes of {wanted}")
                row = {"gb_per_s": wanted / got["seconds"] / 1e9}
            peak = servers.memory_kb(server.pid, "VmHWM")
            return {**row, "kb_each": max(0, peak - server.idle_kb) / connections}

        kinds = {
            "fleetward": Fleetward,
            "nginx sendfile": lambda: servers.nginx(folder),
            "actix-files": lambda: servers.files(folder),
        }
        rows, more = in_pairs(kinds, sizes.rounds, measure, say)
        found[label] = {name: {"gb_per_s": median(of, "gb_per_s"), "kb_each": median(of, "kb_each")}
                        for name, of in rows.items()}
        troubles.update({f"{label}: {name}": trouble for name, trouble in more.items()})
        (folder / "package").unlink()
    return {"pushes": [(label, size, n) for label, size, n in sizes.pushes], "servers": found, "troubles": troubles}


def pushed(server, size, connections, wanted):
    server.upload("2.0.0", size)
    options = ["--connect-rate", 100000, "--interval", "30s", "--install-time", "0s", "--unchecked"]
    process = servers.simulating(server, connections, *options, "--duration", "120s")
    try:
        wait_until(lambda: connected(server) >= connections, 30, "not all devices came")
        time.sleep(1)
        path = f"/api/v1/rollouts/{server.start_rollout('2.0.0', connections)['id']}"
        # The load generator is stopped as soon as every device has what it should run.
        done = lambda: server.api("GET", path)["counts"].get("verified", 0) >= connections
        wait_until(done, 60, "not every device had its package within a minute")
        process.send_signal(servers.signal.SIGINT)
        summary = servers.finish(process)
    except BaseException:
        process.kill()
        raise
    if summary["package_bytes"] < wanted:
        raise Trouble(f"{summary['package_bytes']} bytes of {wanted}")
    return {"gb_per_s": summary["package_bytes"] / summary["package_s"] / 1e9}


# Each run has source addresses of its own: ports of the one before may still be taken for a minute.
subnets = itertools.count(1)


def spread(devices, sizes, say, database=None, interval=30):
    """So many devices at one report in so many seconds, over as many server processes as it takes."""
    subnet = next(subnets)
    counts = []
    left = devices
    while left > 0:
        counts.append(min(left, A_PROCESS))
        left -= counts[-1]
    opened = []
    try:
        for number in range(len(counts)):
            opened.append(Fleetward(database=database and database(number)))
        with ThreadPoolExecutor(len(counts)) as pool:
            say(f"{devices} devices: {len(opened)} servers are up")
            rate = max(200, sizes.connect_rate // len(counts))

            def run(number):
                options = ["--connect-rate", rate, "--interval", f"{interval * 1000:.0f}ms"]
                options += ["--settle", sizes.settle_spread, "--measure", sizes.measure_spread]
                first = number * A_PROCESS + 1
                # Two, as one address has ports for 14,000 at a good pace.
                source = f"127.0.{subnet}.{2 * number + 1},127.0.{subnet}.{2 * number + 2}"
                return servers.simulate(opened[number], counts[number], *options, "--duration", "150s", first=first,
                                        source=source)

            summaries = list(pool.map(run, range(len(counts))))
    finally:
        with ThreadPoolExecutor(len(counts)) as pool:
            list(pool.map(lambda server: server.end(), opened))
    for summary in summaries:
        if not summary.get("measured"):
            raise Trouble(f"only {summary['welcomed']} of {summary['devices']} devices of a process were let in")
    seconds = [summary["measured"]["seconds"] for summary in summaries]
    return {
        "devices": devices,
        "interval_s": interval,
        "processes": len(counts),
        "reports_per_s": sum(s["measured"]["reports_per_s"] for s in summaries),
        "cores": sum(s["server"]["cpu_s"] / time_of for s, time_of in zip(summaries, seconds)),
        "p50_ms": statistics.median(s["ack_ms"]["p50"] for s in summaries),
        "p99_ms": max(s["ack_ms"]["p99"] for s in summaries),
        "max_ms": max(s["ack_ms"]["max"] for s in summaries),
        "kb_each": sum(s["server"]["memory_kb"] for s in summaries) / devices,
        "errors": sum(s["errors"] + s["lost"] for s in summaries),
    }


def fleet(sizes, say):
    """A hundred thousand devices at one report in 30 s; and as many reports from as many as one process takes."""
    one = min(sizes.fleet, A_PROCESS)
    wanted = {"all": (sizes.fleet, 30), "one process": (one, 30 * one / sizes.fleet)}

    def measure(name, _, number):
        devices, interval = wanted[name]
        return spread(devices, sizes, say, interval=interval)

    rows, troubles = in_pairs(dict.fromkeys(wanted, nothing), min(3, sizes.rounds), measure, say)
    found = {name: {key: median(of, key) for key in of[0]} for name, of in rows.items() if of}
    return {"found": found, "troubles": troubles}


def curve(sizes, say):
    """The same at three sizes, on both databases."""
    found, troubles = {}, {}
    for kind in ("SQLite", "MariaDB"):
        try:
            with mariadb() if kind == "MariaDB" else nothing() as database:
                for devices in sizes.curve[kind]:
                    try:
                        row = spread(devices, sizes, say, database)
                        found.setdefault(kind, []).append(row)
                        say(f"{kind}: {json.dumps(row)}")
                    except Exception as trouble:
                        troubles[f"{kind}, {devices} devices"] = str(trouble)
                        say(f"{kind}, {devices}: {trouble}")
        except Exception as trouble:
            troubles[kind] = str(trouble)
    return {"found": found, "troubles": troubles}


class nothing:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


class mariadb:
    """A private MariaDB; gives what names the database of the n-th server."""

    def __enter__(self):
        script = Path(__file__).parents[2] / "tests" / "mariadb" / "run"
        told = Path(servers.PROGRAMS["folder"]) / "mariadb"
        told.unlink(missing_ok=True)
        # Its command waits, and tells where the database is.
        command = f'echo "$FLEETWARD_TEST_MYSQL_URL" > {told}.new && mv {told}.new {told} && read -r _'
        self.process = servers.subprocess.Popen(
            [script, "bash", "-c", command], stdin=servers.subprocess.PIPE,
            stdout=servers.subprocess.DEVNULL, stderr=servers.subprocess.DEVNULL,
            # More than the databases of all its fleets take, as `fleetward doctor` asks for.
            env={**servers.os.environ, "MARIADB_BUFFER_POOL": "1G"},
        )
        end = time.monotonic() + 60
        while not told.exists():
            if time.monotonic() > end or self.process.poll() is not None:
                self.__exit__()
                raise Trouble("MariaDB did not start")
            time.sleep(0.1)
        url, number = told.read_text().strip(), 0
        port = url.rsplit(":", 1)[1]

        def database(_):
            nonlocal number
            number += 1
            name = f"fleet_{number}_{time.monotonic_ns()}"
            client = ["mariadb", "--no-defaults", "--user=root", "--host=127.0.0.1", f"--port={port}", "--skip-ssl"]
            servers.subprocess.run([*client, "-e", f"CREATE DATABASE {name}"], check=True, capture_output=True)
            return f"{url}/{name}"

        return database

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=30)
            except servers.subprocess.TimeoutExpired:
                self.process.terminate()
