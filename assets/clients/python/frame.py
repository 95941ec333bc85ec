"""Frames of CoreC, version 3: whole blocks in columns. docs/wire-format.md has every byte."""
import io, struct, xxhash
from form import plain

START, FIXED, COLUMN_BYTES_MAX = b"CRCF\3", struct.Struct("<4I3Q"), 64 << 20
NUMBERS = ("first_block", "blocks", "epoch", "count", "tick", "sequence")

def text(name):
    return bytes([len(name.encode())]) + name.encode()

def schema(columns):
    return xxhash.xxh3_64_intdigest(b"".join(n.encode() + b"\0" + struct.pack("<H", size) for n, size, _ in columns))

def encode(frame):
    """Bytes of {"instance", "kind", the NUMBERS, "columns": [(name, bytes of a value, all values)]}."""
    numbers, columns = [int(frame[key]) for key in NUMBERS], frame["columns"]
    body = START + text(frame["instance"]) + text(frame["kind"]) + FIXED.pack(*numbers, schema(columns)) + bytes([len(columns)])
    body += b"".join(text(name) + struct.pack("<HBI", size, 0, len(values)) + values for name, size, values in columns)
    return body + struct.pack("<Q", xxhash.xxh3_64_intdigest(body))

def decode(data):
    """What `encode` takes. A column's values: struct.unpack(f"<{count}Q", values) for StableId, "f" for value."""
    if data[:5] != START or data[-8:] != struct.pack("<Q", xxhash.xxh3_64_intdigest(data[:-8])):
        raise ValueError("no frame of version 3, or a damaged one")
    body = io.BytesIO(data[5:-8])
    name = lambda: body.read(body.read(1)[0]).decode()
    frame = {"instance": name(), "kind": name()}
    *numbers, said = FIXED.unpack(body.read(FIXED.size))
    frame |= zip(NUMBERS, numbers)
    columns = []
    for _ in range(body.read(1)[0]):
        column, (size, form, stored) = name(), struct.unpack("<HBI", body.read(7))
        if frame["count"] * size > COLUMN_BYTES_MAX:
            raise ValueError(f"{frame['count']} values of {size} bytes")
        columns.append((column, size, plain(form, body.read(stored), frame["count"], size)))
    if body.read(1) or said != schema(columns):
        raise ValueError("columns that are not what the header says")
    return frame | {"columns": columns}
