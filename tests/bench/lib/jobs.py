# tests/bench/lib/jobs.py - what is measured: images, and the jobs that restored copies of them do.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A job's function does one restore in one mode and returns its measures, by name; what they are is
# in METRICS. Jobs that use one image stand together, so that it is made once.

import os
import time

from .images import dump_workload
from .processes import Trouble, descendants, memory_of, now
from .restores import OURS, Hang, Restore

MIB = 1 << 20

# name: (what it is, unit); less is better for all of them
METRICS = {
    "restore_ms": ("restore returns", "ms"),
    "engine_start_ms": ("of that, the engine's start", "ms"),
    "first_ms": ("the task runs", "ms"),
    "work_ms": ("work", "ms"),
    "done_ms": ("work done, from the start", "ms"),
    "p50_us": ("a touch: p50", "us"),
    "p99_us": ("a touch: p99", "us"),
    "max_us": ("a touch: max", "us"),
    "fork_p50_us": ("fork(): p50", "us"),
    "fork_p99_us": ("fork(): p99", "us"),
    "fork_max_us": ("fork(): max", "us"),
    "tree_mib": ("memory of the tree", "MiB"),
    "resident_ms": ("all resident, from the start", "ms"),
    "drain_ms": ("all resident, after the return", "ms"),
    "engine_cpu_s": ("engine's CPU time", "s"),
    "engine_anon_mib": ("engine's own memory", "MiB"),
    "engine_pte_mib": ("engine's page tables", "MiB"),
    "engine_hwm_mib": ("engine's peak, mapped files too", "MiB"),
}


class Wrong(Exception):
    """The workload read what it should not have."""


def judge(result):
    if result.get("wrong"):
        raise Wrong(f"{result['wrong']} wrong pages")


def touches(result, measures):
    for key in ("p50", "p99", "max", "fork_p50", "fork_p99", "fork_max"):
        if key + "_ns" in result:
            measures[key + "_us"] = result[key + "_ns"] / 1e3
    if "tree_kb" in result:
        measures["tree_mib"] = result["tree_kb"] / 1024


class Job:
    """image: what dump_workload takes, or None; shows: the metrics in the table."""

    caches = ("hot",)

    def __init__(self, name, image, shows, rounds=3, caches=("hot",), about="", patience=60):
        self.name = name
        self.image = image
        self.shows = shows
        self.rounds = rounds
        self.caches = caches
        self.about = about
        self.patience = patience

    def dump(self, directory, tools):
        return dump_workload(directory, tools, self.image)

    def modes(self, modes):
        return modes

    def measure(self, tools, image, mode):
        """One restore. Returns (measures, complaint or None)."""
        restore = Restore(tools, image, mode)
        try:
            measures = self.during(restore)
        except BaseException:
            restore.finish()
            raise
        complaint = restore.finish()
        if restore.engine:
            measures["engine_cpu_s"] = restore.engine.cpu
        return measures, complaint


class Work(Job):
    """The restored workload does something at once."""

    def __init__(self, name, image, command, shows, **more):
        super().__init__(name, image, shows, **more)
        self.command = command

    def during(self, restore):
        restore.restore(self.command)
        result = restore.result(self.patience)
        judge(result)
        measures = restore.times()
        measures["first_ms"] = (result["start_ns"] - restore.start) / 1e6
        measures["work_ms"] = (result["end_ns"] - result["start_ns"]) / 1e6
        measures["done_ms"] = (result["end_ns"] - restore.start) / 1e6
        touches(result, measures)
        return measures


class Idle(Job):
    """Nobody touches anything until all of it is resident."""

    def during(self, restore):
        restore.restore("idle")
        restore.wait_engine(self.patience)
        at = restore.engine.ended if restore.engine else restore.returned
        rss = sum(memory_of(pid).get("smaps.Rss", 0) for pid in descendants(os.getpid())) << 10
        if rss < restore.image.size():
            raise Trouble(f"the engine has ended, and {rss >> 20} of {restore.image.size() >> 20} "
                          "MiB are resident")
        restore.tell("check", "all")
        judge(restore.result(self.patience))
        measures = restore.times()
        measures["resident_ms"] = (at - restore.start) / 1e6
        measures["drain_ms"] = max(0, at - restore.returned) / 1e6
        return measures


class Scale(Job):
    """How soon a restore returns, and what its engine needs meanwhile and a little later."""

    WATCH = 3  # seconds

    def during(self, restore):
        restore.restore("idle")
        measures = restore.times()
        engine = restore.engine
        peak = {}
        until = time.monotonic() + self.WATCH
        while engine and engine.wait(0.01) is None and time.monotonic() < until:
            for field, kb in memory_of(engine.pid).items():
                peak[field] = max(peak.get(field, 0), kb)
        if peak:
            measures["engine_anon_mib"] = peak["RssAnon"] / 1024
            measures["engine_pte_mib"] = peak["VmPTE"] / 1024
            measures["engine_hwm_mib"] = peak["VmHWM"] / 1024
        return measures


TOUCH = ["work_ms", "p50_us", "p99_us", "max_us"]


def all_jobs(quick):
    """The jobs of a full or a quick run, in their order."""
    big = ["area", "1024" if quick else "4096"]
    some = ["area", "256" if quick else "1024"]
    small = ["area", "64" if quick else "256"]
    touched = "5000" if quick else "20000"
    both = ("hot", "cold")
    return [
        Work("random-touch", big, f"random {touched} 1", ["restore_ms"] + TOUCH + ["done_ms"],
             caches=both, about=f"{touched} random pages of {big[1]} MiB"),
        Idle("idle-drain", big, ["restore_ms", "resident_ms", "engine_cpu_s"], caches=both,
             about=f"{big[1]} MiB, nobody touching them"),
    ]
