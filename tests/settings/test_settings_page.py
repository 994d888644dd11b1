"""docs/settings.md has a row for each setting, with the default and the limits of the model."""

from __future__ import annotations

import re

import pytest

from stagely_rpc.settings.model import EmbeddedSettings, Settings
from tools import settings_page, settings_schema
from tools.generated import ROOT

PAGE = (ROOT / "docs" / "settings.md").read_text()
ROWS = {
    variable: (allowed, default, meaning)
    for variable, allowed, default, meaning in re.findall(
        r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE
    )
}


def test_page_is_what_the_model_says() -> None:
    assert settings_page.page() == PAGE


def test_every_setting_has_a_row_with_its_allowed_values_and_meaning() -> None:
    assert ROWS.keys() == {name.upper() for name in Settings.model_fields}
    assert [variable for variable, (allowed, _, meaning) in ROWS.items() if not allowed or not meaning] == []


@pytest.mark.parametrize(("variable", "row"), ROWS.items(), ids=ROWS)
def test_default_is_that_of_the_model(variable: str, row: tuple[str, str, str]) -> None:
    serve, _, dev = row[1].partition("; in `dev` ")
    field, field_of_dev = (model.model_fields[variable.lower()] for model in (Settings, EmbeddedSettings))

    if serve == "required":
        assert field.is_required()
    elif serve in {"", "required in production"}:
        assert field.default is None
    else:
        assert serve == f"`{field.default}`"
    if dev == "not required":
        assert not field_of_dev.is_required()
    elif dev:
        assert dev == f"`{field_of_dev.default}`" != serve


def test_limits_and_units_are_shown() -> None:
    assert ROWS["PORT"][0] == "integer from 0 to 65535"
    assert ROWS["DATABASE_POOL_WAIT_SECONDS"][0] == "number above 0, up to 86400 seconds"
    assert ROWS["MAX_REQUEST_BYTES"][0] == "integer from 65536 to 1073741824 bytes"
    assert ROWS["ENVIRONMENT"][0] == "`development`, `test`, `production`"
    assert ROWS["ENCRYPTION_KEY"][:2] == ("64 hexadecimal digits (32 bytes)", "required in production")
    assert ROWS["PERMISSIONS_FILE"][2].endswith(" Requires `TLS_CLIENT_CA_FILE`.")


def test_setting_without_a_group_stops_the_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = settings_schema.properties()
    monkeypatch.setattr(settings_schema, "properties", lambda: properties | {"NEW_SETTING": {}})

    with pytest.raises(ValueError, match="NEW_SETTING"):
        settings_page.page()
