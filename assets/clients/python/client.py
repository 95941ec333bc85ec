"""A client of CoreC's streams: messages to bytes and back, sent and read. docs/wire-format.md has every byte."""
import json, struct, frame

RECORD, KEYS = struct.Struct("!Ibf?"), ("id", "channel", "value", "active")

def encode(form, it):
    """The bytes of a message: a record {"id", "channel", "value", "active"}, a frame, or any object as JSON."""
    if form == "frame":
        return frame.encode(it | {"columns": [(c["name"], c["size"], bytes.fromhex(c["hex"])) for c in it["columns"]]})
    if form == "record":
        return RECORD.pack(*(it[key] for key in KEYS))
    return json.dumps(it, allow_nan=False).encode()

def decode(form, data):
    """The message in bytes; of a frame's columns the values are hex digits."""
    if form == "frame":
        it = frame.decode(data)
        return it | {"columns": [{"name": name, "size": size, "hex": values.hex()} for name, size, values in it["columns"]]}
    return dict(zip(KEYS, RECORD.unpack(data))) if form == "record" else json.loads(data)

def send(server, stream, form, it):
    """Adds the message to the stream of a `redis.Redis.from_url(url, protocol=2)`; gives its place there."""
    return server.xadd(stream, {"data": encode(form, it)}).decode()

def read(server, stream, form, after="0-0"):
    """Each entry from the one after `after` on, and waits for more: its place (keep it, to go on from there), id, message."""
    while True:
        for _, entries in server.xread({stream: after}, count=100, block=1000) or []:
            for place, fields in entries:
                after = place.decode()
                yield after, fields.get(b"id", b"").decode(), decode(form, fields[b"data"])
