from __future__ import annotations

import pytest

from stagely_rpc.settings.model import DatabaseSettings, EmbeddedSettings, Settings, SettingsError, load

REQUIRED = {"DATABASE_URL": "postgresql://stagely:hunter2@db/stagely", "REDIS_URL": "redis://:hunter2@redis:6379/0"}
KEY = "0123456789abcdef" * 4
JWT_SECRET = "hunter2 signs, with 32 bytes or more"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def given_settings(environment: pytest.MonkeyPatch, **overrides: str) -> Settings:
    for name, value in (REQUIRED | overrides).items():
        environment.setenv(name, value)
    return load(Settings)


def problems(environment: pytest.MonkeyPatch, **overrides: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        given_settings(environment, **overrides)
    return refused.value.lines


def test_defaults(environment: pytest.MonkeyPatch) -> None:
    settings = given_settings(environment)

    assert (settings.port, settings.environment, settings.log_level) == (8080, "development", "info")
    assert settings.jwt_secret is None
    assert settings.encryption_key is None
    assert settings.domain == "stagely.dev"
    assert settings.database_pool_size == 25
    assert settings.database_pool_idle == 5
    assert settings.database_pool_lifetime_seconds == 300


def test_settings_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    settings = given_settings(
        environment,
        PORT="9000",
        ENVIRONMENT="production",
        LOG_LEVEL="debug",
        ENCRYPTION_KEY=KEY,
        JWT_SECRET=JWT_SECRET,
        DOMAIN="example.com",
    )

    assert settings.database_url.get_secret_value() == REQUIRED["DATABASE_URL"]
    assert (settings.port, settings.environment, settings.log_level) == (9000, "production", "debug")
    assert settings.encryption_key_bytes == bytes.fromhex(KEY)
    assert settings.domain == "example.com"


def test_each_missing_required_setting_is_one_line(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as refused:
        load(Settings)

    assert refused.value.lines == ["DATABASE_URL: is required", "REDIS_URL: is required"]
    del environment


def test_empty_setting_counts_as_not_set(environment: pytest.MonkeyPatch) -> None:
    assert problems(environment, DATABASE_URL="") == ["DATABASE_URL: is required"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://stagely:hunter2@db/stagely"),
        ("DATABASE_URL", "postgresql://stagely:hunter2@db/stagely?nonsense=1"),
        ("DATABASE_URL", "postgresql://stagely:hunter2@[::1/stagely"),
        ("REDIS_URL", "http://:hunter2@redis"),
        ("PORT", "hunter2"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("ENVIRONMENT", "hunter2"),
        ("LOG_LEVEL", "hunter2"),
        ("ENCRYPTION_KEY", "hunter2"),
        ("ENCRYPTION_KEY", KEY[:-2]),
        ("ENCRYPTION_KEY", "g" * 64),
        ("DOMAIN", "hunter2 example"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_POOL_LIFETIME_SECONDS", "nan"),
        ("SHUTDOWN_GRACE_SECONDS", "-1"),
        ("WORKERS", "0"),
        ("WORKERS", "257"),
        ("WORKERS", "hunter2"),
        ("METRICS_PORT", "65536"),
    ],
)
def test_malformed_setting_is_named_without_its_value(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    lines = problems(environment, **{name: value})

    assert len(lines) == 1
    assert lines[0].startswith(f"{name}: ")
    assert "hunter2" not in lines[0]
    assert value not in lines[0]


def test_default_is_one_worker_without_metrics(environment: pytest.MonkeyPatch) -> None:
    settings = given_settings(environment)

    assert (settings.workers, settings.metrics_port) == (1, None)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"METRICS_PORT": "8080"}, "METRICS_PORT: must be another port than PORT and HEALTH_PORT"),
        (
            {"WORKERS": "3", "DATABASE_POOL_SIZE": "2"},
            "WORKERS: must not be more than DATABASE_POOL_SIZE, which the workers share",
        ),
        (
            {"WORKERS": "3", "MAX_CONCURRENT_RPCS": "2"},
            "WORKERS: must not be more than MAX_CONCURRENT_RPCS, which the workers share",
        ),
        (
            {"WORKERS": "3", "MAX_CONCURRENT_STREAMS": "2"},
            "WORKERS: must not be more than MAX_CONCURRENT_STREAMS, which the workers share",
        ),
    ],
)
def test_contradictory_settings_are_refused(environment: pytest.MonkeyPatch, given: dict[str, str], line: str) -> None:
    assert problems(environment, **given) == [line]


@pytest.mark.parametrize(
    "given",
    [
        {"METRICS_PORT": "0", "PORT": "0"},
        {"METRICS_PORT": "9090"},
        {"WORKERS": "2", "DATABASE_POOL_SIZE": "2", "DATABASE_POOL_IDLE": "0"},
    ],
)
def test_consistent_settings_are_accepted(environment: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    settings = given_settings(environment, **given)

    assert {name: str(getattr(settings, name.lower())) for name in given} == given


def test_production_needs_an_encryption_key(environment: pytest.MonkeyPatch) -> None:
    lines = problems(environment, ENVIRONMENT="production", JWT_SECRET=JWT_SECRET)

    assert len(lines) == 1
    assert lines[0].startswith("ENCRYPTION_KEY: is required in production")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_url_schemes_and_libpq_parameters_are_accepted(environment: pytest.MonkeyPatch, scheme: str) -> None:
    url = f"{scheme}://u:p@one,two:5433/db?sslmode=verify-full&target_session_attrs=read-write"

    assert given_settings(environment, DATABASE_URL=url).database_url.get_secret_value() == url


def test_secrets_are_not_in_the_representation(environment: pytest.MonkeyPatch) -> None:
    settings = given_settings(environment, ENCRYPTION_KEY=KEY, JWT_SECRET=JWT_SECRET)

    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "hunter2" not in shown
        assert KEY not in shown


def test_dev_needs_no_redis(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgresql://elsewhere/db")

    settings = load(EmbeddedSettings, database_url=REQUIRED["DATABASE_URL"], encryption_key=KEY)

    assert settings.database_url.get_secret_value() == REQUIRED["DATABASE_URL"]
    assert settings.redis_url is None
    assert settings.host == "127.0.0.1"


def test_migrate_needs_only_the_database_url(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", REQUIRED["DATABASE_URL"])

    assert load(DatabaseSettings).database_url.get_secret_value() == REQUIRED["DATABASE_URL"]


def test_settings_cannot_be_changed(environment: pytest.MonkeyPatch) -> None:
    settings = given_settings(environment)

    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("endpoint", ["http://collector:4317", "https://otel.example"])
def test_http_and_https_urls_of_a_collector_are_accepted(environment: pytest.MonkeyPatch, endpoint: str) -> None:
    settings = given_settings(environment, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)

    assert settings.otel_exporter_otlp_endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint", ["collector:4317", "grpc://collector:4317", "http://", "http://a:hunter2@collector", "http://[::1"]
)
def test_malformed_collector_and_one_with_a_password_are_refused(
    environment: pytest.MonkeyPatch, endpoint: str
) -> None:
    assert problems(environment, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) == [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT: must be an http or https URL without a password; use"
            " OTEL_EXPORTER_OTLP_HEADERS for credentials"
        )
    ]
