"""A client of CoreC's streams. As a program: decode FORM | encode FORM | send URL STREAM FORM | read URL STREAM FORM [COUNT],
FORM being record, frame or json; messages are lines of JSON on stdin and stdout, of decode and encode one in bytes."""
import json, struct, sys, redis, frame

RECORD = struct.Struct("!Ibf?")

def encode(form, it):
    """The bytes of a message: a record {"id", "channel", "value", "active"}, a frame, or any object as JSON."""
    if form == "frame":
        return frame.encode(it | {"columns": [(c["name"], c["size"], bytes.fromhex(c["hex"])) for c in it["columns"]]})
    if form == "record":
        return RECORD.pack(it["id"], it["channel"], it["value"], it["active"])
    return json.dumps(it, allow_nan=False).encode()

def decode(form, data):
    """The message in bytes; of a frame's columns the values are hex digits."""
    if form == "frame":
        it = frame.decode(data)
        return it | {"columns": [{"name": n, "size": s, "hex": v.hex()} for n, s, v in it["columns"]]}
    return dict(zip(("id", "channel", "value", "active"), RECORD.unpack(data))) if form == "record" else json.loads(data)

def send(server, stream, form, it):
    return server.xadd(stream, {"data": encode(form, it)})

def read(server, stream, form, after="0-0"):
    """Each entry from the one after `after` on, and waits for more: its place (keep it, to go on from there), id, message."""
    while True:
        for _, entries in server.xread({stream: after}, count=100, block=1000) or []:
            for after, fields in entries:
                yield after.decode(), fields.get(b"id", b"").decode(), decode(form, fields[b"data"])

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["decode", form]: print(json.dumps(decode(form, sys.stdin.buffer.read())))
        case ["encode", form]: sys.stdout.buffer.write(encode(form, json.load(sys.stdin)))
        case ["send", url, stream, form]: [send(redis.Redis.from_url(url, protocol=2), stream, form, json.loads(line)) for line in sys.stdin]
        case ["read", url, stream, form, *count]:
            for _, (at, id, it) in zip(range(int(*count or [2**63])), read(redis.Redis.from_url(url, protocol=2), stream, form)):
                print(json.dumps({"at": at, "id": id, "message": it}), flush=True)
        case _: sys.exit(__doc__)
