"""The settings of authentication: tokens, certificates, and the requirements of production."""

from __future__ import annotations

from pathlib import Path

import pytest

from stagely_rpc.settings.model import EmbeddedSettings, MintSettings, Settings, SettingsError, load
from tests.support.identity.tokens import private_key, public_jwk, public_pem

REQUIRED = {"DATABASE_URL": "postgresql://db/stagely", "REDIS_URL": "redis://redis:6379/0"}
SECRET = "hunter2, which is a secret of 32 bytes or more"
TLS = {"TLS_CERT_FILE": "/tls/tls.crt", "TLS_KEY_FILE": "/tls/tls.key"}
PRODUCTION = {"ENVIRONMENT": "production", "ENCRYPTION_KEY": "5f" * 32}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with only the required settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def settings_of(environment: pytest.MonkeyPatch, **given: str) -> Settings:
    for name, value in given.items():
        environment.setenv(name, value)
    return load(Settings)


def problems(environment: pytest.MonkeyPatch, **given: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        settings_of(environment, **given)
    assert "hunter2" not in str(refused.value)
    return refused.value.lines


def test_authentication_is_off_by_default(environment: pytest.MonkeyPatch) -> None:
    settings = settings_of(environment)

    assert not settings.authentication_is_on
    assert settings.jwt_secrets == ()
    assert (settings.jwt_issuer, settings.jwt_audience, settings.jwt_jwks) == (None, None, None)
    assert (settings.tls_cert_file, settings.health_port, settings.permissions_file) == (None, None, None)
    assert settings.idempotency_ttl_seconds == 86_400


@pytest.mark.parametrize(
    "given", [{"JWT_SECRET": SECRET}, {"JWT_JWKS": "/etc/jwks.json"}, TLS | {"TLS_CLIENT_CA_FILE": "/tls/ca.crt"}]
)
def test_each_authentication_method_turns_authentication_on(
    environment: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    assert settings_of(environment, **PRODUCTION, **given).authentication_is_on


@pytest.mark.parametrize("given", [{}, TLS, {"JWT_ISSUER": "stagely", "JWT_AUDIENCE": "stagely-rpc"}])
def test_production_requires_authentication(environment: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    assert problems(environment, **PRODUCTION, **given) == [
        "JWT_SECRET: is required in production, unless JWT_JWKS or TLS_CLIENT_CA_FILE is set"
    ]


def test_all_missing_settings_of_production_are_reported_together(environment: pytest.MonkeyPatch) -> None:
    lines = problems(environment, ENVIRONMENT="production", TLS_CERT_FILE="/tls/tls.crt")

    assert [line.partition(":")[0] for line in lines] == ["ENCRYPTION_KEY", "JWT_SECRET", "TLS_KEY_FILE"]


def test_dev_requires_authentication_in_production_too(environment: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        environment.setenv(name, value)

    with pytest.raises(SettingsError, match="JWT_SECRET: is required in production"):
        load(EmbeddedSettings)


def test_current_secret_comes_before_the_previous_one(environment: pytest.MonkeyPatch) -> None:
    settings = settings_of(environment, JWT_SECRET=SECRET, JWT_SECRET_PREVIOUS="é" * 16)

    assert settings.jwt_secrets == (SECRET.encode(), ("é" * 16).encode())


@pytest.mark.parametrize("name", ["JWT_SECRET", "JWT_SECRET_PREVIOUS"])
@pytest.mark.parametrize("secret", ["hunter2", "h" * 31, "é" * 15])
def test_short_secret_is_refused(environment: pytest.MonkeyPatch, name: str, secret: str) -> None:
    lines = problems(environment, **({"JWT_SECRET": SECRET} | {name: secret}))

    assert lines == [f"{name}: must have at least 32 bytes; `stagely-rpc keys generate` prints 64"]


@pytest.mark.parametrize(
    "key", [public_pem(private_key("RS256")).decode(), str(public_jwk(private_key("ES256"))).replace("'", '"')]
)
def test_public_key_is_refused_as_secret(environment: pytest.MonkeyPatch, key: str) -> None:
    lines = problems(environment, JWT_SECRET=key)

    assert lines == ["JWT_SECRET: must be a random secret, not an asymmetric key, a certificate or a JWK"]


@pytest.mark.parametrize(
    "location",
    [
        "/etc/stagely/jwks.json",
        "jwks.json",
        "https://id.example/.well-known/jwks.json",
        "https://id.example:8443/keys?version=1",
        "http://localhost:8000/jwks.json",
        "http://127.0.0.1:8000/jwks.json",
        "http://[::1]:8000/jwks.json",
    ],
)
def test_path_or_safe_url_of_a_key_set_is_accepted(environment: pytest.MonkeyPatch, location: str) -> None:
    assert settings_of(environment, JWT_JWKS=location).jwt_jwks == location


@pytest.mark.parametrize(
    "location",
    [
        "http://id.example/jwks.json",
        "http://localhost.id.example/jwks.json",
        "http://127.0.0.1.id.example/jwks.json",
        "http://10.0.0.1/jwks.json",
        "https://user:hunter2@id.example/jwks.json",
        "https:///jwks.json",
        "https://[::1/jwks.json",
        "https://id.example:99999/jwks.json",
        "file:///etc/hunter2.json",
        "ftp://id.example/jwks.json",
        "://",
    ],
)
def test_other_url_of_a_key_set_is_refused(environment: pytest.MonkeyPatch, location: str) -> None:
    lines = problems(environment, JWT_JWKS=location)

    assert lines == ["JWT_JWKS: must be a path, or an https URL without a password (http only for this host)"]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"TLS_CERT_FILE": "hunter2"}, "TLS_KEY_FILE: is required with TLS_CERT_FILE"),
        ({"TLS_KEY_FILE": "hunter2"}, "TLS_CERT_FILE: is required with TLS_KEY_FILE"),
        ({"TLS_CLIENT_CA_FILE": "hunter2"}, "TLS_CERT_FILE: is required with TLS_CLIENT_CA_FILE"),
        (TLS | {"PERMISSIONS_FILE": "hunter2"}, "TLS_CLIENT_CA_FILE: is required with PERMISSIONS_FILE"),
        ({"JWT_SECRET_PREVIOUS": SECRET}, "JWT_SECRET: is required with JWT_SECRET_PREVIOUS"),
        ({"HEALTH_PORT": "8080"}, "HEALTH_PORT: must be another port than PORT"),
    ],
)
def test_setting_without_its_counterpart_is_refused(
    environment: pytest.MonkeyPatch, given: dict[str, str], line: str
) -> None:
    assert problems(environment, **given) == [line]


