# tests/integration/tools/check-report.py - is what `faultin inspect` says of an image true?
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: check-report.py REPORT.json DIR [PROC]
#
# Counts the image in DIR anew, with code of its own (and, where Debian's pycriu is installed, with
# that, too), and compares.  PROC is a directory with PID/smaps and PID/comm of the tasks as they were
# before the dump.  Prints what differs; exits 0 when nothing does.

import hashlib
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from criu_image import Image, tasks

PARENT, LAZY, PRESENT = 1, 2, 4
wrong = 0


def same(what, theirs, ours):
    global wrong
    if theirs != ours:
        print(f"{what}: faultin says {theirs!r}, but it is {ours!r}")
        wrong += 1


def entries(directory, pid):
    """(address, pages, flags) by our own reading."""
    for entry in Image(f"{directory}/pagemap-{pid}.img").records[1:]:
        yield entry.get(1), entry.get(5) or entry.get(2), entry.get(4, PRESENT)


def count(pages):
    total = lazy = zero = parent = 0
    for _, nr, flags in pages:
        total += nr
        lazy += nr if flags & LAZY else 0
        parent += nr if flags & PARENT else 0
        zero += nr if not flags & (PARENT | PRESENT) else 0
    return {"pages": total, "lazy": lazy, "eager": total - lazy, "zero": zero, "parent": parent}


def pycriu_count(directory, pid):
    """The same by pycriu, or None: not there, or too old for this image."""
    try:
        from pycriu import images
    except ImportError:
        return None
    try:
        with open(f"{directory}/pagemap-{pid}.img", "rb") as file:
            loaded = images.load(file)["entries"][1:]
    except Exception as error:
        print(f"# pycriu cannot read it: {error}")
        return None
    if any(not entry["nr_pages"] for entry in loaded):
        return None  # a count that it does not know: CRIU 4.2 has a wider field
    return sum(entry["nr_pages"] for entry in loaded)


def check_task(task, directory, tree):
    pid = task["pid"]
    ppid, threads = tree[pid]
    same(f"{pid}: parent", task["ppid"], ppid)
    core = Image(f"{directory}/core-{pid}.img").records[0]
    same(f"{pid}: name", task["name"], core.sub(3).get(6).decode())
    if core.sub(3).get(1) in (2, 6):
        same(f"{pid}: state", task["state"], "zombie")
        return
    same(f"{pid}: threads", [thread["tid"] for thread in task["threads"]], threads)
    mm = Image(f"{directory}/mm-{pid}.img").records[0]
    from criu_image import Message

    vmas = [vma for vma in map(Message, mm.all(14)) if not vma.get(7) & 1 << 16]
    same(f"{pid}: mappings", task["mappings"], len(vmas))
    same(
        f"{pid}: ranges",
        [(m["start"], m["end"]) for m in task["maps"]],
        [(hex(v.get(1)), hex(v.get(2))) for v in vmas],
    )
    pages = list(entries(directory, pid))
    for key, value in count(pages).items():
        same(f"{pid}: memory.{key}", task["memory"][key], value)
        same(f"{pid}: sum of {key}", sum(m["memory"][key] for m in task["maps"]), value)
    by_pycriu = pycriu_count(directory, pid)
    if by_pycriu is not None:
        same(f"{pid}: pages, by pycriu", task["memory"]["pages"], by_pycriu)
        print(f"# {pid}: pycriu counts {by_pycriu} pages, too")


def check_proc(task, proc):
    """Against the kernel: anonymous pages of private mappings, and the pages of the vdso."""
    pid = task["pid"]
    with open(f"{proc}/{pid}/comm") as file:
        same(f"{pid}: comm", task["name"], file.read().rstrip("\n"))
    anonymous = vdso = mappings = 0
    with open(f"{proc}/{pid}/smaps") as file:
        for line in file:
            head = re.match(r"[0-9a-f]+-[0-9a-f]+ ...(.) .* ?(\[.*\]|/.*|)$", line)
            if head:
                mappings += 1
                private, name = head[1] == "p", head[2]
            elif line.startswith("Anonymous:") and private:
                anonymous += int(line.split()[1]) // 4
            elif line.startswith("Size:") and name.endswith("[vdso]"):
                vdso += int(line.split()[1]) // 4
    # The kernel shows vvar and its neighbour as two, CRIU dumps them as one.
    if not mappings - 1 <= task["mappings"] <= mappings:
        same(f"{pid}: mappings, by /proc", task["mappings"], mappings)
    pages, expected = task["memory"]["pages"], anonymous + vdso
    # Between the look and the dump the task ran on, and touched its stack.
    if abs(pages - expected) > 16 + expected // 1000:
        same(f"{pid}: pages, by /proc", pages, expected)
    print(f"# {pid}: {pages} pages in the image, {expected} in /proc before")


def contents(directory, name):
    """The bytes of each page that has some."""
    image = Image(f"{directory}/{name}").records
    with open(f"{directory}/pages-{image[0].get(1)}.img", "rb") as file:
        for entry in image[1:]:
            if not entry.get(4, PRESENT) & PRESENT:
                continue
            for _ in range(entry.get(5) or entry.get(2)):
                yield file.read(4096)


def check_contents(report, directory):
    """Zeros and duplicates, page by page; not for images with parents."""
    zero = pages = 0
    seen = set()
    names = [f"pagemap-{task['pid']}.img" for task in report["tasks"] if task["mappings"]]
    names += [f"pagemap-shmem-{one['segment']}.img" for one in report["shared"]]
    for name in names:
        for page in contents(directory, name):
            pages += 1
            if page.count(0) == 4096:
                zero += 1
            else:
                seen.add(hashlib.blake2b(page, digest_size=16).digest())
    same("pages", report["pages"]["pages"], pages)
    same("pages of zeros", report["pages"]["zero"], zero)
    same("distinct pages", report["pages"]["distinct"], len(seen))
    same("duplicate pages", report["pages"]["duplicate"], pages - zero - len(seen))


def check_environment(report, proc):
    for task in report["environment"]:
        for key, file in (("arguments", "cmdline"), ("variables", "environ")):
            with open(f"{proc}/{task['pid']}/{file}", "rb") as source:
                text = source.read().decode(errors="replace").rstrip("\0")
            expected = text.split("\0") if text else []
            same(f"{task['pid']}: {key}", task[key], expected)


def main():
    with open(sys.argv[1]) as file:
        report = json.load(file)
    directory = sys.argv[2]
    tree = tasks(directory)
    same("version", report["version"], 1)
    same("tasks", [task["pid"] for task in report["tasks"]], list(tree))
    for task in report["tasks"]:
        check_task(task, directory, tree)
        if len(sys.argv) > 3 and task["state"] != "zombie":
            check_proc(task, sys.argv[3])
    for key in ("pages", "lazy", "eager", "zero", "parent"):
        same(
            f"memory.{key}",
            report["memory"][key],
            sum(task["memory"][key] for task in report["tasks"]),
        )
    if "pages" in report:
        check_contents(report, directory)
    if "environment" in report and len(sys.argv) > 3:
        check_environment(report, sys.argv[3])
    size = sum(
        os.path.getsize(f"{directory}/{name}")
        for name in os.listdir(directory)
        if re.fullmatch(r"pages-\d+\.img", name)
    )
    same("sizes", report["sizes"][0]["pages_bytes"], size)
    sys.exit(wrong > 0)


main()
