# tests/bench/lib/jobs.py - what can be measured: the kinds of jobs that restored copies do.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A job's function does one restore in one mode and returns its measures, by name; what they are is
# in METRICS. Which jobs there are, is in plan.py.

import os
import time
from concurrent.futures import ThreadPoolExecutor

from .images import redis_keys
from .processes import Trouble, descendants, end_all, memory_of, now, run, spawn
from .restores import BY_PLUGIN, Clone, Restore, prepare, results, tell

# name: (what it is, unit); less is better for all of them
METRICS = {
    "restore_ms": ("restore returns", "ms"),
    "runtime_ms": ("of that, podman's runtime", "ms"),
    "engine_start_ms": ("of that, the engine's start", "ms"),
    "first_ms": ("the task runs", "ms"),
    "reply_ms": ("first verified reply", "ms"),
    "work_ms": ("work", "ms"),
    "done_ms": ("work done, from the start", "ms"),
    "p50_us": ("a touch: p50", "us"),
    "p99_us": ("a touch: p99", "us"),
    "max_us": ("a touch: max", "us"),
    "get_p50_us": ("a GET: p50", "us"),
    "get_p99_us": ("a GET: p99", "us"),
    "get_p999_us": ("a GET: p99.9", "us"),
    "get_max_us": ("a GET: max", "us"),
    "save_ms": ("BGSAVE", "ms"),
    "fork_p50_us": ("fork(): p50", "us"),
    "fork_p99_us": ("fork(): p99", "us"),
    "fork_max_us": ("fork(): max", "us"),
    "tree_mib": ("memory of the tree", "MiB"),
    "ready_p95_ms": ("restore returns: p95", "ms"),
    "work_p95_ms": ("work: p95", "ms"),
    "done_p95_ms": ("work done, from the start: p95", "ms"),
    "all_mib": ("memory of all, engines too", "MiB"),
    "resident_ms": ("all resident, from the start", "ms"),
    "drain_ms": ("all resident, after the return", "ms"),
    "engine_cpu_s": ("engine's CPU time", "s"),
    "engine_anon_mib": ("engine's own memory", "MiB"),
    "engine_pte_mib": ("engine's page tables", "MiB"),
    "engine_hwm_mib": ("engine's peak, mapped files too", "MiB"),
    # the floor
    "copy_us": ("UFFDIO_COPY in bulk, a page", "us"),
    "anon_us": ("first touch of anonymous memory, a page", "us"),
    "fault_same_us": ("one fault, handler on the same CPU: p50", "us"),
    "fault_other_us": ("one fault, handler on another CPU: p50", "us"),
    "file_ms": ("20000 touches of the mapped pages file", "ms"),
    "file_p50_us": ("one of these: p50", "us"),
    "file_p99_us": ("one of these: p99", "us"),
}


class Wrong(Exception):
    """The workload read what it should not have."""


def judge(result):
    if result.get("wrong"):
        raise Wrong(f"{result['wrong']} wrong pages")


def quantiles(result, names):
    """What the workload says in ns as {name}_ns, by the names that it has here, in us."""
    return {ours: result[its + "_ns"] / 1e3 for its, ours in names.items() if its + "_ns" in result}


TOUCHES = {name: name + "_us" for name in ("p50", "p99", "max", "fork_p50", "fork_p99", "fork_max")}
GETS = {"p50": "get_p50_us", "p99": "get_p99_us", "p999": "get_p999_us", "max": "get_max_us",
        "fork_max": "fork_max_us"}

FAULTS = {name: name + "_us" for name in ("fault_same", "fault_other", "file_p50", "file_p99")}


def memory_of_all(pids):
    """MiB that are theirs: page cache would be there without them."""
    memories = [memory_of(pid) for pid in pids]
    return sum(m.get("smaps.Pss_Anon", 0) + m.get("smaps.Pss_Shmem", 0) for m in memories) / 1024


def status_of_all(pid):
    """The sums of what /proc/PID/status says of it and its descendants, in kB: an engine is a child of the
    process that was started.  What they share is counted for each."""
    sums = {}
    for each in [pid] + descendants(pid):
        for field, kb in memory_of(each, "status").items():
            sums[field] = sums.get(field, 0) + kb
    return sums


