#!/usr/bin/env bash
# As a new user would: `corec plugin new` in a copy of this tree, then its test, then a run with it. The copy shares this
# tree's target folder, so that only what depends on the copy is built again.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | tar --null --files-from=- --create --file=- | tar --extract --file=- --directory="$copy"
cargo build --quiet --locked
"$target/debug/corec" --version
cp "$target/debug/corec" "$copy/corec-built"
cd "$copy"
export CARGO_TARGET_DIR=$target
./corec-built plugin new fatigue
# A second one, whose name is as long as may be: what is written is formatted whatever it is called.
./corec-built plugin new "$(printf 'w%.0s' {1..64})"
cargo fmt --all --check
rm -r plugins/w*
"$copy/corec-built" plugin sync
cargo test --quiet -p fatigue
cargo build --quiet
"$target/debug/corec" plugin check plugins --lint
out=$("$target/debug/corec" run ecosystem --entities 10k --ticks 100 --plugins plugins --out "$copy/run" --json)
"$target/debug/corec" plugin sync --check
"$target/debug/corec" replay "$copy/run"
case "$out" in
*'"name":"fatigue"'*) echo "fatigue: written, tested, run and replayed" ;;
*) echo "error: the run says nothing of the plugin fatigue: $out" >&2 && exit 1 ;;
esac
