from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from stagely_rpc.errors import UnauthenticatedError, UnavailableError
from stagely_rpc.identity import sources
from stagely_rpc.identity.jwks import ON_DEMAND_SECONDS, KeySet
from stagely_rpc.identity.keys import KeySetError
from stagely_rpc.identity.sources import MAX_BYTES, FileSource, UrlSource
from stagely_rpc.identity.tokens import TokenVerifier
from tests.support.eventually import eventually
from tests.support.identity.certificates import make_authority, make_server_certificate
from tests.support.identity.clocks import Clock
from tests.support.identity.expecting import unauthenticated
from tests.support.identity.issuer import dripping, ok, raw, running_issuer, silent
from tests.support.identity.tokens import key_set, private_key, public_jwk, signed_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.identity.certificates import Certificate
    from tests.support.identity.issuer import Answer, Issuer

OLD = key_set(public_jwk(private_key("ES256", 1), kid="1"))
BOTH = key_set(public_jwk(private_key("ES256", 1), kid="1"), public_jwk(private_key("ES256", 2), kid="2"))
NEW = key_set(public_jwk(private_key("ES256", 2), kid="2"))

REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BAD_RESPONSES: dict[str, Answer] = {
    "not found": raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    "broken": raw(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    "redirect to a file": raw(REDIRECT % b"file:///etc/passwd"),
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "nothing": raw(b""),
    "cut off": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n{"keys": ['),
    "a page": ok(b"<html>log in</html>"),
    "other JSON": ok(b'{"error": "later"}'),
    "huge": ok(b" " * (MAX_BYTES + 1)),
    "huge, in chunks": dripping(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"20000\r\n%s\r\n" % (b" " * 0x20000)
    ),
    "garbage declared as gzip": raw(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{}{}"
    ),
}


def old_token() -> str:
    return signed_token("ES256", "1", 1)


def new_token() -> str:
    return signed_token("ES256", "2", 2)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer(OLD) as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock(1000)


@asynccontextmanager
async def started(location: str, clock: Clock) -> AsyncIterator[TokenVerifier]:
    keys = KeySet(location, clock=clock)
    await keys.start()
    yield TokenVerifier(key_set=keys)
    await keys.stop()


@pytest.fixture
async def verifier(issuer: Issuer, clock: Clock) -> AsyncIterator[TokenVerifier]:
    async with started(issuer.url, clock) as verifier:
        yield verifier


async def test_known_keys_need_no_fetch(verifier: TokenVerifier, issuer: Issuer) -> None:
    for _ in range(3):
        await verifier.verify(old_token())

    assert issuer.requests == 1


async def test_first_token_of_a_new_key_causes_one_fetch(verifier: TokenVerifier, issuer: Issuer) -> None:
    issuer.answer = ok(BOTH)

    callers = await asyncio.gather(*(verifier.verify(new_token()) for _ in range(50)))

    assert len(callers) == 50
    assert issuer.requests == 2


async def test_unknown_key_ids_cause_at_most_one_fetch_a_minute(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock
) -> None:
    async def flood() -> None:
        for number in range(100):
            with unauthenticated("TOKEN_KEY_UNKNOWN"):
                await verifier.verify(signed_token("ES256", f"unknown {number}", 3))

    await flood()
    assert issuer.requests == 2
    clock.now += ON_DEMAND_SECONDS - 1
    await flood()
    assert issuer.requests == 2
    clock.now += 1
    await flood()
    assert issuer.requests == 3


async def test_cached_token_of_a_withdrawn_key_is_refused(verifier: TokenVerifier, issuer: Issuer) -> None:
    withdrawn = old_token()
    await verifier.verify(withdrawn)
    issuer.answer = ok(NEW)
    await verifier.verify(new_token())

    with unauthenticated("TOKEN_KEY_UNKNOWN"):
        await verifier.verify(withdrawn)


async def test_replaced_key_with_the_same_id_is_withdrawn(verifier: TokenVerifier, issuer: Issuer) -> None:
    withdrawn = old_token()
    await verifier.verify(withdrawn)
    issuer.answer = ok(
        key_set(public_jwk(private_key("ES256", 2), kid="1"), public_jwk(private_key("ES256", 2), kid="2"))
    )
    await verifier.verify(new_token())

    with unauthenticated("TOKEN_SIGNATURE_INVALID"):
        await verifier.verify(withdrawn)


async def test_empty_key_set_withdraws_every_key(verifier: TokenVerifier, issuer: Issuer) -> None:
    await verifier.verify(old_token())
    issuer.answer = ok(key_set())

    for token in (new_token(), old_token()):
        with unauthenticated("TOKEN_KEY_UNKNOWN"):
            await verifier.verify(token)


async def test_token_must_name_its_key_if_the_set_has_several(verifier: TokenVerifier, issuer: Issuer) -> None:
    nameless = signed_token("ES256", None, 1)
    assert (await verifier.verify(nameless)).service == "reaper"
    issuer.answer = ok(BOTH)
    await verifier.verify(new_token())

    with unauthenticated("TOKEN_KEY_UNKNOWN"):
        await verifier.verify(nameless)


@pytest.mark.parametrize("answer", BAD_RESPONSES)
async def test_bad_response_keeps_the_old_keys_and_is_logged_once(
    verifier: TokenVerifier, issuer: Issuer, clock: Clock, answer: str
) -> None:
    issuer.answer = BAD_RESPONSES[answer]

    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(UnavailableError) as refused:
                await verifier.verify(new_token())
            assert (await verifier.verify(old_token())).service == "reaper"
            clock.now += ON_DEMAND_SECONDS

    assert refused.value.reason == "KEYS_UNAVAILABLE"
    assert [(log["log_level"], log["source"]) for log in logs] == [("error", issuer.url)]
    assert issuer.requests >= 4


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silent, id="nothing"),
        pytest.param(dripping(b"HTTP/1.1 200 ", b"O"), id="status line"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), id="headers"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "), id="body"),
    ],
)
async def test_slow_issuer_delays_only_tokens_of_unknown_keys(
    monkeypatch: pytest.MonkeyPatch, verifier: TokenVerifier, issuer: Issuer, answer: Answer
) -> None:
    monkeypatch.setattr(sources, "FETCH_SECONDS", 0.5)
    issuer.answer = answer
    begun = time.monotonic()
    waiting = asyncio.create_task(verifier.verify(new_token()))

    async def requests() -> int:
        return issuer.requests

    await eventually(requests, 2)
    for _ in range(20):
        await verifier.verify(old_token())
    assert not waiting.done()

    with pytest.raises(UnavailableError):
        await waiting
    assert 0.4 < time.monotonic() - begun < 2


