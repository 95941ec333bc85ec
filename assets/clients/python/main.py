"""The client as a program: decode FORM | encode FORM | send URL STREAM FORM | read URL STREAM FORM [COUNT], FORM being record,
frame or json; messages are lines of JSON on stdin and stdout, of decode and encode one in bytes."""
import json, sys, redis
from client import decode, encode, read, send

match sys.argv[1:]:
    case ["decode", form]:
        print(json.dumps(decode(form, sys.stdin.buffer.read())))
    case ["encode", form]:
        sys.stdout.buffer.write(encode(form, json.load(sys.stdin)))
    case ["send", url, stream, form]:
        server = redis.Redis.from_url(url, protocol=2)
        for line in sys.stdin:
            send(server, stream, form, json.loads(line))
    case ["read", url, stream, form, *count]:
        entries = read(redis.Redis.from_url(url, protocol=2), stream, form)
        for _, (at, id, message) in zip(range(int(count[0]) if count else sys.maxsize), entries):
            print(json.dumps({"at": at, "id": id, "message": message}), flush=True)
    case _:
        sys.exit(__doc__)
