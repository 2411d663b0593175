"""docs/benchmarks.md: the tables between two marks are written here, the rest by hand."""

from pathlib import Path

import picture

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

# A fleet of this many is what the bar of half a core is for.
REACHED, MISSED, UNKNOWN = "reached", "**not reached**", "not measured"


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def part(found, name):
    """What a part found; nothing when it failed or did not run."""
    of = found.get(name) or {}
    return {} if "failed" in of else of


def troubles(found):
    told = []
    for name, of in found.items():
        if isinstance(of, dict):
            told += [f"{name}: {of['failed']}"] if "failed" in of else []
            told += [f"{name}, {what}: {why}" for what, why in of.get("troubles", {}).items()]
    return [trouble.replace("|", "/").replace("\n", " ") for trouble in told]


def compared(value, bar, at_least=True):
    if value is None or bar is None:
        return UNKNOWN
    return REACHED if (value >= bar if at_least else value <= bar) else MISSED


def ratio(one, other):
    return None if not one or not other else one / other


def targets(found):
    """What is promised, what it was, and whether that is reached."""
    reports = part(found, "reports").get("servers", {})
    ours, bare = reports.get("fleetward", {}), reports.get("bare", {})
    library, batched = reports.get("fastwebsockets", {}), reports.get("tornado batched", {})
    rows = []

    def row(what, bar, value, text, at_least=True):
        rows.append([what, text if value is not None else "–", compared(value, bar, at_least)])

    value = ratio(ours.get("reports_per_s"), library.get("reports_per_s"))
    row("reports/s at least 50% of fastwebsockets, which only counts", 0.5, value, f"{(value or 0) * 100:.0f}%")
    value = ratio(ours.get("reports_per_s"), batched.get("reports_per_s"))
    row("reports/s at least 10 x Tornado with batched commits", 10, value, f"{value or 0:.1f} x")
    value = ratio(ours.get("cpu_us"), bare.get("cpu_us"))
    row("processor time a report at most 3 x the bare limit", 3, value, f"{value or 0:.1f} x", False)
    value = ours.get("idle_bytes")
    row("memory of an idle device at most 14 KB", 14_000, value, f"{(value or 0) / 1000:.1f} KB", False)
    value = ours.get("connects_per_s")
    row("connects, authenticated, at least 5,000/s", 5000, value, f"{number(value)}/s")
    fleets = part(found, "fleet").get("found", {})
    fleet, one = fleets.get("all", {}), fleets.get("one process", {})
    value = fleet.get("cores")
    row(f"{number(fleet.get('devices'))} devices at 30 s: at most half a core", 0.5, value, f"{value or 0:.2f} cores",
        False)
    value = fleet.get("p99_ms")
    row("... and acknowledged within 150 ms at p99", 150, value, f"{value or 0:.0f} ms", False)
    value = one.get("cores")
    row(f"as many reports from {number(one.get('devices'))} devices, in one process: at most half a core", 0.5, value,
        f"{value or 0:.2f} cores", False)
    value = one.get("p99_ms")
    row("... and acknowledged within 150 ms at p99", 150, value, f"{value or 0:.0f} ms", False)
    asked = part(found, "update-list").get("servers", {})
    value = asked.get("fleetward", {}).get("last_ms")
    row("`update_list` to 10,000 devices: the last has it within 300 ms", 300, value, f"{value or 0:.0f} ms", False)
    value = ratio(asked.get("tornado, saving nothing", {}).get("last_ms"), value)
    row("... and 3 x sooner than from Tornado, which saves nothing", 3, value, f"{value or 0:.1f} x")
    for label, of in part(found, "push").get("servers", {}).items():
        value = ratio(of.get("fleetward", {}).get("gb_per_s"), of.get("nginx sendfile", {}).get("gb_per_s"))
        row(f"package push, {label}: at least nginx's sendfile", 1, value, f"{value or 0:.2f} x")
    rollout = part(found, "rollout")
    value = rollout.get("plan_s")
    row(f"a rollout over {number(rollout.get('devices'))} devices: planned in 3 s", 3, value, f"{value or 0:.2f} s", False)
    for what in ("the overview, as a page", "the fleet, as a page", "a rollout's progress, as a page"):
        value = rollout.get("looks", {}).get(what, {}).get("p99_ms")
        row(f"... {what}, within 100 ms at p99", 100, value, f"{value or 0:.0f} ms", False)
    return table(["target", "measured", ""], rows)


