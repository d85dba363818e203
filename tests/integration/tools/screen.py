# tests/integration/tools/screen.py - a program on a terminal that a test can look at, type at and resize.
# SPDX-License-Identifier: GPL-2.0-or-later
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

import pyte

PATIENCE = 30  # seconds, for what has to come


class Screen:
    """Runs @command; what it has written is in self.raw, what a person would see in self.text()."""

    def __init__(self, command, columns=80, rows=24, term="xterm-256color", **environment):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.status = None
        self.master, slave = pty.openpty()
        self.set_size(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for fd in 0, 1, 2:
                    os.dup2(slave, fd)
                os.closerange(3, 256)
                os.environ.update(environment, TERM=term, LC_ALL="C.UTF-8")
                os.execvp(command[0], command)
            finally:
                os._exit(127)

    def set_size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        """As a terminal does it: the kernel tells the program."""
        self.screen.resize(rows, columns)
        self.set_size(columns, rows)

    def pump(self, seconds):
        """Takes what the program writes, for so long; at once if there is something."""
        if select.select([self.master], [], [], seconds)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            self.raw += data
            self.stream.feed(data)

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                self.fail("it never came to this: " + what)
            self.pump(0.05)

    def shows(self, *texts):
        self.until(lambda: all(text in self.text() for text in texts), "shows " + repr(texts))

    def shows_not(self, *texts):
        self.until(lambda: not any(text in self.text() for text in texts), "does not show " + repr(texts))

    def type(self, keys):
        os.write(self.master, keys.encode())

    def has_ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def ends(self, status):
        """And leaves the terminal as it was."""
        self.until(self.has_ended, "ends")
        while select.select([self.master], [], [], 0)[0]:
            self.pump(0)
        self.check(self.status == status, "exit status %d, not %d" % (self.status, status))
        self.check(termios.tcgetattr(self.slave) == self.before, "the terminal's modes are not restored")

    def check(self, truth, words):
        if not truth:
            self.fail(words)

    def fail(self, words):
        for line in self.lines():
            print("# |" + line)
        print("# " + words)
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        sys.stdout.flush()
        os._exit(1)
