#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lints, docs, tests in debug and release, sanitizers.
# Needs rustup, cargo and a C compiler; what is not installed and not required is skipped with one line.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
skip() { printf '\n-- skipped: %s\n' "$*"; }

step format
cargo fmt --all --check
step lints
cargo clippy --workspace --all-targets --locked -- -D warnings
step docs
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
step tests and doctests
cargo test --workspace --locked --no-fail-fast
step "a new plugin, as a new user would make it"
scripts/try-new-plugin.sh
step "the same digest, a million entities: release"
cargo test --release --locked --test same_bits --test fitness --test memory
step "fault rounds: two processes, signals, kills, loss of power, full disks, a changed world"
COREC_ROUNDS=full cargo test --release --locked --test fault_rounds

if command -v valgrind >/dev/null && command -v gungraun-runner >/dev/null; then
    step "instructions of the kernels"
    cargo bench --locked --features gungraun --bench counts
else
    skip "instruction counts (need valgrind and gungraun-runner 0.20.0)"
fi
step "the comparison with other ECS builds and agrees on its results"
cargo fmt --manifest-path benches/peers/Cargo.toml --check
CARGO_TARGET_DIR=target/peers cargo run --release --locked --manifest-path benches/peers/Cargo.toml -- \
    --rounds 1 --entities 20000 --out target/peers.md

# The modules with unsafe code are corec_core's; its unit tests drive every path through them.
host=$(rustc -vV | sed -n 's/^host: //p')
if cargo +nightly --version >/dev/null 2>&1 && [ "$host" = x86_64-unknown-linux-gnu ]; then
    step "AddressSanitizer on the unsafe modules"
    RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/asan PROPTEST_CASES=32 \
        cargo +nightly test -p corec_core --lib --locked --target "$host" -- blocks executor kind raw rows
else
    skip "AddressSanitizer (needs a nightly toolchain on x86-64 Linux)"
fi
if cargo +nightly miri --version >/dev/null 2>&1; then
    step "Miri on the unsafe modules"
    MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR=target/miri PROPTEST_CASES=4 \
        cargo +nightly miri test -p corec_core --lib --locked -- blocks executor rows
else
    skip "Miri (not installed)"
fi
step "all passed"
