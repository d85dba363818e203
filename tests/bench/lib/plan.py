# tests/bench/lib/plan.py - what is measured: the jobs of a run, and the images that they restore.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Jobs that use one image stand together, so that it is made once.

from .jobs import (Clones, Containers, Floor, Idle, Redis, RedisSave, Scale, Supervision,
                   Work)

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
             caches=both, cold_rounds=2, plugin=True,
             about=f"{nr} random pages of {big[1]} MiB, at once"),
        Work("walk", big, "walk", ["work_ms", "done_ms"], rounds=2, caches=both,
             about=f"every byte of {big[1]} MiB, in order"),
        Idle("idle-drain", big, ["restore_ms", "resident_ms", "engine_cpu_s"], caches=both,
             cold_rounds=2, plugin=True, about=f"{big[1]} MiB, nobody touching them"),
        Work("threads", big, f"threads 8 {int(nr) // 8}", TOUCH, rounds=2,
             about=f"8 threads, {int(nr) // 8} random pages each of {big[1]} MiB"),
        Scale("scale-mib-" + big[1], big, ENGINE, rounds=1, about=f"1 process, {big[1]} MiB"),
        Floor("floor", big, ["copy_us", "anon_us", "fault_same_us", "fault_other_us", "file_ms",
                             "file_p50_us", "file_p99_us"], caches=both,
              rounds=2, about="the machine itself"),
    ]

    some = ["area", size(1024, 128)]
    jobs += [
        Work(f"touched-{percent:03}", some, f"fraction {percent}", ["work_ms", "done_ms"],
             rounds=2, caches=("hot",) if percent in (5, 50) else both, plugin=percent == 1,
             about=f"{percent} % of {some[1]} MiB, in random order")
        for percent in (1, 5, 20, 50, 100)
    ]
    jobs.append(Scale("scale-mib-" + some[1], some, ENGINE, rounds=1,
                      about=f"1 process, {some[1]} MiB"))

    small = ["area", size(256, 64)]
    jobs += [
        Work("fork-chain", small, "chain 12", ["work_ms", "done_ms"],
             about=f"12 generations, each reading all {small[1]} MiB"),
        Work("fork-wide", small, "wide 32 2000", ["work_ms", "p50_us", "p99_us", "tree_mib"],
             about=f"32 children at once, 2000 random pages each of {small[1]} MiB"),
    ]

    copies = 8 if quick else 16
    jobs.append(Clones("clones", small, copies, "random 2000 1",
                       ["ready_p95_ms", "work_p95_ms", "done_p95_ms", "all_mib"], rounds=2,
                       about=f"{copies} restores at once, 2000 random pages each of {small[1]} "
                       "MiB"))

    jobs.append(Supervision("supervision", small, "random 5000 1",
                            ["restore_ms", "engine_start_ms", "p50_us", "p99_us"], rounds=15,
                            about=f"5000 random pages of {small[1]} MiB, with keepers and sandbox "
                            "(serve) and without (bare)"))

    # a fork copies page tables: of more memory, that alone would be most of the time
    little, storm = ["area", size(64, 16)], size(1500, 300)
    jobs.append(Work("fork-storm", little, f"storm {storm}", FORKS, rounds=2,
                     about=f"{storm} short children of a process of {little[1]} MiB"))

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
             patience=40, about=f"{holes[1]} runs of 1 to 3 pages, nobody touching them"),
        Scale("scale-runs-" + holes[1], holes, ENGINE, rounds=1,
              about=f"{holes[1]} runs of 1 to 3 pages"),
    ]
    redis = ["redis", size(1024, 64)]
    jobs += [
        Redis("redis", redis, ["restore_ms", "reply_ms", "work_ms", "get_p50_us", "get_p99_us",
                               "get_p999_us", "get_max_us"], caches=both, plugin=True,
              about=f"20000 random GETs from a Redis of {redis[1]} MiB"),
        RedisSave("redis-save", redis, ["reply_ms", "save_ms", "fork_max_us", "get_p50_us",
                                        "get_p99_us", "get_max_us", "tree_mib"], rounds=2,
                  about=f"BGSAVE of a Redis of {redis[1]} MiB at its first reply, GETs meanwhile"),
    ]
    heap = ["heap", size(512, 64)]
    jobs.append(Work("python", heap, "verify", ["reply_ms", "done_ms"], caches=both,
                     rounds=2, about=f"a Python with a heap of {heap[1]} MiB"))
    jobs += [
        Containers(f"in-{runtime}", ["container", size(2048, 64), runtime],
                   ["restore_ms"] + ["runtime_ms"] * (runtime == "podman"), rounds=1,
                   about=f"a container of {size(2048, 64)} MiB, by {runtime}")
        for runtime in ("runc", "crun", "podman")
    ]
    if not quick:
        huge = ["area", "16384"]
        jobs.append(Scale("scale-mib-16384", huge, ENGINE, rounds=1, about="1 process, 16384 MiB"))
    return jobs
