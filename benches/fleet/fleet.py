"""Measures Fleetward beside other servers, and writes what was found into docs/benchmarks.md. See `run`."""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import engine
import measure
import page
import servers

PARTS = {
    "reports": measure.reports,
    "update-list": measure.update_list,
    "push": measure.push,
    "rollout": engine.rollout,
    "fleet": measure.fleet,
    "curve": measure.curve,
}
MIB = measure.MIB

FULL = {
    "quick": False, "devices": 10000, "rounds": 5, "settle": "2s", "measure": "4s", "settle_spread": "10s",
    "measure_spread": "20s", "fleet": 100000, "connect_rate": 4000,
    "pushes": [("64 MiB x 24", 64 * MIB, 24), ("4 MiB x 1,000", 4 * MIB, 1000)],
    "curve": {"SQLite": [1000, 10000, 50000], "MariaDB": [1000, 10000, 50000]},
}
QUICK = {
    "quick": True, "devices": 200, "rounds": 1, "settle": "200ms", "measure": "1s", "settle_spread": "1s",
    "measure_spread": "2s", "fleet": 200, "connect_rate": 2000,
    "pushes": [("1 MiB x 4", MIB, 4), ("64 KiB x 50", 65536, 50)],
    "curve": {"SQLite": [50, 100, 200], "MariaDB": [50, 100]},
}


def main():
    parser = argparse.ArgumentParser(prog="benches/fleet/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="in small, to see that it works; docs stay as they are")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given several times")
    parser.add_argument("--devices", type=int, help="devices of the closed loop and of update_list")
    parser.add_argument("--rounds", type=int, help="rounds of what is measured in pairs")
    parser.add_argument("--results", type=Path, help="where the figures go [default: target/fleet-results.json]")
    parser.add_argument("--write-only", action="store_true", help="measure nothing: write the page of the last results")
    for program in ("fleetward", "servers", "tornado"):
        parser.add_argument(f"--{program}", required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = SimpleNamespace(**(QUICK if arguments.quick else FULL))
    sizes.devices = arguments.devices or sizes.devices
    sizes.rounds = arguments.rounds or sizes.rounds
    results = arguments.results or Path("target/fleet-quick.json" if arguments.quick else "target/fleet-results.json")
    found = {}
    if results.exists() and (arguments.only or arguments.write_only):
        found = json.loads(results.read_text())
    if not arguments.write_only:
        fresh = measured(arguments, sizes)
        # How long all of it takes is said of the last time that all of it ran.
        found = {**found, **fresh, "minutes": found.get("minutes", fresh["minutes"])} if arguments.only else fresh
        results.parent.mkdir(exist_ok=True)
        results.write_text(json.dumps(found, indent=1))
    docs = Path("target/fleet-quick") if arguments.quick else Path("docs")
    docs.mkdir(parents=True, exist_ok=True)
    page.write(found, docs, Path("docs/benchmarks.md"))
    print(f"written: {docs}/benchmarks.md", file=sys.stderr)
    troubles = page.troubles(found)
    for trouble in troubles:
        print(f"not measured: {trouble}", file=sys.stderr)


def measured(arguments, sizes):
    begun = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - begun:7.1f} s  {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="fleet-bench-", dir=os.environ.get("TMPDIR", "/tmp")) as folder:
        Path(folder).chmod(0o755)
        servers.PROGRAMS.update(
            fleetward=arguments.fleetward, servers=arguments.servers, tornado=arguments.tornado, folder=folder
        )
        found = {"machine": servers.machine(), "date": time.strftime("%Y-%m-%d", time.gmtime())}
        found["open_files"] = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        found["disk"] = fsync_ms(folder)
        for name in arguments.only or PARTS:
            say(f"{name} begins")
            try:
                found[name] = PARTS[name](sizes, say)
            except Exception as trouble:
                found[name] = {"failed": str(trouble)}
                say(f"{name}: {trouble}")
        found["minutes"] = round((time.monotonic() - begun) / 60, 1)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def fsync_ms(folder):
    """How long this disk takes to keep 64 KiB: the middle of 50."""
    times = []
    with open(Path(folder) / "probe", "wb") as probe:
        for _ in range(50):
            probe.write(bytes(65536))
            probe.flush()
            begun = time.monotonic()
            os.fdatasync(probe.fileno())
            times.append((time.monotonic() - begun) * 1000)
    return sorted(times)[25]


if __name__ == "__main__":
    main()
