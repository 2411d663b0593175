"""A fleet server written the natural way on Tornado, to be measured beside Fleetward.

One process. A device says hello, is welcomed, and reports; a report goes into the log and the database, and is
acknowledged after the commit: one commit for each report, or one for all that came within 50 ms (--batched).
POST /update asks every device whether it needs a version, and saves nothing.
"""

import argparse
import asyncio
import json
import sqlite3
import time
from pathlib import Path

import tornado.web
import tornado.websocket

DEVICES = {}


class Reports:
    """The log and the database."""

    def __init__(self, folder, batched):
        folder.mkdir(parents=True, exist_ok=True)
        self.log = open(folder / "status.log", "a", encoding="utf-8")
        self.db = sqlite3.connect(folder / "fleet.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("CREATE TABLE IF NOT EXISTS status (device_id TEXT PRIMARY KEY, at REAL, body TEXT)")
        self.db.execute("CREATE TABLE IF NOT EXISTS samples (device_id TEXT, at REAL, cpu REAL, speed REAL)")
        self.batched = batched
        self.waiting = []

    def add(self, device, report):
        self.waiting.append((device, report))
        if not self.batched:
            self.commit()

    def commit(self):
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        now = time.time()
        self.db.execute("BEGIN IMMEDIATE")
        for device, report in waiting:
            body = json.dumps(report)
            self.log.write(f"{now}, {device.device_id}, {body}\n")
            self.db.execute("INSERT OR REPLACE INTO status VALUES (?, ?, ?)", (device.device_id, now, body))
            self.db.execute(
                "INSERT INTO samples VALUES (?, ?, ?, ?)",
                (device.device_id, now, report.get("cpu_utilization"), report.get("speed")),
            )
        self.log.flush()
        self.db.execute("COMMIT")
        for device, report in waiting:
            device.acknowledge(report)

    async def commit_for_ever(self):
        while True:
            await asyncio.sleep(0.05)
            self.commit()


class Device(tornado.websocket.WebSocketHandler):
    device_id = None

    def initialize(self, reports):
        self.reports = reports

    def check_origin(self, origin):
        return True

    def on_message(self, text):
        message = json.loads(text)
        if "version_list" in message:
            self.device_id = message["device_id"]
            DEVICES[self.device_id] = self
            self.say(
                {
                    "type": "welcome",
                    "device_id": self.device_id,
                    "server_time": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
                    "report_interval_s": 30,
                    "protocol": 1,
                }
            )
        elif "timestamp" in message:
            self.reports.add(self, message)

    def acknowledge(self, report):
        self.say({"type": "ack", "seq": report["seq"], "boot_id": report["boot_id"]})

    def say(self, message):
        try:
            self.write_message(json.dumps(message))
        except tornado.websocket.WebSocketClosedError:
            pass

    def on_close(self):
        if DEVICES.get(self.device_id) is self:
            del DEVICES[self.device_id]


class Update(tornado.web.RequestHandler):
    def get(self):
        self.write({"devices": len(DEVICES)})

    def post(self):
        offer = {"app_name": "app1", "version": "2.0.0", "size": 1024, "sha256": "0" * 64}
        message = {"type": "update_list", "rollout_id": 1, "update_list": [offer]}
        for device in list(DEVICES.values()):
            device.say(message)
        self.write({"devices": len(DEVICES)})


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--batched", action="store_true")
    arguments = parser.parse_args()
    reports = Reports(arguments.folder, arguments.batched)
    routes = [("/ws", Device, {"reports": reports}), ("/update", Update)]
    tornado.web.Application(routes, log_function=lambda _: None).listen(arguments.port, "127.0.0.1", backlog=4096)
    if arguments.batched:
        asyncio.create_task(reports.commit_for_ever())
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
