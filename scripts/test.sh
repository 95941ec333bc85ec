#!/usr/bin/env bash
# The tests: units, scenarios and every example in the docs, on one build. Needs rustup, cargo and a C compiler; what a
# test could not do here is named at the end. scripts/check.sh is the rest of what must hold before a change lands.
set -euo pipefail
cd "$(dirname "$0")/.."

export COREC_SKIPS=$PWD/target/skips.txt
mkdir -p target
: >"$COREC_SKIPS"
status=0
cargo test --workspace --locked --no-fail-fast "$@" || status=$?
printf '\n%s skipped in part or whole, %s s\n' "$(sort -u "$COREC_SKIPS" | wc -l) tests" "$SECONDS"
sort -u "$COREC_SKIPS"
exit "$status"
