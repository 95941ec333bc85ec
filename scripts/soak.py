#!/usr/bin/env python3
"""Ten minutes with servers that are begun anew every 20 s: soak.py CORE-C [TICKS [TICK_RATE]]

Starts a redis-server and a PostgreSQL of its own (as the user `postgres` where this one is root), and a small run that sends frames to
one and block states to the other; kills one of them every 20 s, in turn, and starts it again. Prints one JSON object: memory after a tenth
of the run and at its end, threads, files and sockets then, how often and for how long each was away, and what was lost."""
import atexit, glob, json, os, shutil, signal, socket, subprocess, sys, tempfile, time

corec = sys.argv[1]
ticks, rate = (int(at) for at in (sys.argv[2:] + ["1000000", "1700"][len(sys.argv) - 2:]))
BIN = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
folder = tempfile.mkdtemp(prefix="soak-")
os.chmod(folder, 0o777)
as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


redis_port, sql_port, data = free_port(), free_port(), folder + "/sql"
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
subprocess.run(as_user + [BIN + "/initdb", "-D", data, "-U", "corec", "-A", "trust"], check=True, **quiet)
start = {
    "redis": ["redis-server", "--port", str(redis_port), "--dir", folder, "--appendonly", "yes", "--appendfsync", "always"],
    "sql": as_user + [BIN + "/postgres", "-D", data, "-p", str(sql_port), "-k", folder],
}
servers = {name: subprocess.Popen(command, start_new_session=True, **quiet) for name, command in start.items()}


@atexit.register
def end():
    """Leaves no server behind, however this ends."""
    for server in servers.values():
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
    shutil.rmtree(folder, ignore_errors=True)


database = f"postgres://corec@127.0.0.1:{sql_port}/corec"
while subprocess.run([BIN + "/createdb", "-h", "127.0.0.1", "-p", str(sql_port), "-U", "corec", "corec"], **quiet).returncode:
    time.sleep(0.2)
scenario = {
    "tick_seconds": 0.1, "publish_interval": 1, "store_interval": 10,
    "blocks": [{"id": "small", "channel": 1, "entities": 2000, "entities_per_block": 500}],
}
with open(folder + "/small.json", "w") as file:
    json.dump(scenario, file)
run = subprocess.Popen(
    [corec, "run", folder + "/small.json", "--ticks", str(ticks), "--tick-rate", str(rate), "--bus", f"redis://127.0.0.1:{redis_port}",
     "--store", database, "--out", folder + "/run", "--json"], stdout=subprocess.PIPE, stderr=open(folder + "/stderr", "w"))


def state():
    """Memory in KiB, threads, open files; none once the run has ended."""
    try:
        status = dict(line.split(":", 1) for line in open(f"/proc/{run.pid}/status") if ":" in line)
        return int(status["VmRSS"].split()[0]), int(status["Threads"]), len(os.listdir(f"/proc/{run.pid}/fd"))
    except (OSError, KeyError):
        return None


began, seen, turn = time.monotonic(), [], 0
while run.poll() is None:
    time.sleep(1)
    if (now := state()):
        seen.append(now)
    if time.monotonic() - began > 20 * (turn + 1):
        name = ("redis", "sql")[turn % 2]
        turn += 1
        if name == "redis":
            servers[name].kill()
        else:
            pid = int(open(data + "/postmaster.pid").readline())
            os.kill(pid, signal.SIGQUIT)
        servers[name].wait()
        time.sleep(1)
        servers[name] = subprocess.Popen(start[name], start_new_session=True, **quiet)
if not (out := run.stdout.read()):
    sys.exit(open(folder + "/stderr").read()[-2000:])
out = json.loads(out)
rows = subprocess.run([BIN + "/psql", "-h", "127.0.0.1", "-p", str(sql_port), "-U", "corec", "corec", "-Atc",
                       "SELECT count(*) FROM block_states"], capture_output=True, text=True).stdout.strip()
added = subprocess.run(["redis-cli", "-p", str(redis_port), "XINFO", "STREAM", "bloque_data_stream"], capture_output=True, text=True, errors="replace").stdout.split()
early, late = seen[len(seen) // 10], seen[-2]
print(json.dumps({
    "ticks": out["ticks"], "seconds": round(time.monotonic() - began), "restarts": turn, "exit": run.returncode,
    "early": dict(zip(("rss_kib", "threads", "files"), early)), "late": dict(zip(("rss_kib", "threads", "files"), late)),
    "most": dict(zip(("rss_kib", "threads", "files"), map(max, zip(*seen)))),
    "rss_kib": [seen[len(seen) * part // 10][0] for part in range(1, 10)], "frames": int(added[added.index("entries-added") + 1]), "frames_expected": ticks // 10,
    "rows": int(rows), "rows_expected": 4 * (ticks // 100),
    "lanes": {lane: {key: out["lanes"][lane][key] for key in ("outages", "away_seconds", "sent", "dropped", "spooled")} for lane in ("bus", "store")},
    "error": out["error"]}))
