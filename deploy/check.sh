#!/usr/bin/env bash
# What of this folder can be checked without Docker: scripts, image, compose, unit, Prometheus, dashboard, proxies.
#
#   deploy/check.sh [--metrics FILE|URL] [--bin COREC]
#
# --metrics    what a run gave at /metrics: rules and dashboard may name nothing else. Without it, the names that the source has.
# --bin        the program: it is started by corec-start, killed, started again and stopped.
#
# A check that lacks its tool is one line, "skipped: ..". Exit status 1 if any has failed.
# Functions that `check` calls by their names are taken for unused ones.
# shellcheck disable=SC2329
set -uo pipefail
metrics='' bin='' called_in=$PWD
while [ $# -gt 0 ]; do
    case $1 in
        --metrics) metrics=${2:?--metrics needs a file or a URL} && shift 2 ;;
        --bin) bin=$(realpath "${2:?--bin needs a file}") && shift 2 ;;
        *) echo "check.sh: found $1, must be --metrics FILE|URL or --bin COREC" >&2 && exit 2 ;;
    esac
done
cd "$(dirname "$0")" || exit 1
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# check NAME COMMAND..: runs it, and shows what it says only if it fails.
check() {
    local name=$1
    shift
    if "$@" >"$scratch/said" 2>&1; then
        echo "ok: $name"
    else
        failed=1
        echo "FAILED: $name"
        tail -n 25 "$scratch/said" | sed 's/^/    /'
    fi
}
# has NAME TOOL..: whether the tools are there.
has() {
    local name=$1 tool
    shift
    for tool; do
        command -v "$tool" >/dev/null || { echo "skipped: $name (no $tool)" && return 1; }
    done
}

sh='sh'
command -v dash >/dev/null && sh='dash'
check "corec-start is POSIX sh ($sh -n)" "$sh" -n corec-start
check "corec-health, check.sh: bash -n" bash -c 'bash -n corec-health && bash -n check.sh'
has "scripts: shellcheck" shellcheck && check "scripts: shellcheck" shellcheck corec-start corec-health check.sh
has "Dockerfile: hadolint" hadolint && check "Dockerfile: hadolint" hadolint Dockerfile
has "compose.yaml: the specification's schema" check-jsonschema &&
    check "compose.yaml: the specification's schema" check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

if has "what check.py looks at" python3; then
    case $metrics in
        '') ;;
        http://* | https://*)
            # Through a file, so that nothing else need be installed.
            check "metrics of $metrics" python3 -c '
