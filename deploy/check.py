"""Looks at the files of this folder as data: check.py dockerfile|compose|dashboard|names [METRICS]|queries. Says what is wrong, a line each."""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME = re.compile(r"\b(?:corec|process)_[a-z0-9_]+\b")


def read(path):
    return (HERE / path).read_text(encoding="utf-8")


def dockerfile():
    text = re.sub(r"\\\n", " ", "\n".join(line for line in read("Dockerfile").splitlines() if not line.lstrip().startswith("#")))
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    stages = [rest for word, rest in lines if word == "FROM"]
    last = lines[max(at for at, (word, _) in enumerate(lines) if word == "FROM"):]
    of = lambda word: [rest for found, rest in last if found == word]
    if len(stages) < 2:
        yield "must have a stage that builds and one that runs"
    yield from (f"FROM {stage}: must name a version" for stage in stages if ":" not in stage or ":latest" in stage)
    if not of("USER") or not re.fullmatch(r"[1-9]\d*(:\d+)?", of("USER")[-1]):
        yield f"USER: found {of('USER')}, must be a number other than 0"
    if of("STOPSIGNAL") != ["SIGTERM"]:
        yield "STOPSIGNAL: must be SIGTERM"
    for word in ("ENTRYPOINT", "CMD"):
        for rest in of(word):
            try:
                json.loads(rest)
            except ValueError:
                yield f"{word} {rest}: must be a list, so that no shell is process 1"
    if not of("ENTRYPOINT"):
        yield "must have an ENTRYPOINT"
    if not of("HEALTHCHECK"):
        yield "must have a HEALTHCHECK"
    ignored = [line for line in read("Dockerfile.dockerignore").splitlines() if line and not line.startswith("#")]
    if "*" not in ignored:
        yield "Dockerfile.dockerignore: must leave all out but what it names"
    for name in (line[1:] for line in ignored if line.startswith("!")):
        if not list(HERE.parent.glob(name)):
            yield f"Dockerfile.dockerignore: {name} is not there"
    for name in re.findall(r"\bdeploy/[\w./-]+", text):
        if "!" + name not in ignored:
            yield f"{name}: is needed, and not in the context"


def compose():
    import yaml

    made = yaml.safe_load(read("compose.yaml"))
    services, volumes = made["services"], made.get("volumes", {})
    for name, service in services.items():
        def must(key, is_so, what):
            if not is_so:
                yield f"{name}.{key}: found {service.get(key)!r}, must {what}"

        yield from must("read_only", service.get("read_only") is True, "be true")
        yield from must("cap_drop", service.get("cap_drop") == ["ALL"], "be [ALL]")
        yield from must("security_opt", "no-new-privileges:true" in service.get("security_opt", []), "have no-new-privileges:true")
        yield from must("restart", service.get("restart"), "be given")
        for key in ("mem_limit", "cpus", "pids_limit", "stop_grace_period"):
            yield from must(key, service.get(key), "be given")
        yield from must("logging", service.get("logging", {}).get("options", {}).get("max-size"), "have a max-size")
        yield from must("healthcheck", service.get("healthcheck") or name == "corec", "be given")
        image = service.get("image", "")
        yield from must("image", re.search(r":[^/]+$", image) and not image.endswith(":latest"), "have a version")
        for port in service.get("ports", []):
            yield from must("ports", port.startswith("127.0.0.1:"), "be of the loopback address")
        for other, how in service.get("depends_on", {}).items():
            is_so = other in services and how.get("condition") == "service_healthy"
            yield from must("depends_on", is_so, "be of services, by service_healthy")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            is_there = (HERE / source).exists() if source.startswith(".") else source in volumes
            yield from must("volumes", is_there, f"be there: {source} is not")
        for secret in service.get("secrets", []):
            yield from must("secrets", secret in made.get("secrets", {}), f"be declared: {secret} is not")
        for network in service.get("networks", []):
            yield from must("networks", network in made.get("networks", {}), f"be declared: {network} is not")
        for key, value in (service.get("environment") or {}).items():
            is_open = re.search(r"PASSWORD|TOKEN|SECRET", key) and not re.search(r"_FILE$", key)
            yield from must("environment", not is_open, f"have no secret: {key}")
            yield from must("environment", not re.search(r"://[^@/]*:[^@/]+@", str(value)), f"have no password: {key}")
    given = set(re.findall(r"^(\w+)=", read(".env.example"), re.M))
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", re.sub(r"^\s*#.*", "", read("compose.yaml"), flags=re.M)))
    yield from (f".env.example: {name} is missing" for name in sorted(used - given))
    yield from (f".env.example: {name} is used nowhere" for name in sorted(given - used))


