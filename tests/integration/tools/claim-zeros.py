# tests/integration/tools/claim-zeros.py - an image that claims terabytes of lazy zeros.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: claim-zeros.py PID NR_PAGES   in the image's directory
#
# The mm of PID gets one more memory map, its pagemap one more entry, which says "in the parent"; and
# the parent, which is a copy of the image otherwise, says "zeros".  No byte of a pages file is needed.

import glob
import os
import shutil
import sys

from criu_image import Image, Message

LOW = 0x100000  # programs map nothing from here on for 80 TiB
REGULAR_ANONYMOUS = 0x201  # CRIU's status of ordinary private memory
PARENT, LAZY = 1, 2

pid, nr_pages = sys.argv[1], int(sys.argv[2])


def claim(path, flags):
    pagemap = Image(path)
    entry = Message(b"")
    entry.set(1, LOW)
    entry.set(2, 0)
    entry.set(4, flags)
    entry.set(5, nr_pages)
    pagemap.records.insert(1, entry)
    pagemap.write(path)


mm_path, pagemap_path = f"mm-{pid}.img", f"pagemap-{pid}.img"
mm = Image(mm_path)
os.mkdir("older")
for file in glob.glob("*.img"):
    shutil.copy(file, "older")
os.symlink("older", "parent")

fields = mm.records[0].fields
at = next(
    i
    for i, (number, _, value) in enumerate(fields)
    if number == 14 and Message(value).get(7) == REGULAR_ANONYMOUS
)
vma = Message(fields[at][2])
vma.set(1, LOW)
vma.set(2, LOW + nr_pages * 4096)
first = next(i for i, field in enumerate(fields) if field[0] == 14)
fields.insert(first, [14, 2, vma.pack()])
mm.write(mm_path)
mm.write(os.path.join("older", mm_path))
claim(pagemap_path, PARENT | LAZY)
claim(os.path.join("older", pagemap_path), 0)
