# tests/bench/lib/jobs.py - what is measured: images, and the jobs that restored copies of them do.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A job's function does one restore in one mode and returns its measures, by name; what they are is
# in METRICS. Jobs that use one image stand together, so that it is made once.

import os
import time
from concurrent.futures import ThreadPoolExecutor

from . import images
from .images import redis_keys
from .processes import Trouble, descendants, end_all, memory_of, now, run, spawn
from .restores import Clone, Restore, prepare, results, tell

# name: (what it is, unit); less is better for all of them
METRICS = {
    "restore_ms": ("restore returns", "ms"),
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


def memory_of_all(pids):
    """MiB that are theirs: page cache would be there without them."""
    memories = [memory_of(pid) for pid in pids]
    return sum(m.get("smaps.Pss_Anon", 0) + m.get("smaps.Pss_Shmem", 0) for m in memories) / 1024


def p95(values):
    values = sorted(values)
    return values[-(-len(values) * 95 // 100) - 1]


class Job:
    """image: the words for images.dump; shows: the metrics in the table; headline: the one that the
    plot shows, if any."""

    headline = None

    def __init__(self, name, image, shows, rounds=3, caches=("hot",), about="", patience=60):
        self.name = name
        self.image = image
        self.shows = shows
        self.rounds = rounds
        self.caches = caches
        self.about = about
        self.patience = patience

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
                for field, kb in memory_of(restore.engine.pid, "status").items():
                    peak[field] = max(peak.get(field, 0), kb)

        restore.watch = look
        restore.restore("idle")
        until = time.monotonic() + self.WATCH
        while restore.engine and restore.engine.wait(0.01) is None and time.monotonic() < until:
            look()
        measures = restore.times()
        if peak:
            measures["engine_anon_mib"] = peak["RssAnon"] / 1024
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


class Floor(Job):
    """No restore: what the machine itself takes."""

    def modes(self, modes):
        return ["machine"]

    def measure(self, tools, image, mode):
        prepare(image, None)
        run([tools.floor, image.run, max(image.pages(), key=os.path.getsize)], self.patience)
        result = results(image, 1)[0]
        measures = quantiles(result, {"fault_same": "fault_same_us", "fault_other": "fault_other_us",
                                      "file_p50": "file_p50_us", "file_p99": "file_p99_us"})
        measures["copy_us"] = result["bulk_copy_ns"] / result["bulk_pages"] / 1e3
        measures["anon_us"] = result["first_touch_ns"] / result["bulk_pages"] / 1e3
        measures["file_ms"] = result["file_ns"] / 1e6
        return measures, None


TOUCH = ["work_ms", "p50_us", "p99_us", "max_us"]
FORKS = ["work_ms", "fork_p50_us", "fork_p99_us", "fork_max_us"]
ENGINE = ["restore_ms", "engine_anon_mib", "engine_pte_mib", "engine_hwm_mib"]


def all_jobs(quick):
    """The jobs of a full or a quick run, in their order."""

    def size(full, small):
        return str(small if quick else full)

    both = ("hot", "cold")
    jobs = []

    big = ["area", size(4096, 512)]
    nr = size(20000, 5000)
    jobs += [
        Work("random-touch", big, f"random {nr} 1", ["restore_ms"] + TOUCH + ["done_ms"],
             caches=both, about=f"{nr} random pages of {big[1]} MiB, at once"),
        Work("walk", big, "walk", ["work_ms", "done_ms"], rounds=2, caches=both,
             about=f"every byte of {big[1]} MiB, in order"),
        Idle("idle-drain", big, ["restore_ms", "resident_ms", "engine_cpu_s"], caches=both,
             about=f"{big[1]} MiB, nobody touching them"),
        Work("threads", big, f"threads 8 {int(nr) // 8}", TOUCH, rounds=2,
             about=f"8 threads, {int(nr) // 8} random pages each of {big[1]} MiB"),
        Scale("scale-mib-" + big[1], big, ENGINE, rounds=1, about=f"1 process, {big[1]} MiB"),
        Floor("floor", big, ["copy_us", "anon_us", "fault_same_us", "fault_other_us", "file_ms",
                             "file_p50_us", "file_p99_us"], caches=both,
              about="the machine itself"),
    ]

    some = ["area", size(1024, 128)]
    jobs += [
        Work(f"touched-{percent:03}", some, f"fraction {percent}", ["work_ms", "done_ms"],
             rounds=2, caches=both, about=f"{percent} % of {some[1]} MiB, in random order")
        for percent in (1, 5, 20, 50, 100)
    ]
    jobs.append(Scale("scale-mib-" + some[1], some, ENGINE, rounds=1,
                      about=f"1 process, {some[1]} MiB"))

    small = ["area", size(256, 64)]
    storm = size(1500, 300)
    jobs += [
        Work("fork-chain", small, "chain 12", ["work_ms", "done_ms"],
             about=f"12 generations, each reading all {small[1]} MiB"),
        Work("fork-wide", small, "wide 32 2000", ["work_ms", "p50_us", "p99_us", "tree_mib"],
             about=f"32 children at once, 2000 random pages each of {small[1]} MiB"),
        Work("fork-storm", small, f"storm {storm}", FORKS,
             about=f"{storm} short children of a process of {small[1]} MiB"),
    ]

    copies = 8 if quick else 16
    jobs.append(Clones("clones", small, copies, "random 2000 1",
                       ["ready_p95_ms", "work_p95_ms", "done_p95_ms", "all_mib"], rounds=2,
                       about=f"{copies} restores at once, 2000 random pages each of {small[1]} "
                       "MiB"))

    tree = ["tree", "64", size(4096, 256)]
    jobs += [
        Work("tree", tree, "touch", ["restore_ms", "work_ms", "done_ms"], rounds=2,
             about=f"64 processes, each reading its own {int(tree[2]) >> 8} MiB at random"),
        Scale("scale-tasks-64", tree, ENGINE, rounds=1, about="64 processes"),
    ]
    many = ["tree", size(512, 256), size(512, 64)]
    jobs.append(Scale(f"scale-tasks-{many[1]}", many, ENGINE, rounds=1,
                      about=f"{many[1]} processes of {int(many[2]) >> 8 or 1} MiB"))

    holes = ["holes", size(1000000, 100000)]
    jobs += [
        Work("holes", holes, f"random {nr} 1", ["restore_ms"] + TOUCH, rounds=1,
             about=f"{nr} random pages of {holes[1]} runs of 1 to 3 pages"),
        Idle("holes-drain", holes, ["restore_ms", "resident_ms", "engine_cpu_s"], rounds=1,
             about=f"{holes[1]} runs of 1 to 3 pages, nobody touching them"),
        Scale("scale-runs-" + holes[1], holes, ENGINE, rounds=1,
              about=f"{holes[1]} runs of 1 to 3 pages"),
    ]
    redis = ["redis", size(1024, 64)]
    jobs += [
        Redis("redis", redis, ["restore_ms", "reply_ms", "work_ms", "get_p50_us", "get_p99_us",
                               "get_p999_us", "get_max_us"], caches=both,
              about=f"20000 random GETs from a Redis of {redis[1]} MiB"),
        RedisSave("redis-save", redis, ["reply_ms", "save_ms", "fork_max_us", "get_p50_us",
                                        "get_p99_us", "get_max_us", "tree_mib"], rounds=2,
                  about=f"BGSAVE of a Redis of {redis[1]} MiB at its first reply, GETs meanwhile"),
    ]
    heap = ["heap", size(512, 64)]
    jobs.append(Work("python", heap, "verify", ["reply_ms", "done_ms"], caches=both,
                     about=f"a Python with a heap of {heap[1]} MiB"))
    if not quick:
        huge = ["area", "16384"]
        jobs.append(Scale("scale-mib-16384", huge, ENGINE, rounds=1, about="1 process, 16384 MiB"))
    return jobs
