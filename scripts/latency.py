#!/usr/bin/env python3
"""How long it takes from the XADD of a row to its alert: latency.py CORE-C [COLUMNS [ROWS [TICK_RATE]]]

Starts a redis-server of its own, and `corec run telemetry` on a stream of it; adds TICK_RATE rows of COLUMNS values a second, of which
every 25th is far from the others, and waits for the alerts. The run may go a quarter faster, or it would never catch up with its start. Needs redis-server and redis-py (assets/clients/python/requirements.txt).
Prints one JSON object: seconds at the median, at p99 and at most, and the bound of two ticks and 20 ms."""
import atexit, json, random, socket, subprocess, sys, tempfile, threading, time
import redis

corec = sys.argv[1]
columns, rows, rate = (int(at) for at in (sys.argv[2:] + ["9990", "2000", "50"][len(sys.argv) - 2:]))
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
folder = tempfile.mkdtemp()
server = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--dir", folder], stdout=subprocess.DEVNULL)
atexit.register(server.terminate)
to = redis.Redis(port=port, protocol=2)
while True:
    try:
        to.ping()
        break
    except redis.ConnectionError:
        time.sleep(0.05)
run = subprocess.Popen(
    [corec, "run", "telemetry", "--bus", f"redis://127.0.0.1:{port}", "--tick-rate", str(rate * 1.25), "--ticks", str(rows), "--out", folder + "/run"],
    stdout=subprocess.DEVNULL)
added, taken = {}, []


def listen():
    """Notes when the alert of a row comes."""
    after, of = "0-0", redis.Redis(port=port, protocol=2)
    while run.poll() is None:
        for _, entries in of.xread({"alertas": after}, count=100, block=200) or []:
            now = time.monotonic()
            for after, fields in entries:
                alert = json.loads(fields[b"data"])
                if alert["name"] == "row_anomaly" and alert["state"] == "raised" and alert["tick"] in added:
                    taken.append(now - added.pop(alert["tick"]))


listener = threading.Thread(target=listen)
listener.start()
draw = random.Random(7)
base = [draw.gauss(0, 1) for _ in range(columns)]
next_at = time.monotonic() + 1
for row in range(rows):
    # Each farther than the one before, which the detector has learned from.
    far = 50 * 1.5 ** (row / 25) if row > 200 and row % 25 == 0 else 0
    values = {f"c{at}": round(value + draw.random() / 10 + far, 3) for at, value in enumerate(base)}
    data = json.dumps(values)
    time.sleep(max(0, next_at - time.monotonic()))
    next_at = max(next_at + 1 / rate, time.monotonic())
    if far:
        added[row] = time.monotonic()
    to.xadd("telemetry", {"data": data})
run.wait(timeout=60)
listener.join()
taken.sort()
at = lambda part: taken[min(len(taken) - 1, int(len(taken) * part))]
print(json.dumps({
    "columns": columns, "rows": rows, "alerts": len(taken), "without_alert": len(added), "p50": round(at(0.5), 4), "p99": round(at(0.99), 4),
    "most": round(taken[-1], 4), "bound": 2 / rate + 0.02, "exit": run.returncode}))