@pytest.mark.parametrize(
    ("name", "value"), [("IDEMPOTENCY_TTL_SECONDS", "59"), ("IDEMPOTENCY_TTL_SECONDS", "2592001"), ("HEALTH_PORT", "x")]
)
def test_number_out_of_range_is_refused(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    (line,) = problems(environment, **{name: value})

    assert line.startswith(f"{name}: must be")


def test_files_are_paths(environment: pytest.MonkeyPatch) -> None:
    given = TLS | {"TLS_CLIENT_CA_FILE": "/tls/ca.crt", "PERMISSIONS_FILE": "permissions.toml", "HEALTH_PORT": "8081"}

    settings = settings_of(environment, **given)

    assert (settings.tls_cert_file, settings.tls_key_file) == (Path("/tls/tls.crt"), Path("/tls/tls.key"))
    assert (settings.tls_client_ca_file, settings.permissions_file) == (Path("/tls/ca.crt"), Path("permissions.toml"))
    assert settings.health_port == 8081


def test_secrets_are_not_in_the_representation(environment: pytest.MonkeyPatch) -> None:
    settings = settings_of(environment, JWT_SECRET=SECRET, JWT_SECRET_PREVIOUS=SECRET)

    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "hunter2" not in shown


def test_mint_needs_only_the_secret(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    with pytest.raises(SettingsError, match=r"^JWT_SECRET: is required$"):
        load(MintSettings)

    environment.setenv("JWT_SECRET", SECRET)
    assert load(MintSettings).jwt_secret.get_secret_value() == SECRET