import sys, urllib.request
open(sys.argv[2], "wb").write(urllib.request.urlopen(sys.argv[1], timeout=10).read())' "$metrics" "$scratch/metrics"
            metrics=$scratch/metrics
            ;;
        /*) ;;
        *) metrics=$called_in/$metrics ;;
    esac
    check "corec.json is JSON" python3 -m json.tool corec.json
    check "Dockerfile: structure" python3 check.py dockerfile
    check "dashboard: structure" python3 check.py dashboard
    check "metric names of dashboard and rules (${metrics:-those of the source})" python3 check.py names "$metrics"
    if python3 -c 'import yaml' 2>/dev/null; then
        check "compose.yaml: structure" python3 check.py compose
    else
        echo "skipped: compose.yaml: structure (no PyYAML)"
    fi
fi

if has "Prometheus: config, rules, their tests, the dashboard's queries" promtool; then
    check "prometheus.yml" promtool check config monitoring/prometheus.yml
    check "rules.yml" promtool check rules monitoring/rules.yml
    check "rules_test.yml" promtool test rules monitoring/rules_test.yml
    if has "the dashboard's queries" python3; then
        python3 check.py queries >"$scratch/queries.yml" 2>/dev/null
        check "the dashboard's queries are PromQL" promtool check rules "$scratch/queries.yml"
    fi
fi

if has "corec.service: systemd-analyze" systemd-analyze; then
    # The program need not be installed where this is checked.
    sed 's|^ExecStart=/usr/local/bin/corec-start |ExecStart=/bin/true |' systemd/corec.service >"$scratch/corec.service"
    verify() {
        local said
        said=$(systemd-analyze verify "$scratch/corec.service" 2>&1) || { echo "$said" && return 1; }
        # An unknown key is a warning there.
        ! grep -F corec.service <<<"$said"
    }
    check "corec.service: verify" verify
    if systemd-analyze --help | grep -q -- --offline; then
        check "corec.service: exposure of at most 1.5" \
            systemd-analyze security --offline=true --threshold=15 --no-pager "$scratch/corec.service"
    else
        echo "skipped: corec.service: exposure (this systemd-analyze has no --offline)"
    fi
fi

if has "nginx.conf: nginx -t" nginx openssl; then
    nginx_test() {
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
            -keyout "$scratch/key.pem" -out "$scratch/fullchain.pem" && : >"$scratch/users" || return 1
        sed "s|/etc/ssl/corec|$scratch|; s|/etc/nginx/corec.htpasswd|$scratch/users|; s|listen 443|listen 127.0.0.1:8443|" \
            proxy/nginx.conf >"$scratch/site.conf"
        printf 'pid %s/pid; error_log stderr;\nevents {}\nhttp { access_log off; include %s/site.conf; }\n' \
            "$scratch" "$scratch" >"$scratch/nginx.conf"
        nginx -t -c "$scratch/nginx.conf"
    }
    check "nginx.conf: nginx -t" nginx_test
fi
has "Caddyfile: caddy validate" caddy && COREC_READER_HASH=JDJhJDE0JHg= \
    check "Caddyfile: caddy validate" env HOME="$scratch" caddy validate --config proxy/Caddyfile --adapter caddyfile

if [ -n "$bin" ]; then
    # New, killed before its first snapshot, gone on with, stopped with a snapshot, gone on with past it.
    goes_on() {
        local state=$scratch/state turn pid status
        mkdir "$state"
        for turn in KILL:137 TERM:143 TERM:143; do
            COREC_STATE=$state COREC_BIN=$bin COREC_SCENARIO=ecosystem COREC_NEW_FLAGS='--entities 20k --ticks 100M' \
                "$sh" corec-start --tick-rate 50 --http 127.0.0.1:0 --quiet &
            pid=$!
            for _ in {1..100}; do
                if grep -qs "\"pid\": *$pid\b" "$state/runs/0001/http.json"; then break; fi
                sleep 0.1
            done
            sleep 1
            ./corec-health /ready "$(sed -n 's|.*http://[^"]*:\([0-9]*\).*|\1|p' "$state/runs/0001/http.json")" || return 1
            kill -s "${turn%:*}" "$pid"
            wait "$pid"
            status=$?
            [ "$status" = "${turn#*:}" ] || { echo "$turn: found exit status $status" && return 1; }
        done
        local runs=("$state"/runs/*) snapshots=("$state"/runs/0001/snapshots/*)
        [ "${#runs[@]}" = 1 ] && [ "${#snapshots[@]}" -ge 2 ] || { echo "found ${runs[*]}, ${snapshots[*]}" && return 1; }
    }
    check "corec-start: new, killed, gone on with, stopped, gone on with" goes_on
    if unshare --pid --fork --mount-proc true 2>/dev/null; then
        # As a container has it: process 1 gets no signal that it has not asked for.
        first() {
            local around pid status
            unshare --pid --fork --mount-proc --kill-child "$bin" run --entities 20k --ticks 100M --tick-rate 50 \
                --out "$scratch/first" --quiet &
            around=$!
            sleep 2
            pid=$(pgrep -P "$around") && kill -TERM "$pid"
            wait "$around"
            status=$?
            [ "$status" = 143 ] || { echo "found exit status $status" && return 1; }
            ls "$scratch"/first/snapshots/*
        }
        check "corec as process 1 ends by SIGTERM, with a snapshot" first
    else
        echo "skipped: corec as process 1 (unshare --pid is not permitted)"
    fi
else
    echo "skipped: corec-start with the program (no --bin)"
fi
exit "$failed"
