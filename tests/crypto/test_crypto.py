from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagely.v1 import crypto_pb2
from stagely_rpc.crypto.inputs import Decryption, Encryption
from tests.support.crypto.independent import open_sealed
from tests.support.crypto.vectors import BASE64_IN_GO, FROM_GO, GCM_SPECIFICATION, Vector
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.crypto_pb2_grpc import CryptoServiceAsyncStub

KEY = bytes(range(32))
LIMIT = 64 * 1024
AUTHENTICATION_FAILED = "authentication failed (wrong key or tampered data)"


async def encrypted(
    crypto: CryptoServiceAsyncStub, plaintext: bytes, key: bytes = KEY, associated_data: bytes = b""
) -> str:
    request = crypto_pb2.EncryptRequest(plaintext=plaintext, key=key, associated_data=associated_data)
    return (await crypto.Encrypt(request)).ciphertext


async def decrypted(
    crypto: CryptoServiceAsyncStub, ciphertext: str, key: bytes = KEY, associated_data: bytes = b""
) -> bytes:
    request = crypto_pb2.DecryptRequest(ciphertext=ciphertext, key=key, associated_data=associated_data)
    return (await crypto.Decrypt(request)).plaintext


async def refused_ciphertext(crypto: CryptoServiceAsyncStub, ciphertext: str, **given: bytes) -> str:
    """Decrypt an invalid ciphertext; return the description of the error."""
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="ciphertext") as refusal:
        await decrypted(crypto, ciphertext, **given)
    return refusal.fields["ciphertext"]


async def test_generated_keys_have_32_bytes_and_differ(crypto: CryptoServiceAsyncStub) -> None:
    keys = {(await crypto.GenerateKey(crypto_pb2.GenerateKeyRequest())).key for _ in range(20)}

    assert len(keys) == 20
    assert {len(key) for key in keys} == {32}


async def test_generated_key_encrypts_and_decrypts(crypto: CryptoServiceAsyncStub) -> None:
    key = (await crypto.GenerateKey(crypto_pb2.GenerateKeyRequest())).key

    assert await decrypted(crypto, await encrypted(crypto, b"hunter2", key), key) == b"hunter2"


@pytest.mark.parametrize("plaintext", [b"", b"\0", b"\xff\xfe not UTF-8", "ключ 🔑".encode(), b"x" * LIMIT], ids=len)
async def test_any_plaintext_round_trips(crypto: CryptoServiceAsyncStub, plaintext: bytes) -> None:
    assert await decrypted(crypto, await encrypted(crypto, plaintext)) == plaintext


@given(plaintext=st.binary(max_size=200), key=st.binary(min_size=32, max_size=32), associated_data=st.binary())
@settings(max_examples=50, deadline=None)
async def test_another_implementation_decrypts_the_ciphertext(
    crypto: CryptoServiceAsyncStub, plaintext: bytes, key: bytes, associated_data: bytes
) -> None:
    ciphertext = await encrypted(crypto, plaintext, key, associated_data)

    assert open_sealed(key, ciphertext, associated_data) == plaintext


async def test_each_encryption_uses_a_new_nonce(crypto: CryptoServiceAsyncStub) -> None:
    ciphertexts = [await encrypted(crypto, b"same") for _ in range(20)]

    assert len({base64.b64decode(ciphertext)[:12] for ciphertext in ciphertexts}) == 20


async def test_ciphertext_is_nonce_encrypted_bytes_and_tag(crypto: CryptoServiceAsyncStub) -> None:
    assert len(base64.b64decode(await encrypted(crypto, b"12345"), validate=True)) == 12 + 5 + 16


@pytest.mark.parametrize("vector", GCM_SPECIFICATION.values(), ids=GCM_SPECIFICATION.keys())
async def test_vectors_of_the_gcm_specification_decrypt(crypto: CryptoServiceAsyncStub, vector: Vector) -> None:
    ciphertext = base64.b64encode(vector.nonce + vector.ciphertext + vector.tag).decode()

    assert await decrypted(crypto, ciphertext, vector.key, vector.associated_data) == vector.plaintext


@pytest.mark.parametrize(("key", "associated_data", "plaintext", "ciphertext"), FROM_GO)
async def test_ciphertexts_from_go_decrypt(
    crypto: CryptoServiceAsyncStub, key: str, associated_data: bytes, plaintext: str, ciphertext: str
) -> None:
    found = await decrypted(crypto, ciphertext, bytes.fromhex(key), associated_data)

    assert found == bytes.fromhex(plaintext)


