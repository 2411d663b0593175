"""A rollout over a fleet that is in the database, and the questions that pages ask of it."""

import sqlite3
import statistics
import time
import urllib.parse
import urllib.request

import servers
from servers import Fleetward

PASSWORD = "a long enough one"
FILTER = urllib.parse.quote("module.app1 < 2 and not online and cpu > 10")

FREE = {"FLEETWARD_LIMITS_API_READS_PER_S": "1000000", "FLEETWARD_LIMITS_API_WRITES_PER_S": "1000000"}


def fill(server, devices):
    """Devices as if they had been here and gone: written straight into the database."""
    now = int(time.time() * 1000)
    database = sqlite3.connect(server.folder / "data" / "fleetward.db", timeout=30)
    names = [f"terminal-{number:06}" for number in range(1, devices + 1)]
    database.executemany(
        "INSERT INTO devices (device_id, name, search_key, online, since, created_at, may_enrol_again) "
        "VALUES (?, ?, ?, 0, ?, ?, 0)",
        ((name, name, f"{name}\n{name}", now, now) for name in names),
    )
    keys = [key for (key,) in database.execute("SELECT key_id FROM devices")]
    database.executemany(
        "INSERT INTO device_modules (key_id, module, version, since) VALUES (?, 'app1', '1.0.0', ?)",
        ((key, now) for key in keys),
    )
    body = '{"timestamp":"2026-01-01T00:00:00.000Z","cpu_utilization":12.5,"speed":42.0}'
    database.executemany(
        "INSERT INTO device_status (key_id, reported_at, received_at, cpu_utilization, speed) "
        "VALUES (?, ?, ?, 12.5, 42.0)",
        ((key, now, now) for key in keys),
    )
    database.executemany("INSERT INTO device_reports (key_id, body) VALUES (?, ?)", ((key, body) for key in keys))
    database.commit()
    database.close()


def asked(ask, path, times):
    """Milliseconds until the answer is there."""
    took = []
    for _ in range(times):
        begun = time.monotonic()
        ask(path)
        took.append((time.monotonic() - begun) * 1000)
    took.sort()
    return {"p50_ms": statistics.median(took), "p99_ms": took[min(len(took) - 1, int(len(took) * 0.99))]}


def browser(server):
    """Opens pages as somebody who has signed in."""
    server.made("user", "add", "bench", "--role", "admin", "--password-stdin", told=f"{PASSWORD}\n")
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    form = urllib.parse.urlencode({"name": "bench", "password": PASSWORD}).encode()
    opener.open(server.url + "/login", data=form, timeout=60).read()

    def show(path):
        with opener.open(server.url + path, timeout=60) as answer:
            page = answer.read()
            if "/login" in answer.geturl() or len(page) < 1000:
                raise servers.Trouble(f"{path} was not shown")

    return show


def rollout(sizes, say):
    """Planned, started, looked at."""
    rows = []
    for number in range(min(3, sizes.rounds)):
        with Fleetward(**FREE) as server:
            fill(server, sizes.fleet)
            server.upload("2.0.0", 1024)
            wanted = {"packages": [{"name": "app1", "version": "2.0.0"}], "policy": {"stages": [{"percent": 100}]}}
            begun = time.monotonic()
            server.api("POST", "/api/v1/rollouts/plan", wanted)
            planned = time.monotonic()
            started = server.start_rollout("2.0.0", 1000)
            row = {"plan_s": planned - begun, "start_s": time.monotonic() - planned}
            times = 20 if sizes.quick else 100
            api, show = lambda path: server.api("GET", path), browser(server)
            row["looks"] = {
                "the first page of devices": asked(api, "/api/v1/devices?limit=100", times),
                "devices that run `app1` 1.0.0": asked(api, "/api/v1/devices?limit=100&module=app1&version=1.0.0", times),
                "the rollout": asked(api, f"/api/v1/rollouts/{started['id']}", times),
                "its progress table": asked(api, f"/api/v1/rollouts/{started['id']}/devices?limit=100", times),
                "the overview, as a page": asked(show, "/", times),
                "the fleet, as a page": asked(show, "/devices", times),
                "the fleet by a filter, as a page": asked(show, f"/devices?filter={FILTER}", times),
                "a rollout's progress, as a page": asked(show, f"/rollouts/{started['id']}", times),
            }
            row["memory_mb"] = servers.memory_kb(server.pid) / 1000
            say(f"round {number + 1}: {row}")
            rows.append(row)
    middle = sorted(rows, key=lambda row: row["plan_s"] + row["start_s"])[len(rows) // 2]
    return {"devices": sizes.fleet, **middle}
