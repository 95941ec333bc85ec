#!/usr/bin/env bash
# What must hold besides the tests (scripts/test.sh) before a change lands: format, lints, docs, digests of release
# builds, unsafe code under sanitizers, a new plugin, the comparison with others. Each step says what it took.
# Needs what the tests need; a step that this machine has no tool for is one line, and again one at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

# What a test could not do here, a line each, is put here by the tests.
export COREC_SKIPS=$PWD/target/skips-checks.txt
mkdir -p target
: >"$COREC_SKIPS"
host=$(rustc -vV | sed -n 's/^host: //p')
name= began=0 skipped=()
finish() { [ -z "$name" ] || printf -- '-- %s: %s s\n' "$name" $((SECONDS - began)); }
step() {
    finish
    name=$1 began=$SECONDS
    printf '\n== %s\n' "$name"
}
skip() {
    finish
    name=
    skipped+=("$1")
    printf '\n-- skipped: %s\n' "$1"
}

step format
cargo fmt --all --check
cargo fmt --manifest-path benches/peers/Cargo.toml --check
step lints
cargo clippy --workspace --all-targets --locked -- -D warnings
step docs
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

step "the plugins' registry, and a new plugin as a new user would make it"
cargo run --quiet --locked -- plugin sync --check
scripts/try-new-plugin.sh

step "deployment: files, images, rules, a run that is started, killed and gone on with"
if [ ! -d target/deploy ]; then
    python3 -m venv target/deploy && target/deploy/bin/pip install --quiet --requirement deploy/requirements.txt ||
        rm -rf target/deploy
fi
PATH=$PWD/target/deploy/bin:$PATH deploy/check.sh --bin target/debug/corec

step "release: the digest of debug builds, a million entities in their memory, fitness"
cargo test --release --locked --test same_bits --test fitness --test memory
if [ -e tests/fault_rounds/main.rs ] || [ -e tests/fault_rounds.rs ]; then
    step "fault rounds, 12 of each; COREC_ROUNDS=full for all"
    COREC_ROUNDS=12 cargo test --release --locked --test fault_rounds -- --nocapture
else
    skip "fault rounds (not in this tree)"
fi
step "faults of servers, 4 rounds of each; a base of its own for every day"
cargo test --release --locked --test corec_faults -- --rounds 4 --base "$(date +%Y%m%d)"

if command -v valgrind >/dev/null && command -v gungraun-runner >/dev/null; then
    step "instructions of the kernels"
    cargo bench --locked --features gungraun --bench counts
else
    skip "instruction counts (need valgrind and gungraun-runner 0.20.0)"
fi
# Minutes of building that nothing here but the benches depends on.
if [ "${COREC_CHECK:-}" = full ]; then
    step "the comparison with other ECS builds and agrees on its results"
    CARGO_TARGET_DIR=target/peers cargo run --release --locked --manifest-path benches/peers/Cargo.toml -- \
        --rounds 1 --entities 20000 --out target/peers.md
else
    skip "the comparison with other ECS (COREC_CHECK=full)"
fi

# The modules with unsafe code are corec_core's; its unit tests drive every path through them.
if cargo +nightly --version >/dev/null 2>&1 && [ "$host" = x86_64-unknown-linux-gnu ]; then
    step "AddressSanitizer on the unsafe modules"
    RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/asan PROPTEST_CASES=32 \
        cargo +nightly test -p corec_core --lib --locked --target "$host" -- blocks executor kind raw replace reshape rows team
else
    skip "AddressSanitizer (needs a nightly toolchain on x86-64 Linux)"
fi
if cargo +nightly miri --version >/dev/null 2>&1; then
    step "Miri on the unsafe modules"
    MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR=target/miri PROPTEST_CASES=4 \
        cargo +nightly miri test -p corec_core --lib --locked -- blocks executor replace reshape rows team
else
    skip "Miri (not installed)"
fi
finish
printf '\nall passed in %s s; left out: %s steps, %s tests\n' "$SECONDS" "${#skipped[@]}" "$(sort -u "$COREC_SKIPS" | wc -l)"
[ ${#skipped[@]} -eq 0 ] || printf 'skipped: %s\n' "${skipped[@]}"
sort -u "$COREC_SKIPS"
