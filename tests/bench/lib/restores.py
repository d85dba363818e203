# tests/bench/lib/restores.py - one restore of an image, in one of the modes, and its times.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The modes: plain is `criu restore`; peer is `criu lazy-pages` and `criu restore --lazy-pages`;
# serve is `faultin serve` in its place; plugin is `criu restore --lazy-pages --libdir`, alone;
# transparent is `criu restore --libdir`; bare is serve with --no-keeper: one process, which nobody looks
# after.
#
# Time 0 is when nothing runs yet: the engine's start counts, since somebody waits for it.

import json
import os
import re
import shutil
import time

from .images import tail
from .processes import Child, Trouble, children, end_all, name, now, spawn

MODES = ("plain", "peer", "serve", "plugin", "transparent", "bare")
OURS = ("serve", "plugin", "transparent")
BY_PLUGIN = ("plugin", "transparent")

# How often we look whether the work is done.  Its times are its own; a look wakes a CPU, which moves
# threads about, ours and everybody's.
LOOK_SECONDS = 0.05


class Late(Exception):
    """What was waited for did not come in time."""


def tell(image, file, words):
    """Leaves words for the workload, all of them at once."""
    with open(image.path(file) + ".new", "w") as out:
        out.write(words + "\n")
    os.rename(image.path(file) + ".new", image.path(file))


def prepare(image, command):
    """Removes what an earlier copy left, and leaves a command for the next."""
    for left in ("results", "go", "check"):
        try:
            os.unlink(image.path(left))
        except FileNotFoundError:
            pass
    if command:
        tell(image, "go", command)


def results(image, seconds, nr=1, restore=None):
    """The nr lines of results that there are to be, with times by our own clock: a restored one's
    goes on from where it was at the dump."""
    deadline = time.monotonic() + seconds
    lines = []
    while len(lines) < nr:
        if time.monotonic() > deadline:
            raise Late(f"{len(lines)} of {nr} results in {seconds} s")
        if restore and restore.root_ended():
            raise Trouble("the workload has ended without a result")
        try:
            with open(image.path("results")) as file:
                lines = [line for line in file if line.endswith("\n")]
        except FileNotFoundError:
            pass
        time.sleep(LOOK_SECONDS)
    found = [json.loads(line) for line in lines]
    for result in found:
        if "failed" in result:
            raise Trouble("the workload failed: " + result["failed"])
        ours = result["to_wall_ns"] - (time.time_ns() - now())
        for key in ("start_ns", "first_ns", "end_ns"):
            if key in result:
                result[key] += ours
    return found


