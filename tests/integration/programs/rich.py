# tests/integration/programs/rich.py - a small tree with something of most kinds in its image.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: rich.py DIR
#
# Two processes with two threads in the first; shared memory, a memory file, sockets, a pipe with
# something in it, a deleted file, pages of zeros, equal pages.  Writes its pid to DIR/ready, then
# sleeps.

import mmap
import os
import socket
import sys
import threading
import time

PAGE = 4096
if os.getsid(0) != os.getpid():
    os.setsid()  # CRIU dumps whole sessions
directory = sys.argv[1]

shared = mmap.mmap(-1, 64 * PAGE)
shared[: 3 * PAGE] = os.urandom(3 * PAGE)
memory_file = os.memfd_create("faultin-rich")
os.ftruncate(memory_file, 16 * PAGE)
of_file = mmap.mmap(memory_file, 16 * PAGE)
of_file[5 * PAGE : 5 * PAGE + 7] = b"written"

private = mmap.mmap(-1, 600 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
private[: 100 * PAGE] = os.urandom(PAGE) * 100
private[200 * PAGE : 300 * PAGE] = bytes(100 * PAGE)
private[400 * PAGE : 450 * PAGE] = os.urandom(50 * PAGE)
# Over the end of a page, and not in the text of this program.
private[410 * PAGE - 6 : 410 * PAGE + 6] = bytes(ord(c) ^ 1 for c in "oddemd^g`tmu")

pair = socket.socketpair()
pair[0].send(b"on its way")
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0faultin-rich-%d" % os.getpid())
abstract.listen(1)
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen(3)
gone = open(directory + "/deleted", "wb")
gone.write(b"deleted" * 100)
gone.flush()
os.unlink(directory + "/deleted")
pipe = os.pipe()
os.write(pipe[1], b"in the pipe")

if os.fork() > 0:
    threading.Thread(target=lambda: time.sleep(100000), daemon=True).start()
    with open(directory + "/ready.new", "w") as ready:
        ready.write(str(os.getpid()))
    os.rename(directory + "/ready.new", directory + "/ready")
while True:
    time.sleep(100000)
