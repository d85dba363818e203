# tests/bench/lib/restores.py - one restore of an image, in one of the modes, and its times.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The modes: plain is `criu restore`; peer is `criu lazy-pages` and `criu restore --lazy-pages`;
# serve is `faultin serve` in its place; plugin is `criu restore --lazy-pages --libdir`, alone.
#
# Time 0 is when nothing runs yet: the engine's start counts, since somebody waits for it.

import json
import os
import shutil
import time

from .images import tail
from .processes import Child, Trouble, children, end_all, name, now, spawn

MODES = ("plain", "peer", "serve", "plugin")
OURS = ("serve", "plugin")


class Hang(Exception):
    """What was waited for did not come in time."""


class Restore:
    def __init__(self, tools, image, mode, wrapper=(), work="work"):
        self.tools = tools
        self.image = image
        self.mode = mode
        self.wrapper = list(wrapper)
        self.work = os.path.join(image.dir, work)
        self.engine = None
        self.start = self.criu_start = self.returned = None
        self.said = 0

    # --- starting ---

    def engine_argv(self, fd):
        common = ["-D", self.image.img, "-W", self.work, "-o", "engine.log", "--status-fd", str(fd)]
        if self.mode == "peer":
            return [self.tools.criu, "lazy-pages"] + common
        return [self.tools.faultin, "serve"] + common + ["--json", "summary.json"]

    def start_engine(self):
        ours, its = os.pipe()
        try:
            self.engine = spawn(self.engine_argv(3), out=self.work + "/engine.out", pass_fd=(its, 3))
        finally:
            os.close(its)
        with os.fdopen(ours, "rb") as status:
            if status.read(1) != b"\0":  # end of file when it has died
                raise Trouble("the engine did not start: " + tail(self.work + "/engine.log"))

    def criu_argv(self):
        argv = [self.tools.criu, "restore", "-d", "-D", self.image.img, "-W", self.work,
                "--pidfile", "pid", "-o", "restore.log"]
        if self.mode != "plain":
            argv.append("--lazy-pages")
        if self.mode == "plugin":
            argv += ["--libdir", self.tools.plugin_dir]
        return self.wrapper + argv

    def once(self, seconds):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        self.start = now()
        if self.mode in ("peer", "serve"):
            self.start_engine()
        self.criu_start = now()
        criu = spawn(self.criu_argv(), out=self.work + "/restore.out",
                     env={"FAULTIN_BIN": self.tools.faultin})
        if criu.wait(seconds) is None:
            criu.kill()
            criu.wait(10)
            raise Hang(f"criu restore did not return in {seconds} s")
        self.returned = criu.ended
        if criu.status == 0 and self.mode == "plugin" and not self.wrapper:
            self.find_engine()
        return criu.status

    def find_engine(self):
        for pid in children(os.getpid()):
            if name(pid).startswith("faultin"):
                self.engine = Child(pid)
                return
        raise Trouble("the plugin started no engine: " + tail(self.work + "/restore.log"))

    def restore(self, command=None, seconds=120):
        """Restores, with a command waiting for the workload. A pid that somebody else on this
        machine has taken is no verdict: it is tried again."""
        for left in ("results", "go", "check"):
            try:
                os.unlink(self.image.path(left))
            except FileNotFoundError:
                pass
        if command:
            self.tell("go", command)
        for _ in range(8):
            status = self.once(seconds)
            if status == 0:
                return self
            log = tail(self.work + "/restore.log", 60)
            end_all()
            if "File exists" not in log:
                break
            time.sleep(1)
        raise Trouble(f"criu restore: exit status {status}\n" + tail(self.work + "/restore.log")
                      + "\n" + tail(self.work + "/engine.log"))

    # --- talking to the workload ---

    def tell(self, file, words):
        with open(self.image.path(file) + ".new", "w") as out:
            out.write(words + "\n")
        os.rename(self.image.path(file) + ".new", self.image.path(file))

    def result(self, seconds, nr=1):
        """The next nr lines that the workload has to say, or the only one."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with open(self.image.path("results")) as file:
                    lines = [line for line in file if line.endswith("\n")]
            except FileNotFoundError:
                lines = []
            if len(lines) >= self.said + nr:
                break
            if time.monotonic() > deadline:
                raise Hang(f"no result in {seconds} s")
            time.sleep(0.002)
        found = [json.loads(line) for line in lines[self.said:self.said + nr]]
        self.said += nr
        for result in found:
            if "failed" in result:
                raise Trouble("the workload failed: " + result["failed"])
            # to our own clock: a restored one's goes on from where it was at the dump
            ours = result["to_wall_ns"] - (time.time_ns() - now())
            for key in ("start_ns", "end_ns"):
                if key in result:
                    result[key] += ours
        return found[0] if nr == 1 else found

    def root(self):
        with open(self.work + "/pid") as file:
            return int(file.read())

    # --- ending ---

    def wait_engine(self, seconds):
        """Waits until the engine has ended by itself, all being served."""
        if self.engine and self.engine.wait(seconds) is None:
            raise Hang(f"the engine did not end in {seconds} s")

    def finish(self):
        """Ends the tree, then the engine. Returns what was not as it should be, or None."""
        complaint = None
        end_all(but=[self.engine] if self.engine else [])
        if self.engine:
            if self.engine.wait(10) is None:
                complaint = "the engine lives on without tasks"
                self.engine.end()
            elif self.engine.status != 0:
                complaint = (f"the engine ended with {self.engine.status}: "
                             + tail(self.work + "/engine.log", 3)
                             + tail(self.work + "/faultin.log", 3))
        return complaint

    def times(self):
        """What is known of every restore, in ms."""
        return {
            "engine_start_ms": (self.criu_start - self.start) / 1e6,
            "restore_ms": (self.returned - self.start) / 1e6,
        }
