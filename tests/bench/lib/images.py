# tests/bench/lib/images.py - checkpoints: made once, hot or cold when they are restored.
# SPDX-License-Identifier: GPL-2.0-or-later

import ctypes
import glob
import mmap
import json
import os
import select
import shutil
import socket
import time

from .processes import Trouble, end_all, libc, run, spawn

PAGE = mmap.PAGESIZE

libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]


def resident_share(paths):
    """The share of the files' pages that is in the page cache."""
    resident = total = 0
    for path in paths:
        size = os.path.getsize(path)
        if not size:
            continue
        fd = os.open(path, os.O_RDONLY)
        try:
            addr = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
        finally:
            os.close(fd)
        if addr in (None, ctypes.c_void_p(-1).value):
            raise Trouble(f"cannot map {path}")
        pages = (size + PAGE - 1) // PAGE
        vector = ctypes.create_string_buffer(pages)
        failed = libc.mincore(addr, size, vector)
        libc.munmap(addr, size)
        if failed:
            raise Trouble(f"mincore of {path}")
        resident += pages - vector.raw[:pages].count(b"\0")
        total += pages
    return resident / total if total else 0.0


class Missing(Trouble):
    """Something that this machine has not got."""


class Image:
    """A checkpoint in DIR/img; DIR/run is where its workload finds commands, leaves results."""

    def __init__(self, directory):
        self.dir = directory
        self.img = os.path.join(directory, "img")
        self.run = os.path.join(directory, "run")
        self.pid = None
        os.makedirs(self.img)
        os.makedirs(self.run)

    def path(self, name):
        return os.path.join(self.run, name)

    def dump(self, criu, seconds=180):
        status = run([criu, "dump", "-t", str(self.pid), "-D", self.img, "-o", "dump.log"],
                     seconds, out=self.path("dump.out"))
        if status != 0:
            raise Trouble("cannot dump:\n" + tail(os.path.join(self.img, "dump.log")))
        end_all()
        for path in self.pages():
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)

    def pages(self):
        return glob.glob(os.path.join(self.img, "pages-*.img"))

    def size(self):
        return sum(os.path.getsize(path) for path in self.pages())

    def spoil(self):
        """Overwrites the pages in the middle: the workload's memory, without what it needs to
        tell."""
        for path in self.pages():
            with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as pages:
                first = len(pages) // 4 // PAGE * PAGE
                pages[first:-first] = bytes(len(pages) - 2 * first)

    def make_hot(self):
        """Returns the share of pages in the page cache afterwards."""
        share = resident_share(self.pages())
        if share < 1:
            for path in self.pages():
                with open(path, "rb", buffering=0) as file:
                    while file.read(1 << 20):
                        pass
            share = resident_share(self.pages())
        return share

    def make_cold(self, warm):
        """Empties the page cache, and runs the programs in warm: theirs is not the time to be
        measured. Returns the share of pages that stayed."""
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
        for path in glob.glob(os.path.join(self.img, "*")):
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
        for argv in warm:
            run(argv)
        return resident_share(self.pages())

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Container(Image):
    """A checkpoint of a container; programs/containers has made it, and restores it."""

    def __init__(self, directory, tools, words):
        super().__init__(directory)
        self.ours, its = socket.socketpair()
        try:
            self.child = spawn(["bash", tools.containers, words[2], words[1]],
                               out=self.path("out"), pass_fd=(its.fileno(), 3),
                               env={"abs_top_srcdir": tools.top, "abs_top_builddir": tools.build,
                                    "CRIU": tools.criu, "TMPDIR": directory})
        finally:
            its.close()
        reply = self.hear(180)
        if "missing" in reply:
            self.remove()
            raise Missing(reply["missing"])
        if "image" not in reply:
            self.remove()
            raise Trouble(reply.get("failed", "no container"))
        self.img = reply["image"]

    def hear(self, seconds):
        """A line that it says, within so many seconds."""
        line = b""
        deadline = time.monotonic() + seconds
        while not line.endswith(b"\n"):
            left = max(0, deadline - time.monotonic())
            if not select.select([self.ours], [], [], left)[0]:
                raise Trouble(f"no word of the container in {seconds} s")
            more = self.ours.recv(4096)
            if not more:
                raise Trouble("the container's program has ended: " + tail(self.path("out")))
            line += more
        return json.loads(line)

    def restore(self, mode, judge, seconds):
        """One restore, to its end. What the program says of it."""
        self.ours.sendall(f"{mode}{' judge' if judge else ''}\n".encode())
        reply = self.hear(seconds)
        if "failed" in reply:
            raise Trouble(reply["failed"])
        return reply

    def pages(self):
        return super().pages() + glob.glob(os.path.join(self.img, "exported.tar"))

    def remove(self):
        self.ours.close()
        if self.child.wait(30) is None:
            self.child.end()
        super().remove()


