# tests/integration/tools/plant.py - corruptions of an image, one by one, for `faultin verify`.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: plant.py FAULTIN IMAGE WORK
#
# IMAGE is a good dump of a tree with at least two tasks, one of them with more than one thread,
# shared memory, a pipe with something in it, and a deleted file.  For each corruption a copy is made
# in WORK, damaged, and verified.  Prints a line for each: "0" or "1" (as an exit status), a tab, what
# was planted; lines with "#" are comments.

import json
import os
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from criu_image import Image, Message, tasks

faultin, good, work = sys.argv[1:4]
copy = os.path.join(work, "copy")
tree = tasks(good)
root = next(iter(tree))
child = [pid for pid in tree if pid != root][0]
threaded = [pid for pid, (_, threads) in tree.items() if len(threads) > 1][0]
thread = [tid for tid in tree[threaded][1] if tid != threaded][0]


def only(pattern):
    """The first file of that name in the image."""
    return sorted(name for name in os.listdir(good) if re.fullmatch(pattern, name))[0]


def path(name):
    return os.path.join(copy, name)


def fresh():
    shutil.rmtree(copy, ignore_errors=True)
    os.mkdir(copy)
    for name in os.listdir(good):
        if name.startswith("pages-"):
            os.link(os.path.join(good, name), path(name))
        elif name.endswith(".img") or name == "stats-dump":
            shutil.copy(os.path.join(good, name), path(name))


def own(name):
    """Its own copy of a file that is a link."""
    data = open(path(name), "rb").read()
    os.unlink(path(name))
    open(path(name), "wb").write(data)


def edit(name, change):
    image = Image(path(name))
    change(image.records)
    image.write(path(name))


def field(name, record, number, value):
    """Sets a field; a function makes the new value of the old one."""

    def change(records):
        old = records[record].get(number)
        records[record].set(number, value(old) if callable(value) else value)

    edit(name, change)


def vma(pid, which, number, value):
    """A field of the first VMA for which @which holds."""

    def change(records):
        mm = records[0]
        for entry in mm.fields:
            if entry[0] == 14 and which(Message(entry[2])):
                one = Message(entry[2])
                one.set(number, value(one.get(number)) if callable(value) else value)
                entry[2] = one.pack()
                return
        raise SystemExit("no such VMA")

    edit(f"mm-{pid}.img", change)


def cut(name, by):
    own(name)
    os.truncate(path(name), os.path.getsize(path(name)) - by)


def grow(name, by):
    own(name)
    open(path(name), "ab").write(b"\0" * by)


def flip(name, at):
    data = bytearray(open(path(name), "rb").read())
    data[at] ^= 0xFF
    open(path(name), "wb").write(data)


def swap(a, b):
    for name in (a, b):
        own(name)
    os.rename(path(a), path("swap"))
    os.rename(path(b), path(a))
    os.rename(path("swap"), path(b))


def size_field(name, record, value):
    """The length before a record."""
    data = bytearray(open(path(name), "rb").read())
    at = 8
    for _ in range(record):
        at += 4 + struct.unpack_from("=I", data, at)[0]
    struct.pack_into("=I", data, at, value)
    open(path(name), "wb").write(data)


def swap_records(name, a, b):
    def change(records):
        records[a], records[b] = records[b], records[a]

    edit(name, change)


def pagemap(pid):
    return f"pagemap-{pid}.img"


def pages(pid):
    head = Image(os.path.join(good, pagemap(pid))).records[0]
    return f"pages-{head.get(1)}.img"


def private(one):
    return one.get(7) & 1 << 9


def of_file(one):
    return one.get(7) & 1 << 6


def shared(one):
    return one.get(7) & (1 << 8 | 1 << 14)


fdinfo = only(r"fdinfo-\d+\.img")
shmem = only(r"pagemap-shmem-\d+\.img")
ghost = only(r"ghost-file-[0-9a-f]+\.img")

