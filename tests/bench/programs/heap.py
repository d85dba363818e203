# tests/bench/programs/heap.py - an interpreter with a large heap, which is dumped.
# SPDX-License-Identifier: GPL-2.0-or-later
#
#     heap.py RUN_DIR MIB
#
# As `workload`: says that it is ready, finds its command in each restored copy of itself. The first
# result is a thousand random values, verified; then it verifies all.

import json
import os
import random
import sys
import time

run, mib = sys.argv[1], int(sys.argv[2])
BYTES = 480  # about half a KiB with the object's head, the dictionary's entry and the key


def value(nr):
    return f"{nr * 2654435761:020d}" * (BYTES // 20)


heap = {f"key:{nr}": value(nr) for nr in range(mib * 1940)}

with open(os.path.join(run, "ready"), "w") as file:
    file.write(f"{os.getpid()}\n")
while not os.path.exists(os.path.join(run, "go")):
    time.sleep(0.0001)

start = time.monotonic_ns()
some = random.Random(1).sample(range(len(heap)), 1000)
wrong = sum(heap[f"key:{nr}"] != value(nr) for nr in some)
first = time.monotonic_ns()
wrong += sum(heap[f"key:{nr}"] != value(nr) for nr in range(len(heap)))
result = {
    "job": "heap",
    "to_wall_ns": time.time_ns() - time.monotonic_ns(),
    "start_ns": start,
    "first_ns": first,
    "end_ns": time.monotonic_ns(),
    "wrong": wrong,
}
with open(os.path.join(run, "results"), "a") as file:
    file.write(json.dumps(result) + "\n")
while True:
    time.sleep(60)