def p95(values):
    values = sorted(values)
    return values[-(-len(values) * 95 // 100) - 1]


class Job:
    """image: the words for images.dump; shows: the metrics in the table; headline: the one that the
    plot shows, if any; plugin: with the plugin's two modes, too, which differ from serve only in how
    a restore begins."""

    headline = None

    def __init__(self, name, image, shows, rounds=3, caches=("hot",), cold_rounds=1, about="",
                 patience=60, plugin=False):
        self.name = name
        self.image = image
        self.shows = shows
        self.rounds = {"hot": rounds, "cold": cold_rounds}
        self.caches = caches
        self.about = about
        self.patience = patience
        self.plugin = plugin

    def modes(self, modes):
        return [mode for mode in modes
                if mode != "bare" and (self.plugin or mode not in BY_PLUGIN)]

    def nr_rounds(self, cache, wanted):
        return wanted or self.rounds[cache]

    def conclude(self, figures):
        """A sentence about all rounds, or None."""
        return None

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

    headline = "done_ms"

    def __init__(self, name, image, command, shows, **more):
        super().__init__(name, image, shows, **more)
        self.command = command

    def during(self, restore):
        restore.restore(self.command)
        result = results(restore.image, self.patience, restore=restore)[0]
        judge(result)
        measures = restore.times()
        measures["first_ms"] = (result["start_ns"] - restore.start) / 1e6
        measures["work_ms"] = (result["end_ns"] - result["start_ns"]) / 1e6
        measures["done_ms"] = (result["end_ns"] - restore.start) / 1e6
        if "first_ns" in result:
            measures["reply_ms"] = (result["first_ns"] - restore.start) / 1e6
        if "tree_kb" in result:
            measures["tree_mib"] = result["tree_kb"] / 1024
        measures.update(quantiles(result, TOUCHES))
        return measures


class Supervision(Work):
    """What keepers and sandbox cost: with and without them by turns, in a quick run too."""

    headline = None

    def modes(self, modes):
        return [mode for mode in modes if mode in ("serve", "bare")]

    def nr_rounds(self, cache, wanted):
        return max(wanted or 0, self.rounds[cache])

    def conclude(self, figures):
        with_them, without = (figures.results(self.name, "hot", mode) for mode in ("serve", "bare"))
        if not with_them or not without:
            return None
        p50, base = with_them["p50_us"]["median"], without["p50_us"]["median"]
        restore, start = (with_them[metric]["median"] - without[metric]["median"]
                          for metric in ("restore_ms", "engine_start_ms"))
        return (f"{self.name}: keepers and sandbox cost {100 * (p50 / base - 1):+.1f} % of a fault's "
                f"p50 ({base:.2f} us without) and {start:+.1f} ms of the engine's start "
                f"({restore:+.1f} ms of the whole restore)")


class Idle(Job):
    """Nobody touches anything until all of it is resident."""

    headline = "resident_ms"

    def during(self, restore):
        restore.restore("idle")
        restore.wait_engine(self.patience)
        at = restore.engine.ended if restore.engine else restore.returned
        rss = sum(memory_of(pid).get("smaps.Rss", 0) for pid in descendants(os.getpid())) << 10
        if rss < restore.image.size():
            raise Trouble(f"the engine has ended, and {rss >> 20} of {restore.image.size() >> 20} "
                          "MiB are resident")
        tell(restore.image, "check", "all")
        judge(results(restore.image, self.patience, restore=restore)[0])
        measures = restore.times()
        measures["resident_ms"] = (at - restore.start) / 1e6
        measures["drain_ms"] = max(0, at - restore.returned) / 1e6
        return measures


class Scale(Job):
    """How soon a restore returns, and what its engine needs meanwhile and a little later."""

    WATCH = 3  # seconds

    def during(self, restore):
        peak = {}

        def look():
            if restore.engine:
                for field, kb in status_of_all(restore.engine.pid).items():
                    peak[field] = max(peak.get(field, 0), kb)

        restore.watch = look
        restore.restore("idle")
        until = time.monotonic() + self.WATCH
        while restore.engine and restore.engine.wait(0.01) is None and time.monotonic() < until:
            look()
        measures = restore.times()
        if peak:
            measures["engine_anon_mib"] = (peak["RssAnon"] + peak["RssShmem"]) / 1024
            measures["engine_pte_mib"] = peak["VmPTE"] / 1024
            measures["engine_hwm_mib"] = peak["VmHWM"] / 1024
        return measures


class Redis(Job):
    """A client asks from before the restore until it has its replies."""

    headline = "reply_ms"

    def client_words(self, restore):
        return ["gets", str(redis_keys(self.image)), "20000"]

    def during(self, restore):
        prepare(restore.image, None)
        client = spawn([restore.tools.redis_client, restore.image.run, *self.client_words(restore)])
        try:
            restore.restore()
            return self.replies(restore, client)
        finally:
            client.end()

    def replies(self, restore, client):
        result = results(restore.image, self.patience, restore=restore)[0]
        judge(result)
        measures = restore.times()
        measures["reply_ms"] = (result["start_ns"] - restore.start) / 1e6
        measures["work_ms"] = (result["end_ns"] - result["start_ns"]) / 1e6
        measures.update(quantiles(result, GETS))
        return measures


class RedisSave(Redis):
    """BGSAVE while memory is still to come; what it wrote is read back and judged."""

    headline = "save_ms"

    def client_words(self, restore):
        return ["save", str(redis_keys(self.image)), restore.image.path("dump.rdb")]

    def replies(self, restore, client):
        most = 0
        while client.wait(0.25) is None:
            most = max(most, memory_of_all(pid for pid in descendants(os.getpid())
                                           if pid != client.pid and not (
                                               restore.engine and pid == restore.engine.pid)))
        measures = super().replies(restore, client)
        measures["save_ms"] = measures.pop("work_ms")
        measures["tree_mib"] = most
        return measures


class Clones(Job):
    """Many restores of one image at once, each in a pid namespace of its own."""

    headline = "done_p95_ms"

    def __init__(self, name, image, nr, command, shows, **more):
        super().__init__(name, image, shows, **more)
        self.nr = nr
        self.command = command

    def measure(self, tools, image, mode):
        clones = [Clone(tools, image, mode, f"work-{nr}") for nr in range(self.nr)]
        complaint = None
        try:
            prepare(image, self.command)
            start = now()
            with ThreadPoolExecutor(self.nr) as pool:
                codes = list(pool.map(lambda clone: clone.once(self.patience), clones))
            if any(codes):
                raise Trouble(f"criu restore: exit status {max(codes)}")
            found = results(image, self.patience, self.nr)
            memory = memory_of_all(descendants(os.getpid()))
            for result in found:
                judge(result)
        finally:
            end_all(but=[clone.engine for clone in clones if clone.engine])
            for clone in clones:
                complaint = clone.end_engine() or complaint
        return {
            "ready_p95_ms": p95([clone.returned - start for clone in clones]) / 1e6,
            "work_p95_ms": p95([r["end_ns"] - r["start_ns"] for r in found]) / 1e6,
            "done_p95_ms": p95([r["end_ns"] - start for r in found]) / 1e6,
            "all_mib": memory,
        }, complaint


class Containers(Job):
    """A container is restored in its runtime's own command, and judges its memory once in each
    mode."""

    headline = "restore_ms"

    def modes(self, modes):
        return [mode for mode in modes if mode in ("plain", "transparent")]

    def measure(self, tools, image, mode):
        judged = image.judged = getattr(image, "judged", set())
        reply = image.restore(mode, mode not in judged, self.patience)
        judged.add(mode)
        return {key: float(value) for key, value in reply.items()}, None


class Floor(Job):
    """No restore: what the machine itself takes."""

    def modes(self, modes):
        return ["machine"]

    def measure(self, tools, image, mode):
        prepare(image, None)
        run([tools.floor, image.run, max(image.pages(), key=os.path.getsize)], self.patience)
        result = results(image, 1)[0]
        measures = quantiles(result, FAULTS)
        measures["copy_us"] = result["bulk_copy_ns"] / result["bulk_pages"] / 1e3
        measures["anon_us"] = result["first_touch_ns"] / result["bulk_pages"] / 1e3
        measures["file_ms"] = result["file_ns"] / 1e6
        return measures, None
