"""The dashboard and the alerts of deploy/: each of their metrics exists, and each alert fires when it should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import generate_latest

from stagely_rpc.process.metrics import WorkersMetrics
from stagely_rpc.telemetry.metrics.http import this_process
from tests.support.telemetry.scraping import Scrape, scrape
from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stagely_rpc.server.server import Server

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
RULES_TEST = RULES.with_name("alerts.test.yml")
DASHBOARD = ROOT / "deploy" / "grafana" / "stagely-rpc.json"
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}

PROMTOOL = shutil.which("promtool")
with_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


def promtool(*arguments: str) -> str:
    """Run promtool, expect success, and return its output."""
    assert PROMTOOL is not None
    ended = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def panels() -> list[dict[str, Any]]:
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def alerts() -> dict[str, str]:
    """Return the text of each alert by its name."""
    blocks = RULES.read_text().split("- alert: ")[1:]
    return {name: block for name, _, block in (block.partition("\n") for block in blocks)}


def series_of(found: Scrape) -> Iterator[str]:
    for family in found.families:
        yield from (family.name + suffix for suffix in SUFFIXES[family.type])


async def test_each_metric_in_the_dashboard_and_the_rules_exists(observed: Server, tmp_path: Path) -> None:
    supervisor = WorkersMetrics(str(tmp_path), this_process, "").registry
    scraped = await scrape(observed), Scrape(generate_latest(supervisor).decode())
    exist = {name for found in scraped for name in series_of(found)}

    for path in (RULES, RULES_TEST, DASHBOARD):
        used = set(re.findall(r"\bstagely_rpc_\w+", path.read_text()))
        assert used <= exist, path.name
        assert used & exist


def test_each_alert_has_a_severity_a_summary_a_description_and_a_runbook() -> None:
    assert len(alerts()) == 20
    for name, text in alerts().items():
        assert re.search(r"\bseverity: (critical|warning|info)\n", text), name
        assert re.search(r"\bsummary: '.{10,}'\n", text), name
        assert re.search(r"\bdescription: '.{10,}'\n", text), name
        assert f"runbook_url: docs/operations.md#{name.lower()}\n" in text


def test_each_alert_is_tested() -> None:
    tested = set(re.findall(r'alertname="(\w+)"', RULES_TEST.read_text()))

    assert tested == alerts().keys()


@with_promtool
def test_each_alert_fires_when_it_should_and_none_in_an_hour_without_faults() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(RULES_TEST))


@with_promtool
def test_promtool_accepts_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))


@with_promtool
def test_each_expression_of_the_dashboard_is_valid_promql(tmp_path: Path) -> None:
    plain = [each.replace("$__rate_interval", "5m") for each in expressions()]
    rules = [{"record": f"panel:{number}:it", "expr": expr} for number, expr in enumerate(plain)]
    # JSON is valid YAML.
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    promtool("check", "rules", str(tmp_path / "rules.yml"))


def test_each_panel_has_its_own_position_title_and_query() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        grid = panel["gridPos"]
        squares = {(grid["x"] + right, grid["y"] + down) for right in range(grid["w"]) for down in range(grid["h"])}
        assert not squares & taken, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        taken |= squares
        assert panel["title"]
        assert panel["targets"]
    assert len({panel["id"] for panel in panels()}) == len(panels())
    assert len({panel["title"] for panel in panels()}) == len(panels())


def test_dashboard_shows_every_metric() -> None:
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    shown = set(re.findall(r"\bstagely_rpc_\w+", DASHBOARD.read_text()))

    missing = {name for name in documented if not {name, f"{name}_bucket", f"{name}_sum"} & shown}
    assert missing == set()