def tail(path, lines=15):
    try:
        with open(path, errors="replace") as file:
            return "".join(file.readlines()[-lines:]).rstrip()
    except OSError:
        return ""


def wait_for_file(path, child, seconds):
    deadline = time.monotonic() + seconds
    while not (os.path.exists(path) and os.path.getsize(path)):
        if child.wait(0.005) is not None:
            raise Trouble(f"the workload ended with {child.status}: {tail(path)}")
        if time.monotonic() > deadline:
            raise Trouble(f"the workload was not ready in {seconds} s")


def start_workload(image, tools, words):
    child = spawn([tools.workload, image.run] + words, out=image.path("out"), session=True)
    wait_for_file(image.path("ready"), child, 180)
    return child


def start_heap(image, tools, words):
    argv = [tools.python, "-S", "-E", tools.heap, image.run, words[1]]
    child = spawn(argv, out=image.path("out"), session=True)
    wait_for_file(image.path("ready"), child, 180)
    return child


def start_redis(image, tools, words):
    # an output file that grew would not be the one that was dumped
    child = spawn([tools.redis, "--port", "0", "--unixsocket", image.path("redis.sock"),
                   "--dir", image.run, "--save", "", "--rdbcompression", "no",
                   "--loglevel", "warning"], session=True)
    status = run([tools.redis_client, image.run, "fill", str(redis_keys(words))], 120)
    if status != 0 or child.wait(0) is not None:
        raise Trouble("cannot fill Redis: " + tail(image.path("results")))
    return child


def redis_keys(words):
    """Keys with 1 KiB each that take so many MiB in Redis."""
    return int(words[1]) * 900


def bytes_of(words):
    """About what an image of these words holds."""
    if words[0] == "holes":
        return int(words[1]) * 13 // 10 * PAGE
    if words[0] == "tree":
        return int(words[1]) * int(words[2]) * PAGE
    return int(words[1]) << 20


def check_room(directory, words):
    """The program needs memory once, the image disk, and a little more of both."""
    need = bytes_of(words) * 9 // 8
    with open("/proc/meminfo") as file:
        memory = {line.split(":")[0]: int(line.split()[1]) << 10 for line in file}["MemAvailable"]
    if memory < need:
        raise Missing(f"{need >> 20} MiB of memory are wanted, {memory >> 20} are there")
    disk = shutil.disk_usage(os.path.dirname(directory)).free
    if disk < need:
        raise Missing(f"{need >> 20} MiB of disk are wanted, {disk >> 20} are there")


def dump(directory, tools, words):
    """Starts what the words say (area, holes, tree: the workload; heap: a Python; redis; container)
    and dumps it when it is ready."""
    if words[0] == "redis" and not tools.redis:
        raise Missing("no redis-server: ./bootstrap bench brings one")
    check_room(directory, words)
    if words[0] == "container":
        return Container(directory, tools, words)
    image = Image(directory)
    start = {"heap": start_heap, "redis": start_redis}.get(words[0], start_workload)
    image.pid = start(image, tools, words).pid
    image.dump(tools.criu)
    return image
