"""Frames of CoreC, version 2: whole blocks in columns. docs/wire-format.md has every byte."""
import io, struct, xxhash, zstandard

START, FIXED, COLUMN_BYTES_MAX = b"CRCF\2", struct.Struct("<4I3Q"), 64 << 20
NUMBERS = ("first_block", "blocks", "epoch", "count", "tick", "sequence")

def text(name):
    return bytes([len(name.encode())]) + name.encode()

def schema(columns):
    return xxhash.xxh3_64_intdigest(b"".join(n.encode() + b"\0" + struct.pack("<H", size) for n, size, _ in columns))

def encode(frame):
    """Bytes of {"instance", "kind", the NUMBERS, "columns": [(name, bytes of a value, all values)]}."""
    numbers, columns = [int(frame[key]) for key in NUMBERS], frame["columns"]
    body = START + text(frame["instance"]) + text(frame["kind"]) + FIXED.pack(*numbers, schema(columns))
    body += bytes([len(columns)]) + b"".join(text(name) + struct.pack("<H", size) for name, size, _ in columns)
    packed = zstandard.ZstdCompressor(level=1).compress(b"".join(values for _, _, values in columns))
    body += struct.pack("<I", len(packed)) + packed
    return body + struct.pack("<Q", xxhash.xxh3_64_intdigest(body))

def decode(data):
    """What `encode` takes. A column's values: struct.unpack(f"<{count}Q", values) for StableId, "f" for value."""
    if data[:5] != START or data[-8:] != struct.pack("<Q", xxhash.xxh3_64_intdigest(data[:-8])):
        raise ValueError("no frame of version 2, or a damaged one")
    body = io.BytesIO(data[5:-8])
    name = lambda: body.read(body.read(1)[0]).decode()
    frame = {"instance": name(), "kind": name()}
    *numbers, said = FIXED.unpack(body.read(FIXED.size))
    frame |= zip(NUMBERS, numbers)
    heads = [(name(), *struct.unpack("<H", body.read(2))) for _ in range(body.read(1)[0])]
    packed, size = body.read(*struct.unpack("<I", body.read(4))), frame["count"] * sum(size for _, size in heads)
    # No more is unpacked than the header says, and than is allowed.
    values = zstandard.ZstdDecompressor().stream_reader(packed).read(min(size, COLUMN_BYTES_MAX) + 1)
    if len(values) != size or said != schema([(*head, b"") for head in heads]):
        raise ValueError("columns that are not what the header says")
    values = io.BytesIO(values)
    return frame | {"columns": [(name, size, values.read(size * frame["count"])) for name, size in heads]}