@pytest.mark.parametrize(("text", "decoded"), BASE64_IN_GO.items())
async def test_base64_is_decoded_as_in_go(crypto: CryptoServiceAsyncStub, text: str, decoded: str | None) -> None:
    # Each valid text is too short for a nonce, so the length check refuses it after decoding.
    expected = "ciphertext too short" if decoded is not None else "invalid ciphertext encoding"

    assert await refused_ciphertext(crypto, text) == expected


async def test_line_breaks_in_a_ciphertext_are_skipped(crypto: CryptoServiceAsyncStub) -> None:
    ciphertext = await encrypted(crypto, b"x" * 100)

    assert await decrypted(crypto, "\r\n".join(ciphertext)) == b"x" * 100


@pytest.mark.parametrize("length", [11, 12, 27])
async def test_short_ciphertext_is_refused(crypto: CryptoServiceAsyncStub, length: int) -> None:
    expected = "ciphertext too short" if length < 12 else AUTHENTICATION_FAILED

    assert await refused_ciphertext(crypto, base64.b64encode(bytes(length)).decode()) == expected


@pytest.mark.parametrize("bit", [0, 12 * 8, (12 + 5) * 8, (12 + 5 + 16) * 8 - 1])
async def test_flipped_bit_is_refused(crypto: CryptoServiceAsyncStub, bit: int) -> None:
    sealed = bytearray(base64.b64decode(await encrypted(crypto, b"12345")))
    sealed[bit // 8] ^= 1 << bit % 8

    assert await refused_ciphertext(crypto, base64.b64encode(sealed).decode()) == AUTHENTICATION_FAILED


async def test_wrong_key_is_refused(crypto: CryptoServiceAsyncStub) -> None:
    ciphertext = await encrypted(crypto, b"12345")

    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="DECRYPTION_FAILED") as refusal:
        await decrypted(crypto, ciphertext, bytes(32))

    assert refusal.fields == {"ciphertext": AUTHENTICATION_FAILED}
    assert "12345" not in refusal.message


@pytest.mark.parametrize("associated_data", [b"", b"context 2"])
async def test_other_associated_data_is_refused(crypto: CryptoServiceAsyncStub, associated_data: bytes) -> None:
    ciphertext = await encrypted(crypto, b"12345", associated_data=b"context 1")

    assert await refused_ciphertext(crypto, ciphertext, associated_data=associated_data) == AUTHENTICATION_FAILED


@pytest.mark.parametrize("size", [0, 1, 16, 24, 31, 33, 64])
async def test_key_of_another_size_is_refused_first(crypto: CryptoServiceAsyncStub, size: int) -> None:
    wrong_key = "encryption key must be 32 bytes"

    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="key") as unencrypted:
        await encrypted(crypto, b"x", bytes(size))
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="key") as undecrypted:
        await decrypted(crypto, "?", bytes(size))

    assert unencrypted.fields == undecrypted.fields == {"key": wrong_key}


async def test_every_invalid_field_is_reported_with_the_key_first(crypto: CryptoServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await encrypted(crypto, b"x" * (LIMIT + 1), b"", b"x" * (LIMIT + 1))

    assert list(refusal.fields) == ["key", "plaintext", "associated_data"]


async def test_plaintext_over_the_limit_is_refused(crypto: CryptoServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="plaintext") as refusal:
        await encrypted(crypto, b"x" * (LIMIT + 1))

    assert refusal.fields["plaintext"] == "must have at most 65536 bytes"


async def test_associated_data_up_to_its_limit_is_accepted(crypto: CryptoServiceAsyncStub) -> None:
    longest = b"x" * LIMIT

    assert await decrypted(crypto, await encrypted(crypto, b"y", KEY, longest), KEY, longest) == b"y"
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="associated_data"):
        await encrypted(crypto, b"y", KEY, longest + b"x")
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="associated_data"):
        await decrypted(crypto, "", KEY, longest + b"x")


async def test_ciphertext_over_the_limit_is_refused(crypto: CryptoServiceAsyncStub) -> None:
    ciphertext = base64.b64encode(bytes(12 + LIMIT + 1 + 16)).decode()

    assert await refused_ciphertext(crypto, ciphertext) == "must be the ciphertext of at most 65536 bytes"


async def test_empty_ciphertext_is_refused(crypto: CryptoServiceAsyncStub) -> None:
    assert await refused_ciphertext(crypto, "") == "ciphertext too short"


def test_repr_of_inputs_contains_no_secret() -> None:
    key = b"k" * 32

    assert "kkk" not in repr(Encryption(key=key, plaintext=b"hunter2")) + repr(Decryption(key=key))
    assert "hunter2" not in repr(Encryption(key=key, plaintext=b"hunter2"))