# What is planted, where a finding is expected (file, record or None), how.
cases = [
    ("inventory.img is missing", ("inventory.img", None), lambda: os.unlink(path("inventory.img"))),
    ("inventory.img is empty", ("inventory.img", None), lambda: cut("inventory.img", os.path.getsize(path("inventory.img")))),
    ("inventory.img has another magic", ("inventory.img", None), lambda: flip("inventory.img", 1)),
    ("an image version of the future", ("inventory.img", 1), lambda: field("inventory.img", 0, 1, 99)),
    ("pstree.img is missing", ("pstree.img", None), lambda: os.unlink(path("pstree.img"))),
    ("pstree.img ends in a record", ("pstree.img", len(tree)), lambda: cut("pstree.img", 2)),
    ("pstree.img names a task twice", ("pstree.img", None), lambda: field("pstree.img", 1, 1, root)),
    ("a task has a parent that is not there", ("pstree.img", None), lambda: field("pstree.img", 1, 2, 31999)),
    ("a thread has no core", ("pstree.img", None), lambda: os.unlink(path(f"core-{thread}.img"))),
    ("a task is not among its threads", ("pstree.img", 1 + list(tree).index(child)),
     lambda: field("pstree.img", list(tree).index(child), 5, 31998)),
    ("the core of a task is missing", (f"core-{child}.img", None), lambda: os.unlink(path(f"core-{child}.img"))),
    ("the core of a task is that of a thread", (f"core-{threaded}.img", 1),
     lambda: shutil.copy(path(f"core-{thread}.img"), path(f"core-{threaded}.img"))),
    ("a task is in an unknown state", (f"core-{child}.img", 1),
     lambda: edit(f"core-{child}.img", lambda r: r[0].set(3, (lambda m: (m.set(1, 77), m.pack())[1])(r[0].sub(3))))),
    ("a core has a second record", (f"core-{child}.img", 1), lambda: edit(f"core-{child}.img", lambda r: r.append(r[0]))),
    ("a core's protobuf is cut", (f"core-{child}.img", 1), lambda: size_field(f"core-{child}.img", 0, 40)),
    ("a record claims 4 GiB", ("files.img", 1), lambda: size_field("files.img", 0, 0xFFFFFFFF)),
    ("mm is missing", (f"mm-{root}.img", None), lambda: os.unlink(path(f"mm-{root}.img"))),
    ("a mapping is empty", (f"mm-{root}.img", 1), lambda: vma(root, private, 2, lambda old: 0)),
    ("a mapping is not page aligned", (f"mm-{root}.img", 1), lambda: vma(root, private, 1, lambda old: old + 8)),
    ("a mapping overlaps the next", (f"mm-{root}.img", 1), lambda: vma(root, of_file, 2, lambda old: old + (1 << 40))),
    ("a mapping ends before its pages", (pagemap(root), None), lambda: vma(root, lambda v: private(v) and v.get(2) - v.get(1) > 1 << 20, 2, lambda old: old - (1 << 20))),
    ("a mapping's file is not there", (f"mm-{root}.img", 1), lambda: vma(root, of_file, 4, 65000)),
    ("the program's file is not there", (f"mm-{root}.img", 1), lambda: field(f"mm-{root}.img", 0, 12, 65001)),
    ("pagemap is missing", (pagemap(child), None), lambda: os.unlink(path(pagemap(child)))),
    ("pagemap has no head", (pagemap(child), None), lambda: cut(pagemap(child), os.path.getsize(path(pagemap(child))) - 8)),
    ("runs out of order", (pagemap(root), 4), lambda: swap_records(pagemap(root), 2, 3)),
    ("runs overlap", (pagemap(root), 3), lambda: edit(pagemap(root), lambda r: r[2].set(1, r[1].get(1)))),
    ("a run without pages", (pagemap(root), 3), lambda: field(pagemap(root), 2, 5, 0)),
    ("a run is not page aligned", (pagemap(root), 3), lambda: field(pagemap(root), 2, 1, lambda old: old + 1)),
    ("a run beyond the address space", (pagemap(root), 3), lambda: field(pagemap(root), 2, 5, 1 << 62)),
    ("a run outside every mapping", (pagemap(root), 2), lambda: field(pagemap(root), 1, 1, 0x1000)),
    ("a run with an unknown flag", (pagemap(root), 2), lambda: field(pagemap(root), 1, 4, 0x4004)),
    ("a run in a parent that is not there", (pagemap(root), None), lambda: field(pagemap(root), 1, 4, 1)),
    ("a run fewer", (pages(root), None), lambda: edit(pagemap(root), lambda r: r.pop())),
    ("a run and its pages fewer", ("stats-dump", 1),
     lambda: (cut(pages(root), 4096 * (Image(path(pagemap(root))).records[-1].get(5))),
              edit(pagemap(root), lambda r: r.pop()))),
    ("a run is lazy where none can be", (pagemap(root), None),
     lambda: edit(pagemap(root), lambda r: [e.set(4, 6) for e in r[1:] if e.get(4) == 4])),
    ("pages are cut by a page", (pages(root), None), lambda: cut(pages(root), 4096)),
    ("pages are cut by a byte", (pages(root), None), lambda: cut(pages(root), 1)),
    ("pages are too long", (pages(child), None), lambda: grow(pages(child), 4096)),
    ("pages are missing", (pages(child), None), lambda: os.unlink(path(pages(child)))),
    ("two tasks have one pages file", (r"pagemap-\d+\.img", 1),
     lambda: field(pagemap(child), 0, 1, Image(path(pagemap(root))).records[0].get(1))),
    ("pages of two tasks are swapped", (r"pages-\d+\.img", None), lambda: swap(pages(root), pages_of(shmem))),
    ("pages that nobody has", ("pages-999.img", None), lambda: open(path("pages-999.img"), "wb").write(bytes(4096))),
    ("shared memory is missing", (r"mm-\d+\.img|memfd\.img", None), lambda: os.unlink(path(shmem))),
    ("shared memory's pages are cut", (r"pages-\d+\.img", None), lambda: cut(pages_of(shmem), 4096)),
    ("files.img is missing", ("files.img", None), lambda: os.unlink(path("files.img"))),
    ("files.img names a file twice", ("files.img", None), lambda: edit("files.img", lambda r: r.append(r[0]))),
    ("a descriptor's file is not there", (fdinfo, 1), lambda: field(fdinfo, 0, 1, 65002)),
    ("a descriptor is of another type than its file", (fdinfo, 1), lambda: field(fdinfo, 0, 3, 6)),
    ("a descriptor table is missing", (r"ids-\d+\.img", 1), lambda: os.unlink(path(fdinfo))),
    ("a working directory is not there", (f"fs-{child}.img", 1), lambda: field(f"fs-{child}.img", 0, 1, 65003)),
    ("fs is missing", (f"fs-{child}.img", None), lambda: os.unlink(path(f"fs-{child}.img"))),
    ("what was in a pipe is cut", ("pipes-data.img", None), lambda: cut("pipes-data.img", 3)),
    ("a deleted file's content is missing", ("remap-fpath.img", 1), lambda: os.unlink(path(ghost))),
    ("a file is of another kind", ("seccomp.img", None), lambda: flip("seccomp.img", 5)),
]


def pages_of(name):
    return f"pages-{Image(os.path.join(good, name)).records[0].get(1)}.img"


def judge(place):
    """None if there is such a finding, else why not."""
    done = subprocess.run([faultin, "verify", "--json", copy], capture_output=True, text=True)
    if done.returncode != 1:
        return f"exit status {done.returncode}: {done.stderr.strip()}"
    verdict = json.loads(done.stdout)
    if verdict["whole"]:
        return "it says that the image is whole"
    for finding in verdict["findings"]:
        if (
            re.fullmatch(place[0], finding["file"])
            and place[1] in (None, finding.get("record"))
            and finding["what"]
            and finding["consequence"]
        ):
            print(f"# {finding['file']} record {finding.get('record', '-')}: {finding['what']}")
            return None
    return f"no finding about {place}: {verdict['findings']}"


for words, place, plant in cases:
    fresh()
    plant()
    why = judge(place)
    if why:
        print(f"# {why}")
    print(f"{1 if why else 0}\t{words}")
shutil.rmtree(copy)
