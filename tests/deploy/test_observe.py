"""Prometheus' rules and Grafana's dashboard: well-formed, tested, and about metrics that the real binary shows."""

import json
import re
import subprocess
import urllib.request

import yaml
from conftest import ROOT, tool

PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/flash-promos.json").read_text())
# `up` is Prometheus' own.
NAME = re.compile(r"\b(?:flash|process)_[a-z_]+\b")


def rules():
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(*arguments):
    ran = subprocess.run([tool("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_promtool_accepts_and_tests_the_rules():
    promtool("check", "config", "prometheus.yml")
    promtool("test", "rules", "alerts_test.yml")


def test_every_alert_has_its_paragraph():
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text(), re.M)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    for rule in rules():
        file, anchor = rule["annotations"]["runbook"].split("#")
        assert file == "docs/operations.md" and anchor in anchors, rule["alert"]
        assert anchor == rule["alert"].lower() and rule["labels"]["severity"] in ("page", "ticket")


def test_rules_and_panels_ask_for_what_there_is(start_server):
    server = start_server()
    urllib.request.urlopen(f"{server.url}/healthz", timeout=20).read()
    text = urllib.request.urlopen(f"{server.url}/metrics", timeout=20).read().decode()
    families = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    shown = set(families)
    for name, kind in families.items():
        if kind == "histogram":
            shown |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
        # Named by the conventions: what only grows says so, times are in seconds.
        assert (kind == "counter") == name.endswith("_total"), f"{name} is a {kind}"
        assert not re.search(r"_(ms|millis|milliseconds|micros|microseconds|us)(_|$)", name), name
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    expressions += [rule["expr"] for rule in rules()]
    asked = {name for expression in expressions for name in NAME.findall(expression)}
    assert len(asked) > 20 and asked <= shown, asked - shown
    # What a person would look for is measured as a distribution.
    for name in ["claim_duration_seconds", "commit_duration_seconds", "live_delivery_lag_seconds", "live_inbox_depth",
                 "outbox_age_seconds"]:  # fmt: skip
        assert families[f"flash_{name}"] == "histogram"
    started = subprocess.run([tool("promtool"), "check", "metrics"], input=text, capture_output=True, text=True)
    assert started.returncode == 0, started.stdout + started.stderr


def test_the_dashboard_is_whole():
    provisioned = ROOT / "deploy/grafana/provisioning"
    sources = yaml.safe_load((provisioned / "datasources/prometheus.yml").read_text())["datasources"]
    identities = {source["uid"] for source in sources}
    seen = set()
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] in identities
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & seen, panel["title"]
        seen |= cells
    promtool("check", "rules", "alerts.yml")
