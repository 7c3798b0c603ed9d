#!/usr/bin/env bash
# usage: scripts/bench.sh [flash-bench options]
# Builds the server and the bench with --release and runs the bench. `make bench` calls this.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked -p flash-promos -p flash-loadtest
exec "${CARGO_TARGET_DIR:-target}/release/flash-bench" \
    --server "${CARGO_TARGET_DIR:-target}/release/flash-promos" "$@"
