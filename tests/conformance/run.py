#!/usr/bin/env python3
"""Runs the Autobahn cases (kosoku) against the real binary's `/api/v1/bench/echo`.

Every case that is not about compression must pass; NON-STRICT and INFORMATIONAL verdicts pass. Prints one
line per failure and a summary that ends with `conformance: N passed, N failed`. Reports for people are
written to target/conformance.

usage: run.py [CASE…]     cases or globs such as 1.1.1 or 9.*; all by default
"""

from __future__ import annotations

import asyncio
import collections
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/sdk/py"))

from kosoku import FailureError, run_fuzzingclient  # noqa: E402
from kosoku._report import write_reports  # noqa: E402

from support.server import Server  # noqa: E402

COMPRESSION = ["12.*", "13.*"]
SECONDS_MAX = 900


async def run(server: Server, cases: list[str]):
    url = f"ws://127.0.0.1:{server.port}/api/v1/bench/echo"
    try:
        return await asyncio.wait_for(run_fuzzingclient(url, cases or None, COMPRESSION, concurrency=2), SECONDS_MAX)
    except FailureError as failure:
        return failure.results


def main() -> int:
    started = time.monotonic()
    server = Server()
    try:
        results = asyncio.run(run(server, sys.argv[1:]))
    finally:
        server.close()
    out = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "conformance"
    write_reports(results, str(out))
    failed = [r for r in results if not r.passed]
    for r in failed:
        print(f"FAILED {r.case_id}: {r.behavior.value}, close {r.behavior_close.value}: {r.result} {r.result_close}")
    verdicts = collections.Counter(f"{r.behavior.value}/{r.behavior_close.value}" for r in results)
    for verdict, count in sorted(verdicts.items()):
        print(f"  {count:4} {verdict}")
    print(f"  {len(results)} cases in {time.monotonic() - started:.0f} s; reports in {out}")
    if not results:
        print("no case was run")
    print(f"conformance: {len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
