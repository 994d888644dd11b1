"""Checks the commands, settings, links and alerts on docs/operations.md against the service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from stagely_rpc.cli.app import app
from stagely_rpc.settings.model import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
HEADINGS = re.findall(r"(?m)^#+ (.*)$", PAGE)
# The words of each command, such as `stagely-rpc migrate up`, without options and arguments.
COMMANDS = sorted(set(re.findall(r"stagely-rpc((?: [a-z]+)+)(?=[`\s,])", PAGE)))
OTHER_VARIABLES = {"TEST_DATABASE_URL", "RESTORED_DATABASE_URL"}
PARTS = ("What you see.", "What it means.", "What to do.", "How you know it is over.")


def anchor(heading: str) -> str:
    """Return the anchor that GitHub generates for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sections(chapter: str) -> dict[str, str]:
    """Return the text below each heading of a chapter."""
    _, _, rest = PAGE.partition(f"\n## {chapter}\n")
    parts = re.split(r"(?m)^### (.*)$", rest.partition("\n## ")[0])
    return dict(zip(parts[1::2], parts[2::2], strict=True))


RUNBOOKS = sections("Incidents") | sections("Alerts")


def alerts() -> list[dict[str, str]]:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_on_the_page_exists(command: str) -> None:
    at = get_command(app)
    for word in command.split():
        if not hasattr(at, "commands"):
            break  # an argument
        assert word in at.commands, f"stagely-rpc{command}"
        at = at.commands[word]


def test_everyday_commands_are_on_the_page() -> None:
    assert {" migrate up", " migrate down", " keys generate", " token mint", " audit export"} <= set(COMMANDS)


def test_every_named_setting_exists() -> None:
    named = {name for name in re.findall(r"[`$\"]([A-Z]+(?:_[A-Z]+)+)\b", PAGE) if name not in OTHER_VARIABLES}
    settings = {name.upper() for name in Settings.model_fields}
    others = {"MIGRATION_LOCK", "SEALING_LOCK", "AUDIT_FAULT_KIND_CUT_OFF"}

    assert named - settings - others == set()
    assert named & settings >= {"DATABASE_URL", "ENCRYPTION_KEY", "JWT_SECRET", "DATABASE_POOL_SIZE"}


def test_every_link_has_a_target() -> None:
    anchors = {anchor(heading) for heading in HEADINGS}

    def has_target(link: str) -> bool:
        if link.startswith("#"):
            return link.removeprefix("#") in anchors
        return (ROOT / "docs" / link.partition("#")[0]).exists()

    assert [link for link in re.findall(r"\]\(([^)]+)\)", PAGE) if not has_target(link)] == []


@pytest.mark.parametrize("heading", RUNBOOKS)
def test_runbook_has_all_parts(heading: str) -> None:
    assert [part for part in PARTS if f"**{part}**" not in RUNBOOKS[heading]] == []


def test_every_named_function_and_lock_exists() -> None:
    queries = [path.read_text() for path in (ROOT / "stagely_rpc").rglob("*.py")]
    named = {"lock_team", "lock_project_for_share", "team_id_of", "MIGRATION_LOCK", "SEALING_LOCK"}

    assert {name for name in named if name not in PAGE} == set()
    assert {name for name in named if not any(name in source for source in queries)} == set()


@pytest.mark.skipif(not (ROOT / "deploy/prometheus/alerts.yml").exists(), reason="there are no alert rules yet")
def test_every_alert_has_a_runbook_and_links_to_it() -> None:
    anchors = {anchor(heading) for heading in sections("Alerts")}

    for alert in alerts():
        assert alert["alert"].lower() in anchors
        url = alert["annotations"]["runbook_url"]  # type: ignore[index]
        assert url.endswith(f"docs/operations.md#{alert['alert'].lower()}")