async def test_wait_for_a_key_times_out(
    monkeypatch: pytest.MonkeyPatch, verifier: TokenVerifier, issuer: Issuer
) -> None:
    monkeypatch.setattr("stagely_rpc.identity.jwks.WAIT_SECONDS", 0.1)
    issuer.answer = silent
    begun = time.monotonic()

    with pytest.raises(UnavailableError):
        await verifier.verify(new_token())

    assert time.monotonic() - begun < 2


async def test_redirect_to_a_valid_key_set_is_not_followed(verifier: TokenVerifier, issuer: Issuer) -> None:
    async def redirect_once(writer: asyncio.StreamWriter) -> None:
        issuer.answer = ok(BOTH)
        await raw(REDIRECT % b"/elsewhere.json")(writer)

    issuer.answer = redirect_once

    with pytest.raises(UnavailableError):
        await verifier.verify(new_token())
    assert issuer.requests == 2


async def test_cancelled_caller_does_not_cancel_the_fetch_for_others(verifier: TokenVerifier, issuer: Issuer) -> None:
    answering = asyncio.Event()

    async def answer_later(writer: asyncio.StreamWriter) -> None:
        await answering.wait()
        await ok(BOTH)(writer)

    issuer.answer = answer_later
    impatient, patient = (asyncio.create_task(verifier.verify(new_token())) for _ in range(2))
    await asyncio.sleep(0.05)

    impatient.cancel()
    answering.set()

    assert (await patient).service == "reaper"


async def test_url_that_failed_at_startup_is_fetched_for_a_later_token(clock: Clock) -> None:
    async with running_issuer(OLD) as issuer:
        issuer.answer = BAD_RESPONSES["broken"]
        async with started(issuer.url, clock) as verifier:
            with pytest.raises(UnavailableError):
                await verifier.verify(old_token())
            issuer.answer = ok(OLD)
            clock.now += ON_DEMAND_SECONDS

            assert (await verifier.verify(old_token())).service == "reaper"