def board():
    return json.loads(read("monitoring/grafana/dashboards/dashboard.json"))


def dashboard():
    made = board()
    panels = made["panels"] + [inner for panel in made["panels"] for inner in panel.get("panels", [])]
    ids = [panel.get("id") for panel in panels]
    yield from (f"id {each}: must be a panel's own" for each in sorted({each for each in ids if ids.count(each) > 1 or each is None}, key=str))
    variables = {variable["name"] for variable in made["templating"]["list"]}
    used = set(re.findall(r"\$\{?([A-Za-z_]\w*)", json.dumps(made)))
    yield from (f"${name}: no variable of the dashboard" for name in sorted(used - variables) if not name.startswith("__"))
    taken = {}
    for panel in panels:
        title, at = f"{panel.get('id')} '{panel.get('title')}'", panel["gridPos"]
        if not panel.get("title"):
            yield f"{title}: must have a title"
        if at["x"] < 0 or at["x"] + at["w"] > 24 or at["w"] < 1 or at["h"] < 1:
            yield f"{title}: gridPos {at}, must be within 24 columns"
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            if taken.setdefault(cell, title) != title:
                yield f"{title}: lies over {taken[cell]}"
                break
        if panel["type"] == "row":
            continue
        targets = panel.get("targets", [])
        if not targets:
            yield f"{title}: must have targets"
        marks = [target.get("refId") for target in targets]
        if len(set(marks)) != len(marks) or None in marks:
            yield f"{title}: refIds {marks}, must be each its own"
        for target in targets:
            if not target.get("expr", "").strip():
                yield f"{title}: a target without expr"
            elif 'job="corec"' not in target["expr"]:
                yield f"{title}: {target['expr']}: must be of the job corec, or it counts what other jobs have as well"
    provider = read("monitoring/grafana/provisioning/dashboards/corec.yml") + read("compose.yaml")
    if provider.count("/var/lib/dashboards") < 2:
        yield "compose.yaml: dashboards must be mounted where their provider looks"


def exprs():
    for panel in board()["panels"]:
        for target in panel.get("targets", []):
            yield f"dashboard, '{panel['title']}'", target["expr"]
    for each in board()["annotations"]["list"]:
        if "expr" in each:
            yield "dashboard, annotations", each["expr"]
    for at, line in enumerate(read("monitoring/rules.yml").splitlines(), 1):
        yield f"rules.yml:{at}", re.sub(r"summary:.*|#.*", "", line)


def names(metrics):
    if metrics:
        text = Path(metrics).read_text(encoding="utf-8")
        known = {re.match(r"[\w:]+", line)[0] for line in text.splitlines() if re.match(r"\w", line)}

    else:
        source = HERE.parent / "systems/live/src/metrics.rs"
        bases = set(re.findall(r'"((?:corec|process)_[a-z0-9_]+)"', source.read_text(encoding="utf-8")))
        known = {base + end for base in bases for end in ("", "_total", "_bucket", "_sum", "_count", "_info")}
    if len(known) < 20:
        yield f"found {len(known)} names of metrics, must be more"
    for where, expr in exprs():
        yield from (f"{where}: {name}: no metric of that name" for name in sorted(set(NAME.findall(expr)) - known))


def queries():
    print("groups:\n  - name: dashboard\n    rules:")
    values = {"$instance": "a", "$__rate_interval": "1m", "$__interval": "1m", "$__range": "1h"}
    for at, (where, expr) in enumerate(exprs()):
        if where.startswith("dashboard"):
            for name, value in values.items():
                expr = expr.replace(name, value)
            print(f"      - record: dashboard:{at}\n        expr: {json.dumps(expr)}")
    return []


def main():
    metrics = sys.argv[2] if len(sys.argv) > 2 else ""
    what = {"dockerfile": dockerfile, "compose": compose, "dashboard": dashboard, "queries": queries, "names": lambda: names(metrics)}
    if len(sys.argv) < 2 or sys.argv[1] not in what:
        print(__doc__, file=sys.stderr)
        return 2
    wrong = list(what[sys.argv[1]]())
    for line in wrong:
        print(line)
    return 1 if wrong else 0


sys.exit(main())
