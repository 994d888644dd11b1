from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from stagely_rpc.identity.certificates import ServerCertificates
from stagely_rpc.identity.pem import CertificateError, load_key_pair
from stagely_rpc.identity.reloading import MAX_FILE_BYTES
from tests.support.identity.certificates import (
    DAY,
    Files,
    channel_credentials,
    make_authority,
    make_server_certificate,
)
from tests.support.identity.tls import is_admitted, tls_server

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

AUTHORITY = make_authority()
SERVER = make_server_certificate(AUTHORITY)
OTHER = make_server_certificate(AUTHORITY)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def files(files: Files) -> Files:
    files.write(SERVER)
    files.client_ca.write_bytes(AUTHORITY.pem)
    return files


def refusal_of(files: Files) -> str:
    with pytest.raises(CertificateError) as refused:
        ServerCertificates(files.cert, files.key, files.client_ca)
    text = str(refused.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("which", ["cert", "key", "client_ca"])
@pytest.mark.parametrize(
    ("contents", "fault"),
    [
        (None, "no such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"not PEM", "can't be parsed"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "can't be parsed"),
        (b"x" * (MAX_FILE_BYTES + 1), "file too large"),
    ],
)
def test_unusable_file_is_refused_with_its_setting_and_path(
    files: Files, which: str, contents: bytes | None, fault: str
) -> None:
    file = getattr(files, which)
    if contents is None:
        file.unlink()
    else:
        file.write_bytes(contents)

    assert refusal_of(files).startswith(f"TLS_{which.upper()}_FILE: {file}: ")
    assert fault in refusal_of(files)


@pytest.mark.parametrize("which", ["cert", "client_ca"])
def test_truncated_bundle_is_refused(files: Files, which: str) -> None:
    file = getattr(files, which)
    whole = SERVER.pem if which == "cert" else AUTHORITY.pem
    for cut in (10, len(AUTHORITY.pem) // 2, len(AUTHORITY.pem) - 10):
        file.write_bytes(whole + AUTHORITY.pem[:cut])

        assert "is incomplete" in refusal_of(files)


def test_truncated_key_is_refused(files: Files) -> None:
    files.key.write_bytes(SERVER.key[:100])

    assert refusal_of(files).startswith(f"TLS_KEY_FILE: {files.key}: ")


def test_key_of_another_certificate_is_refused(files: Files) -> None:
    files.key.write_bytes(OTHER.key)

    assert (
        refusal_of(files)
        == f"TLS_KEY_FILE: {files.key}: is not the key of the certificate in TLS_CERT_FILE ({files.cert})"
    )


def test_encrypted_key_is_refused(files: Files) -> None:
    encryption = BestAvailableEncryption(b"password")
    files.key.write_bytes(SERVER.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))

    assert "is encrypted" in refusal_of(files)


def test_directory_and_pipe_are_refused_without_blocking(files: Files) -> None:
    files.key.unlink()
    os.mkfifo(files.key)
    assert "not a regular file" in refusal_of(files)

    files.key.unlink()
    files.key.mkdir()
    assert "not a regular file" in refusal_of(files)


@pytest.mark.parametrize(
    ("lifetime", "fault"), [((-DAY, -MINUTE), "expired at"), ((MINUTE, DAY), "is not valid before")]
)
def test_certificate_that_is_not_valid_now_is_refused(
    files: Files, lifetime: tuple[dt.timedelta, dt.timedelta], fault: str
) -> None:
    files.write(make_server_certificate(AUTHORITY, lifetime=lifetime))

    assert refusal_of(files).startswith(f"TLS_CERT_FILE: {files.cert}: {fault}")


def keys(*, accepted: bool) -> list[CertificateIssuerPrivateKeyTypes]:
    if accepted:
        curves = (ec.SECP256R1(), ec.SECP384R1())
        return [*map(ec.generate_private_key, curves), rsa.generate_private_key(65537, 2048)]
    return [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - the test needs a weak key
    ]


async def test_server_works_with_each_accepted_key_type(files: Files) -> None:
    for key in keys(accepted=True):
        files.write(make_server_certificate(AUTHORITY, private_key=key))

        async with tls_server(ServerCertificates(files.cert, files.key)) as port:
            assert await is_admitted(port, channel_credentials(AUTHORITY))


def test_key_types_that_clients_do_not_accept_are_refused(files: Files) -> None:
    for key in keys(accepted=False):
        files.write(make_server_certificate(AUTHORITY, private_key=key))

        assert "must have an RSA key of at least 2048 bits, or a P-256 or P-384 key" in refusal_of(files)


def test_chain_and_key_may_be_in_one_file(files: Files) -> None:
    files.cert.write_bytes(SERVER.key + SERVER.pem + AUTHORITY.pem)

    pair = load_key_pair(files.cert, files.cert)

    assert pair.chain == SERVER.pem + AUTHORITY.pem
    assert pair.key == SERVER.key


def test_key_is_not_in_the_repr(files: Files) -> None:
    line = SERVER.key.splitlines()[1].decode()

    assert line not in repr(load_key_pair(files.cert, files.key))
    assert line not in repr(vars(ServerCertificates(files.cert, files.key)))