def reports_table(found):
    of = part(found, "reports")
    if not of:
        return []
    rows = [
        [name, number(x["reports_per_s"]), number(x["cpu_us"], 1), number(x["p99_ms"]), number(x["idle_bytes"]),
         number(x["connects_per_s"]), str(x["rounds"])]
        for name, x in of["servers"].items()
    ]
    head = ["server", "reports/s", "µs of processor a report", "p99 of an acknowledgement, ms",
            "bytes of memory an idle connection", "connects/s", "rounds"]
    return ["", f"### Reports, closed loop, {of['devices']:,} devices", "", *table(head, rows)]


def update_table(found):
    of = part(found, "update-list")
    if not of:
        return []
    rows = [[name, number(x["last_ms"]), number(x["answered_ms"])] for name, x in of["servers"].items()]
    return ["", f"### One `update_list` to {of['devices']:,} devices", "",
            *table(["server", "the last device has it after, ms", "the button is answered after, ms"], rows)]


def push_table(found):
    of = part(found, "push")
    if not of:
        return []
    rows = [
        [label, name, number(x["gb_per_s"], 2), number(x["kb_each"])]
        for label, kinds in of["servers"].items() for name, x in kinds.items()
    ]
    return ["", "### Package bytes", "",
            *table(["", "server", "GB/s", "KB of memory a connection, at most"], rows)]


def rollout_table(found):
    of = part(found, "rollout")
    if not of:
        return []
    rows = [["plan", number(of["plan_s"] * 1000), ""], ["start", number(of["start_s"] * 1000), ""]]
    rows += [[f"look at {what}", number(x["p50_ms"], 1), number(x["p99_ms"], 1)] for what, x in of["looks"].items()]
    return ["", f"### A rollout over {of['devices']:,} devices, and what is looked at meanwhile", "",
            *table(["", "ms", "p99, ms"], rows), "",
            f"The process has {number(of['memory_mb'])} MB then."]


def fleet_table(found):
    rows = [["SQLite", x] for x in part(found, "fleet").get("found", {}).values()]
    rows += [[kind, x] for kind, several in part(found, "curve").get("found", {}).items() for x in several]
    if not rows:
        return []
    cells = [
        [kind, number(x["devices"]), number(x["interval_s"], 1), number(x["processes"]),
         number(x["reports_per_s"]), number(x["cores"], 3), number(x["p50_ms"], 1),
         number(x["p99_ms"], 1), number(x["max_ms"]), number(x["kb_each"], 1), number(x["errors"])]
        for kind, x in rows
    ]
    head = ["database", "devices", "one report in, s", "server processes", "reports/s", "cores", "acknowledged p50, ms",
            "p99", "longest", "KB a device", "errors"]
    return ["", "### A fleet at its usual pace", "", *table(head, cells)]


def write(found, docs, source):
    machine = found.get("machine", {})
    lines = [
        BEGIN,
        "",
        f"Measured {found.get('date')} on {machine.get('processor')}, {machine.get('cores')} cores, "
        f"{machine.get('memory_gib')} GiB, Linux {machine.get('kernel')}; a write of 64 KiB is on disk after "
        f"{found.get('disk', 0):.2f} ms; at most {number(found.get('open_files'))} open files a process. "
        f"It took {found.get('minutes')} minutes.",
        "",
        *targets(found),
        *reports_table(found),
        *update_table(found),
        *push_table(found),
        *rollout_table(found),
        *fleet_table(found),
    ]
    curves = part(found, "curve").get("found", {})
    if curves:
        for name, key, what in (
            ("cores", "cores", "processor cores"),
            ("acknowledged", "p99_ms", "p99 of an acknowledgement, ms"),
            ("memory", "kb_each", "KB of memory a device"),
        ):
            series = {kind: [(x["devices"], x[key]) for x in several] for kind, several in curves.items()}
            (docs / f"benchmarks-{name}.svg").write_text(picture.curve(series, "devices", what))
            lines += ["", f"![{what}, by devices](benchmarks-{name}.svg)"]
    told = troubles(found)
    if told:
        lines += ["", "Not measured:", "", *(f"- {trouble}" for trouble in told)]
    lines += ["", END]
    text = source.read_text()
    before, _, behind = text.partition(BEGIN)
    _, _, behind = behind.partition(END)
    Path(docs / "benchmarks.md").write_text(before + "\n".join(lines) + behind)
