"""What watchers cost a run: ticks a second with and without them, in turns within one run.

    scripts/watched.py [--corec target/release/corec] [--entities 1M] [--viewers 1] [--scrape 1] [--pairs 12] [--window 5]

Each pair is four windows, without, with, with, without, so that what drifts counts on both sides. Prints the share of ticks that watchers
cost, with its standard error (the watchers' own work, on the same processors, is in it), how long a scrape and a summary took, and how large the metrics are.
"""

import argparse
import json
import selectors
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request


def ask(url, path, accept="*/*"):
    request = urllib.request.Request(url + path, headers={"Accept": accept})
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = answer.read()
    return body, (time.perf_counter() - began) * 1e3


class Watchers:
    """Viewers of the stream, and one that scrapes, while `is_on`."""

    def __init__(self, url, viewers, scrape):
        self.url, self.viewers, self.scrape = url, viewers, scrape
        self.address = url.removeprefix("http://").split(":")
        self.scrapes, self.bytes, self.received, self.is_on = [], 0, 0, False
        self.on, self.over = threading.Event(), False
        self.threads = [threading.Thread(target=self.look), threading.Thread(target=self.take)]
        for thread in self.threads:
            thread.start()

    def look(self):
        while not self.over:
            if not self.on.wait(0.2):
                continue
            sockets = selectors.DefaultSelector()
            for _ in range(self.viewers):
                viewer = socket.create_connection((self.address[0], int(self.address[1])))
                viewer.sendall(b"GET /api/v1/stream?hz=10 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                sockets.register(viewer, selectors.EVENT_READ)
            while self.on.is_set() and not self.over:
                # Once a second: what watchers do with what they are shown is elsewhere, on a machine of their own.
                time.sleep(1.0)
                for key, _ in sockets.select(0):
                    self.received += len(key.fileobj.recv(1 << 20))
            for key in list(sockets.get_map().values()):
                key.fileobj.close()

    def take(self):
        while not self.over:
            if self.scrape > 0 and self.on.wait(0.2):
                body, took = ask(self.url, "/metrics", "application/openmetrics-text")
                self.scrapes.append(took)
                self.bytes = len(body)
                time.sleep(self.scrape)
            elif self.scrape <= 0:
                time.sleep(0.2)

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--corec", default="target/release/corec")
    options.add_argument("--entities", default="1M")
    options.add_argument("--viewers", type=int, default=1)
    options.add_argument("--scrape", type=float, default=1.0, help="seconds between two scrapes; 0 for none")
    options.add_argument("--pairs", type=int, default=12)
    options.add_argument("--window", type=float, default=5.0, help="seconds")
    options.add_argument("--run", nargs="*", default=[], help="more arguments of corec run")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [given.corec, "run", "--entities", given.entities, "--ticks", "1G", "--http", "0", "--out", folder + "/run"]
        run = subprocess.Popen(command + given.run, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        line = next(line for line in run.stderr if line.startswith("shown at "))
        threading.Thread(target=run.stderr.read, daemon=True).start()
        url = line.split()[2].rstrip("/")
        watchers = Watchers(url, given.viewers, given.scrape)
        try:
            time.sleep(3)
            costs, summaries = [], []
            for _ in range(given.pairs):
                rates = {False: [], True: []}
                for is_on in (False, True, True, False):
                    (watchers.on.set if is_on else watchers.on.clear)()
                    time.sleep(0.3)
                    began, before = time.perf_counter(), json.loads(ask(url, "/api/v1/summary")[0])["tick"]
                    time.sleep(given.window)
                    body, took = ask(url, "/api/v1/summary")
                    summaries.append(took)
                    rates[is_on].append((json.loads(body)["tick"] - before) / (time.perf_counter() - began))
                costs.append(1 - statistics.mean(rates[True]) / statistics.mean(rates[False]))
                print(f"{statistics.mean(rates[False]):8.1f} ticks/s alone, watched {costs[-1]:+.2%}", flush=True)
        finally:
            watchers.end()
            run.terminate()
            run.wait()
        error = statistics.stdev(costs) / len(costs) ** 0.5 if len(costs) > 1 else float("nan")
        print(f"{given.viewers} viewers, a scrape each {given.scrape} s: {statistics.mean(costs):+.2%} +- {error:.2%}, median {statistics.median(costs):+.2%}")
        print(f"viewers received {watchers.received / 1e6:.1f} MB; summary {statistics.median(summaries):.1f} ms")
        if watchers.scrapes:
            print(f"/metrics {statistics.median(watchers.scrapes):.1f} ms, at most {max(watchers.scrapes):.1f}, {watchers.bytes} bytes")


main()