def served_by(authority: Certificate, directory: Path) -> ssl.SSLContext:
    certificate = make_server_certificate(authority)
    (directory / "tls.pem").write_bytes(certificate.pem + certificate.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(directory / "tls.pem")
    return tls


async def test_issuer_with_an_untrusted_certificate_is_refused(tmp_path: Path, clock: Clock) -> None:
    tls = served_by(make_authority(), tmp_path)

    with capture_logs() as logs:
        async with running_issuer(OLD, tls=tls) as issuer, started(issuer.url, clock) as verifier:
            with pytest.raises(UnavailableError):
                await verifier.verify(old_token())
            assert issuer.requests == 0

    assert [log["log_level"] for log in logs] == ["error"]
    assert logs[0]["reason"].startswith("the connection failed: [SSL: CERTIFICATE_VERIFY_FAILED]")


async def test_authority_in_ssl_cert_file_is_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock
) -> None:
    authority = make_authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async with (
        running_issuer(OLD, tls=served_by(authority, tmp_path)) as issuer,
        started(issuer.url, clock) as verifier,
    ):
        assert (await verifier.verify(old_token())).service == "reaper"


async def test_proxy_in_the_environment_is_not_used(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer, clock: Clock
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")

    async with started(issuer.url, clock) as verifier:
        assert (await verifier.verify(old_token())).service == "reaper"


async def test_query_of_the_url_is_not_logged(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    with caplog.at_level(logging.WARNING), capture_logs() as logs:
        async with running_issuer(OLD) as issuer:
            for answer in (ok(OLD), *BAD_RESPONSES.values()):
                issuer.answer = answer
                async with started(f"{issuer.url}?key=hunter2", clock):
                    pass

    assert len(logs) == 1 + len(BAD_RESPONSES)
    assert "hunter2" not in f"{logs} {caplog.text}"


async def test_compressed_key_set_is_accepted(issuer: Issuer, clock: Clock) -> None:
    body = gzip.compress(OLD)
    issuer.answer = raw(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )

    async with started(issuer.url, clock) as verifier:
        assert (await verifier.verify(old_token())).service == "reaper"


async def test_cancelled_fetch_closes_its_connection_at_once(issuer: Issuer) -> None:
    closed = asyncio.Event()

    async def drip_until_it_closes(writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" ")(writer)
        closed.set()

    issuer.answer = drip_until_it_closes
    fetch = asyncio.create_task(UrlSource(issuer.url).read())

    async def requests() -> int:
        return issuer.requests

    await eventually(requests, 1)
    fetch.cancel()

    with pytest.raises(asyncio.CancelledError):
        await fetch
    async with asyncio.timeout(1):
        await closed.wait()


async def test_url_is_polled(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(UrlSource, "poll_seconds", 0.05)
    async with running_issuer(OLD) as issuer, started(issuer.url, clock) as verifier:
        withdrawn = old_token()
        await verifier.verify(withdrawn)
        issuer.answer = ok(NEW)

        await eventually_refused(verifier, withdrawn)


async def eventually_refused(verifier: TokenVerifier, token: str) -> None:
    async def is_refused() -> bool:
        try:
            await verifier.verify(token)
        except UnauthenticatedError:
            return True
        return False

    await eventually(is_refused, expected=True)


async def test_changed_file_is_reloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock) -> None:
    monkeypatch.setattr(FileSource, "poll_seconds", 0.05)
    path = tmp_path / "jwks.json"
    path.write_bytes(OLD)
    async with started(str(path), clock) as verifier:
        withdrawn = old_token()
        await verifier.verify(withdrawn)
        path.write_bytes(OLD[:50])
        await asyncio.sleep(0.2)
        assert (await verifier.verify(withdrawn)).service == "reaper"

        path.write_bytes(NEW)

        await eventually_refused(verifier, withdrawn)
        assert (await verifier.verify(new_token())).service == "reaper"


async def test_first_token_of_a_new_key_causes_a_read_of_the_file(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(OLD)
    async with started(str(path), clock) as verifier:
        path.write_bytes(BOTH)

        assert (await verifier.verify(new_token())).service == "reaper"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "it can't be read: No such file or directory"),
        (b"", "it is not JSON"),
        (b"{}", "it is not a JSON Web Key Set"),
        (key_set(), "it has no usable key"),
        (key_set({"kty": "oct", "k": "AAAA"}), "it has no usable key"),
        (b" " * (MAX_BYTES + 1), "it can't be read: file too large"),
    ],
)
async def test_startup_fails_if_the_file_has_no_usable_key(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(KeySetError) as refused:
        await KeySet(str(path)).start()

    assert str(refused.value) == f"the key set {path} can't be used: {problem}"


async def test_directory_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeySetError, match="it can't be read"):
        await KeySet(str(tmp_path)).start()
