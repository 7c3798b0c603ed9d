#!/usr/bin/env python3
"""Checks that every third-party package is under a permissive licence.

Reads `cargo metadata`, the committed package-lock.json files and the packages installed in tests/.venv*.
Knows the licences that are allowed, not the packages: a copyleft or unknown licence fails the check
unless the expression offers an allowed alternative (`OR`).
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "OpenSSL", "PSF-2.0", "BlueOak-1.0.0", "Unicode-3.0", "Unicode-DFS-2016",
    "Unlicense", "Zlib",
}

# What the licence of a package allows here though it is not in the list, and why (docs/decisions/0021-notifications.md, 0023-web.md).
EXCEPTIONS = {
    ("certifi", "MPL-2.0"): "root certificates that the SNS and SQS emulator of the tests brings; unchanged and never distributed",
    ("axe-core", "MPL-2.0"): "a tool of the tests, unchanged and never distributed",
    ("@axe-core/playwright", "MPL-2.0"): "a tool of the tests, unchanged and never distributed",
    ("@fontsource-variable/plus-jakarta-sans", "OFL-1.1"): "a font file, which the licence lets any software carry",
}

# Free-text licence fields and trove classifiers of PyPI packages that predate SPDX expressions.
PYPI_NAMES = {
    "mit license": "MIT", "the mit license": "MIT", "apache software license": "Apache-2.0", "apache 2.0": "Apache-2.0",
    "bsd license": "BSD-3-Clause", "3-clause bsd license": "BSD-3-Clause", "python software foundation license": "PSF-2.0",
}


def allowed(expression: str) -> bool:
    """Evaluates an SPDX expression (`AND`, `OR`, `WITH`, parentheses; `/` is an old `OR`) against ALLOWED."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def peek() -> str | None:
        return tokens[position] if position < len(tokens) else None

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1]

    def atom() -> bool:
        token = take() if peek() else ""
        if token == "(":
            result = any_of()
            return take() == ")" and result if peek() else False
        if peek() == "WITH":  # an exception only grants more
            take(), take()
        return token in ALLOWED

    def all_of() -> bool:
        result = atom()
        while peek() == "AND":
            take()
            result = atom() and result
        return result

    def any_of() -> bool:
        result = all_of()
        while peek() == "OR":
            take()
            result = all_of() or result
        return result

    return bool(tokens) and any_of() and position == len(tokens)


def cargo_packages():
    output = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    metadata = json.loads(output)
    for package in metadata["packages"]:
        if package["id"] not in metadata["workspace_members"]:
            yield f"{package['name']} {package['version']} (Cargo)", package["license"] or ""


def npm_packages():
    locks = subprocess.run(
        ["git", "ls-files", "*package-lock.json"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
    for lock in locks:
        for path, package in json.loads((ROOT / lock).read_text())["packages"].items():
            if path and not package.get("link"):
                yield f"{path} {package.get('version')} ({lock})", package.get("license", "")


def pypi_packages():
    for site in ROOT.glob("tests/.venv*/lib/python*/site-packages"):
        for distribution in importlib.metadata.distributions(path=[str(site)]):
            meta = distribution.metadata
            if meta["Name"] in ("pip", "setuptools"):  # the venv's own tools
                continue
            classifiers = [c.split(" :: ")[-1] for c in meta.get_all("Classifier", []) if c.startswith("License ::")]
            text = (meta.get("License") or "").strip()
            found = meta.get("License-Expression") or ""
            if not found:
                found = text if allowed(text) else next((PYPI_NAMES[n.lower()] for n in [text, *classifiers] if n.lower() in PYPI_NAMES), "")
            if not found:
                files = [f for f in distribution.files or [] if "license" in f.name.lower()]
                if files and "Permission is hereby granted, free of charge" in (files[0].read_text() or ""):
                    found = "MIT"
            yield f"{meta['Name']} {distribution.version} (PyPI)", found or text or "/".join(classifiers)


def main() -> int:
    count = 0
    refused = []
    for name, expression in [*cargo_packages(), *npm_packages(), *pypi_packages()]:
        count += 1
        package = name.split(" ")[0].rsplit("node_modules/", 1)[-1]
        if not allowed(expression) and (package, expression) not in EXCEPTIONS:
            refused.append(f"{name}: {expression or 'no licence named'}")
    for line in refused:
        print(f"not allowed: {line}", file=sys.stderr)
    print(f"licences: {count} packages, {len(refused)} not allowed")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
