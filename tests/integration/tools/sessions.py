# tests/integration/tools/sessions.py - sessions that are not: sockets that answer as faultin-control(5) says.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: sessions.py DIRECTORY READY LOG WORD...
#
# Each WORD is a session:
#   plain     has 3 tasks and a child; each status is a second and 1000 drained pages later than the last
#   hostile   its texts are what no terminal and no parser should meet
#   mute      takes connections, and says nothing
#   failing   has pages that could not be read, and spaces that could not be served
#   crowded   has 200 tasks
# Their names are 1000, 1001 and so on.  The file READY is made when all listen; each command but status
# is a line in LOG.
import json
import os
import selectors
import socket
import sys

HOSTILE = "a\x1b[31mred\x1b]0;title\x07\r\n\"quoted\\\" }\t\u202eright\u0301 \u4e16\u754c\U0001f600"


def pages(lazy, owed, demanded, drained):
    return {"lazy": lazy, "owed": owed, "demanded": demanded, "drained": drained, "zero": 10,
            "dropped": 20, "poisoned": 0}


class Session:
    def __init__(self, word, name):
        self.word, self.name, self.looks = word, name, 0
        self.paused = self.full = False

    def space(self, i, owed):
        child = i == 3 and self.word != "crowded"
        return {"id": i + 1, "parent": 1 if child else 0, "vpid": i + 10, "pid": 0 if i == 2 else i + 32100,
                "name": HOSTILE if self.word == "hostile" else "worker-%d" % i,
                "failed": self.word == "failing" and i == 1, "faults": 40 * i, "forks": 0,
                "pages": pages(65536, max(0, owed - 100 * i), 400, 1000 * self.looks)}

    def status(self):
        if not self.paused:
            self.looks += 1
        owed = max(0, 262144 - 1000 * self.looks)
        nr = 200 if self.word == "crowded" else 4
        failing = self.word == "failing"
        counts = [0 if 2 ** i < 8192 else 960 if 2 ** i < 65536 else 1000 for i in range(10, 35)]
        session = {
            "name": self.name, "program": "0", "uid": 4711, "container": "c" * 64 if self.word == "plain" else "",
            "image": HOSTILE if self.word == "hostile" else "/var/lib/checkpoints/" + self.word,
            "state": HOSTILE if self.word == "hostile" else "draining", "engines": 2 if failing else 1,
            "now_us": 1000000 * self.looks, "total_us": 2500000, "restore_us": 50000,
            "drain": {"paused": self.paused, "full": self.full, "rate": 0},
            "tasks": 3, "zombies": 0, "live": nr, "forks": 1, "failed": 1 if failing else 0,
            "faults": 1000 + 50 * self.looks, "pages": pages(262144, owed, 5000, 1000 * self.looks),
            "latency_ns": {"count": 1000, "p50": 14000, "p99": 80000, "max": 1200000, "sum": 20000000,
                           "buckets": [{"below": 2 ** (10 + i), "count": n} for i, n in enumerate(counts)]},
            "spaces": [self.space(i, owed // 4) for i in range(nr)]}
        if failing:
            session["pages"]["poisoned"] = 3
        return {"version": 1, "ok": True, "session": session}

    def reply(self, request):
        command = request["command"]
        if command == "status":
            return self.status()
        if command in ("pause", "resume"):
            self.paused = command == "pause"
        if command == "complete":
            self.full = True
        return {"version": 1, "ok": True}


def main():
    directory, ready, log, *words = sys.argv[1:]
    os.makedirs(directory, mode=0o700, exist_ok=True)
    selector = selectors.DefaultSelector()
    for i, word in enumerate(words):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("%s/%d" % (directory, 1000 + i))
        listener.listen(32)
        selector.register(listener, selectors.EVENT_READ, Session(word, str(1000 + i)))
    open(ready, "w").close()
    kept = []
    while True:
        for key, _ in selector.select():
            session = key.data
            connection, _ = key.fileobj.accept()
            if session.word == "mute":
                kept.append(connection)
                continue
            with connection, connection.makefile("rb") as lines:
                line = lines.readline()
                if not line:
                    continue
                request = json.loads(line)
                if request["command"] != "status":
                    with open(log, "a") as to:
                        print(session.name, request["command"], file=to)
                try:
                    connection.sendall(json.dumps(session.reply(request)).encode() + b"\n")
                except (BrokenPipeError, ConnectionResetError):
                    pass


main()