class Restore:
    def __init__(self, tools, image, mode, work="work"):
        self.tools = tools
        self.image = image
        self.mode = mode
        self.work = os.path.join(image.dir, work)
        self.engine = None
        self.watch = lambda: None  # called now and then while CRIU restores
        self.start = self.criu_start = self.returned = None

    # --- starting ---

    def engine_argv(self, fd):
        common = ["-D", self.image.img, "-W", self.work, "-o", "engine.log", "--status-fd", str(fd)]
        if self.mode == "peer":
            return [self.tools.criu, "lazy-pages"] + common
        bare = ["--no-keeper"] if self.mode == "bare" else []
        return [self.tools.faultin, "serve"] + common + ["--json", "summary.json"] + bare

    def start_engine(self):
        ours, its = os.pipe()
        try:
            self.engine = spawn(self.engine_argv(3), out=self.work + "/engine.out",
                                pass_fd=(its, 3))
        finally:
            os.close(its)
        with os.fdopen(ours, "rb") as status:
            if status.read(1) != b"\0":  # end of file when it has died
                raise Trouble("the engine did not start: " + tail(self.work + "/engine.log"))

    def criu_argv(self):
        argv = [self.tools.criu, "restore", "-d", "-D", self.image.img, "-W", self.work,
                "--pidfile", "pid", "-o", "restore.log"]
        if self.mode not in ("plain", "transparent"):
            argv.append("--lazy-pages")
        if self.mode in BY_PLUGIN:
            argv += ["--libdir", self.tools.plugin_dir]
        return argv

    def once(self, seconds):
        """One attempt. Returns the exit status of CRIU."""
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        self.engine = None
        self.start = now()
        if self.mode in ("peer", "serve", "bare"):
            self.start_engine()
        self.criu_start = now()
        return self.run_criu(seconds)

    def run_criu(self, seconds):
        criu = spawn(self.criu_argv(), out=self.work + "/restore.out",
                     env={"FAULTIN_BIN": self.tools.faultin})
        deadline = time.monotonic() + seconds
        while criu.wait(0.02) is None:
            if time.monotonic() > deadline:
                criu.end()
                raise Late(f"criu restore did not return in {seconds} s")
            if self.mode in BY_PLUGIN and not self.engine:
                self.find_engine()
            self.watch()
        self.returned = criu.ended
        if self.mode in BY_PLUGIN and not self.engine and criu.status == 0:
            self.find_engine()
            if not self.engine:
                raise Trouble("the plugin started no engine: " + tail(self.work + "/restore.log"))
        return criu.status

    def find_engine(self):
        """What the plugin starts is our child when the one between has ended."""
        for pid in children(os.getpid()):
            if name(pid).startswith("faultin"):
                self.engine = Child(pid)

    def restore(self, command=None, seconds=120):
        """Restores, with a command waiting for the workload. A pid that somebody else on this
        machine has taken is no verdict: it is tried again."""
        prepare(self.image, command)
        for _ in range(8):
            status = self.once(seconds)
            if status == 0:
                return self
            end_all()
            log = tail(self.work + "/restore.log", 60)
            if not re.search("Can't fork for .*: File exists", log):
                break
            time.sleep(1)
        raise Trouble(f"criu restore: exit status {status}\n" + tail(self.work + "/restore.log")
                      + "\n" + tail(self.work + "/engine.log"))

    def root_ended(self):
        with open(self.work + "/pid") as file:
            pid = int(file.read())
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    # --- ending ---

    def wait_engine(self, seconds):
        """Waits until the engine has ended by itself, all being served."""
        if self.engine and self.engine.wait(seconds) is None:
            raise Late(f"the engine did not end in {seconds} s")

    def finish(self):
        """Ends the tree, then the engine. Returns what was not as it should be, or None."""
        end_all(but=[self.engine] if self.engine else [])
        return self.end_engine()

    def end_engine(self):
        """The engine has to end by itself, with 0, when no task is left."""
        if not self.engine:
            return None
        if self.engine.wait(10) is None:
            self.engine.end()
            return "the engine lives on without tasks"
        if self.engine.status != 0:
            return (f"the engine ended with {self.engine.status}: "
                    + tail(self.work + "/engine.log", 3) + tail(self.work + "/faultin.log", 3))
        return None

    def times(self):
        """What is known of every restore, in ms."""
        return {
            "engine_start_ms": (self.criu_start - self.start) / 1e6,
            "restore_ms": (self.returned - self.start) / 1e6,
        }


class Clone(Restore):
    """One of many restores of an image at once, each in a pid namespace of its own."""

    def run_criu(self, seconds):
        file = os.path.join(self.work, "returned")
        helper = spawn([self.tools.pidns, file] + self.criu_argv(), out=self.work + "/restore.out",
                       env={"FAULTIN_BIN": self.tools.faultin})
        deadline = time.monotonic() + seconds
        while not os.path.exists(file):
            if helper.wait(0.002) is not None:
                raise Trouble("no pid namespace: " + tail(self.work + "/restore.out"))
            if time.monotonic() > deadline:
                raise Late(f"criu restore did not return in {seconds} s")
        with open(file) as told:
            status, self.returned = [int(word) for word in told.read().split()]
        return status
