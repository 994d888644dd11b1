from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from stagely_rpc.cli.token import InvalidTtlError, parse_ttl
from stagely_rpc.identity.tokens import MintError, TokenVerifier, mint
from tests.support.identity.tokens import SECRET
from tests.support.processes.service import environment, run

if TYPE_CHECKING:
    import subprocess

ISSUER = "https://stagely.dev"
OPTIONS = ("--subject", "ops", "--permission", "secrets.*", "--permission", "teams.get")


def run_mint(*options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run("token", "mint", *options, env=environment(**({"JWT_SECRET": SECRET.decode()} | settings)))


def contents(token: str) -> dict[str, Any]:
    contents: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return contents


async def test_minted_token_is_accepted() -> None:
    token = mint(
        SECRET,
        subject="ops",
        permissions=["secrets.*", "teams.get"],
        ttl=timedelta(hours=1),
        issuer=ISSUER,
        audience="stagely-rpc",
    )

    caller = await TokenVerifier(secrets=[SECRET], issuer=ISSUER, audience="stagely-rpc").verify(token)

    assert caller.service == "ops"
    assert list(caller.permissions) == ["secrets.*", "teams.get"]


def test_minted_tokens_expire_after_their_ttl_and_are_unique() -> None:
    minted = [contents(mint(SECRET, subject="ops", permissions=["*"], ttl=timedelta(minutes=15))) for _ in range(2)]

    assert [claims["exp"] - claims["iat"] for claims in minted] == [900, 900]
    assert minted[0]["jti"] != minted[1]["jti"]


@pytest.mark.parametrize("subject", ["", " ops", "o\nps", "o" * 201])
def test_invalid_subject_is_refused(subject: str) -> None:
    with pytest.raises(MintError, match="a subject must have 1 to 200 printable characters"):
        mint(SECRET, subject=subject, permissions=["*"], ttl=timedelta(hours=1))


@pytest.mark.parametrize(
    ("permissions", "problem"),
    [
        ([], "at least one permission"),
        (["secrets"], "'secrets' is not a permission"),
        (["*", "a.b c.d"], "'a.b c.d' is not"),
    ],
)
def test_missing_or_invalid_permissions_are_refused(permissions: list[str], problem: str) -> None:
    with pytest.raises(MintError, match=problem):
        mint(SECRET, subject="ops", permissions=permissions, ttl=timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "ttl"),
    [
        ("1s", timedelta(seconds=1)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("30d", timedelta(days=30)),
        ("720h", timedelta(days=30)),
    ],
)
def test_ttl_is_a_number_and_a_unit(text: str, ttl: timedelta) -> None:
    assert parse_ttl(text) == ttl


@pytest.mark.parametrize(
    "text", ["", "1", "h", "1w", "1.5h", "-1h", "0h", "31d", "721h", "999999999d", "1h ", "1h30m", "¹h"]
)
def test_invalid_ttl_is_refused(text: str) -> None:
    with pytest.raises(InvalidTtlError, match="must be a duration such as 15m, 1h or 7d, of at most 30d"):
        parse_ttl(text)


async def test_command_prints_only_a_token() -> None:
    done = run_mint(*OPTIONS, "--ttl", "7d", JWT_ISSUER=ISSUER, JWT_AUDIENCE="stagely-rpc")

    assert (done.returncode, done.stderr) == (0, "")
    token = done.stdout.removesuffix("\n")
    caller = await TokenVerifier(secrets=[SECRET], issuer=ISSUER, audience="stagely-rpc").verify(token)
    assert caller.service == "ops"
    assert list(caller.permissions) == ["secrets.*", "teams.get"]
    assert contents(token)["exp"] - contents(token)["iat"] == 7 * 86_400


def test_command_accepts_an_audience() -> None:
    token = run_mint(*OPTIONS, "--audience", "elsewhere", JWT_AUDIENCE="stagely-rpc").stdout.strip()

    assert contents(token)["aud"] == "elsewhere"


@pytest.mark.parametrize(
    ("options", "settings", "problem"),
    [
        (OPTIONS, {"JWT_SECRET": ""}, "JWT_SECRET: is required"),
        (OPTIONS, {"JWT_SECRET": "short hunter2"}, "JWT_SECRET: must have at least 32 bytes"),
        ((*OPTIONS, "--permission", "all"), {}, "'all' is not a permission"),
        (("--subject", "", "--permission", "*"), {}, "a subject must have 1 to 200 printable characters"),
        ((*OPTIONS, "--ttl", "31d"), {}, "--ttl '31d': must be a duration"),
        (OPTIONS[:2], {}, "Missing option '--permission'"),
    ],
)
def test_command_reports_what_is_wrong(options: tuple[str, ...], settings: dict[str, str], problem: str) -> None:
    done = run_mint(*options, **settings)

    assert done.returncode == 2
    assert done.stdout == ""
    assert problem in done.stderr
    assert "hunter2" not in done.stderr
    assert SECRET.decode() not in done.stderr
