# tests/bench/lib/processes.py - processes that a bench run starts, or inherits, and ends.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The runner is a child subreaper: what CRIU restores, and the engine that the plugin starts, are
# its children as soon as who made them is gone.  So it knows when they end and what they used, it
# reaps them at once (a pid that a zombie keeps cannot be restored), and whatever it leaves behind
# it can find and end.  It signals nothing else.

import ctypes
import os
import select
import signal
import time

PR_SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None, use_errno=True)


class Trouble(Exception):
    """Something that a run should have been able to do."""


def become_subreaper():
    # what make or a shell left open is no business of anything that is dumped
    os.closerange(3, 1024)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise Trouble("cannot become a child subreaper")


def now():
    """CLOCK_MONOTONIC in nanoseconds."""
    return time.monotonic_ns()


class Child:
    """A child of ours, started or inherited."""

    def __init__(self, pid):
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.ended = None  # when, in ns
        self.status = None  # exit status; -N: signal N
        self.cpu = None  # seconds

    def wait(self, seconds):
        """Waits for the end. Returns the exit status, or None when it lives on."""
        if self.status is None:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)
            if poll.poll(max(0, seconds) * 1000):
                self.ended = now()
                _, status, usage = os.wait4(self.pid, 0)
                self.status = os.waitstatus_to_exitcode(status)
                self.cpu = usage.ru_utime + usage.ru_stime
                os.close(self.pidfd)
        return self.status

    def kill(self, sig=signal.SIGKILL):
        if self.status is None:
            signal.pidfd_send_signal(self.pidfd, sig)

    def end(self):
        self.kill()
        return self.wait(30)


def spawn(argv, out=os.devnull, env=None, pass_fd=None, session=False):
    """Starts a program with no input, its output in a file, and pass_fd = (ours, its number)."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, out, flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    if pass_fd:
        actions.append((os.POSIX_SPAWN_DUP2, *pass_fd))
    full = dict(os.environ, **(env or {}))
    return Child(os.posix_spawnp(argv[0], argv, full, file_actions=actions, setsid=session))


def run(argv, seconds=60, **how):
    """Runs a program to its end. Returns its exit status; too late is trouble."""
    child = spawn(argv, **how)
    if child.wait(seconds) is None:
        child.end()
        raise Trouble(f"{os.path.basename(argv[0])} did not end in {seconds} s")
    return child.status


def children(pid):
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found = []
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(word) for word in file.read().split()]
        except OSError:
            pass
    return found


def descendants(pid):
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


def name(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def kill_tree(pid):
    for each in descendants(pid) + [pid]:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            pass


def end_all(but=()):
    """Kills and reaps all descendants of ours apart from the children given."""
    keep = {child.pid for child in but if child.status is None}
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        left = [pid for pid in children(os.getpid()) if pid not in keep]
        if not left:
            return
        for pid in left:
            kill_tree(pid)
        for pid in left:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
        time.sleep(0.002)
    raise Trouble(f"processes do not end: {left}")


def memory_of(pid, *files):
    """The fields of /proc/PID/status that are kB, and those of smaps_rollup with "smaps." before,
    or of the files named only; {} when it is gone."""
    fields = {}
    for file in files or ("status", "smaps_rollup"):
        prefix = "smaps." if file == "smaps_rollup" else ""
        try:
            with open(f"/proc/{pid}/{file}") as lines:
                for line in lines:
                    words = line.split()
                    if len(words) == 3 and words[2] == "kB":
                        fields[prefix + words[0].rstrip(":")] = int(words[1])
        except OSError:
            pass
    return fields
