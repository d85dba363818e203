# tests/integration/tools/criu_image.py - CRIU's image files, read and written anew in Python.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# So that what faultin says of an image can be compared with a count that shares no code with it.  It
# knows the form of the files and of protobuf's encoding, and the numbers of a few fields.

import os
import struct

COMMON = 0x54564319
SERVICE = 0x55105940


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def put_varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class Message:
    """Fields in the order of the file: [number, wire type, value]; values are ints or bytes."""

    def __init__(self, data):
        self.fields = []
        at = 0
        while at < len(data):
            tag, at = varint(data, at)
            number, wire = tag >> 3, tag & 7
            if wire == 0:
                value, at = varint(data, at)
            elif wire == 2:
                size, at = varint(data, at)
                value = data[at : at + size]
                at += size
            else:
                size = {1: 8, 5: 4}[wire]
                value = data[at : at + size]
                at += size
            self.fields.append([number, wire, value])

    def all(self, number):
        return [value for field, _, value in self.fields if field == number]

    def get(self, number, default=0):
        found = self.all(number)
        return found[-1] if found else default

    def sub(self, number):
        value = self.get(number, None)
        return None if value is None else Message(value)

    def set(self, number, value):
        for field in self.fields:
            if field[0] == number:
                field[2] = value
                return
        self.fields.append([number, 0 if isinstance(value, int) else 2, value])

    def drop(self, number):
        self.fields = [field for field in self.fields if field[0] != number]

    def pack(self):
        out = bytearray()
        for number, wire, value in self.fields:
            out += put_varint(number << 3 | wire)
            if wire == 0:
                out += put_varint(value)
            elif wire == 2:
                out += put_varint(len(value)) + value
            else:
                out += value
        return bytes(out)


class Image:
    """A file of records without anything between them."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        first = struct.unpack_from("=I", data)[0]
        self.head = data[: 8 if first in (COMMON, SERVICE) else 4]
        self.records = []
        at = len(self.head)
        while at < len(data):
            size = struct.unpack_from("=I", data, at)[0]
            self.records.append(Message(data[at + 4 : at + 4 + size]))
            at += 4 + size

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.head)
            for record in self.records:
                data = record.pack()
                file.write(struct.pack("=I", len(data)) + data)


def tasks(directory):
    """pid -> (ppid, [tid]) in the order of the tree."""
    tree = Image(os.path.join(directory, "pstree.img"))
    return {
        item.get(1): (item.get(2), [tid for tid in item.all(5)]) for item in tree.records
    }
