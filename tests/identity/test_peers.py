from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from stagely_rpc.errors import UnauthenticatedError
from stagely_rpc.identity.peers import identity_of
from tests.support.identity.certificates import dns, make_authority, make_certificate, uri

AUTHORITY = make_authority()
REAPER = "spiffe://stagely.dev/reaper"


def identity(*names: x509.GeneralName, common_name: str = "", is_authority: bool = False) -> str | None:
    certificate = make_certificate(AUTHORITY, *names, common_name=common_name, is_authority=is_authority)
    return identity_of({"x509_pem_cert": [certificate.pem]})


def refusal_of(*names: x509.GeneralName, common_name: str = "", is_authority: bool = False) -> str:
    with pytest.raises(UnauthenticatedError) as refused:
        identity(*names, common_name=common_name, is_authority=is_authority)
    assert refused.value.reason == "CERTIFICATE_IDENTITY_INVALID"
    return refused.value.message


def test_spiffe_id_precedes_dns_name_and_dns_name_precedes_common_name() -> None:
    assert identity(dns("a.example"), uri(REAPER), dns("b.example"), common_name="cn") == REAPER
    assert identity(dns("a.example"), dns("b.example"), common_name="cn") == "a.example"
    assert identity(common_name="build runner") == "build runner"


def test_client_without_certificate_has_no_identity() -> None:
    assert identity_of({"transport_security_type": [b"ssl"]}) is None


@pytest.mark.parametrize(
    "spiffe_id",
    ["spiffe://a/b", "spiffe://stagely.dev/ns/build/sa/Runner-1", "spiffe://a_b-c.d/...", "spiffe://a/b.c/.d/e_f"],
)
def test_valid_spiffe_id_is_the_identity(spiffe_id: str) -> None:
    assert identity(uri(spiffe_id)) == spiffe_id


@pytest.mark.parametrize(
    "other",
    [
        "https://stagely.dev/reaper",
        "SPIFFE://stagely.dev/reaper",
        "spiffe:/reaper",
        "spiffe:///reaper",
        "spiffe://",
        "spiffe://stagely.dev",
        "spiffe://stagely.dev/",
        "spiffe://stagely.dev/reaper/",
        "spiffe://stagely.dev//reaper",
        "spiffe://stagely.dev/./reaper",
        "spiffe://stagely.dev/../reaper",
        "spiffe://stagely.dev/a/..",
        "spiffe://Stagely.dev/reaper",
        "spiffe://stagely.dev:443/reaper",
        "spiffe://ops@stagely.dev/reaper",
        "spiffe://stagely.dev/reaper?a=b",
        "spiffe://stagely.dev/reaper#a",
        "spiffe://stagely.dev/re%61per",
        "spiffe://stagely.dev/re aper",
        "spiffe://stagely.dev/reaper\n",
        "spiffe://stagely.dev/reaper\0/mine",
        " spiffe://stagely.dev/reaper",
    ],
)
def test_uri_that_is_not_a_spiffe_id_is_refused_despite_other_names(other: str) -> None:
    assert "is not a SPIFFE ID" in refusal_of(uri(other), dns("a.example"), common_name="cn")


@pytest.mark.parametrize("second", [REAPER, "spiffe://stagely.dev/router", "https://stagely.dev"])
def test_two_uris_are_refused(second: str) -> None:
    assert "more than one URI" in refusal_of(uri(REAPER), uri(second), dns("a.example"))


def test_spiffe_id_of_an_authority_is_refused() -> None:
    assert "authority" in refusal_of(uri(REAPER), is_authority=True)


@pytest.mark.parametrize("name", ["a\0.example", "a\n", "a\x7f", " a", "a\u202eb"])
def test_name_with_control_characters_is_refused(name: str) -> None:
    assert "printable" in refusal_of(common_name=name)


def test_dns_name_with_a_nul_is_refused() -> None:
    assert "printable" in refusal_of(dns("router\0.example"), common_name="router")


def test_name_has_at_most_200_characters() -> None:
    longest = "a" * 200

    assert identity(dns(longest)) == longest
    assert "printable" in refusal_of(dns(longest + "a"))
    assert "printable" in refusal_of(uri("spiffe://a/" + longest))


def test_certificate_without_a_name_is_refused() -> None:
    assert "has no identity" in refusal_of(x509.RFC822Name("ops@stagely.dev"))


@given(
    uris=st.lists(
        st.text(st.characters(max_codepoint=127), max_size=40).map(lambda end: f"spiffe://{end}"), max_size=2
    ),
    dns_names=st.lists(st.text(st.characters(max_codepoint=127), max_size=40), max_size=2),
    common_name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_any_certificate_has_an_identity_or_is_refused(uris: list[str], dns_names: list[str], common_name: str) -> None:
    names = [*map(uri, uris), *map(dns, dns_names)]
    try:
        found = identity(*names, common_name=common_name)
    except UnauthenticatedError:
        return
    assert found in ([*uris, *dns_names, common_name])


@given(pem=st.binary(max_size=200).map(lambda body: b"-----BEGIN CERTIFICATE-----\n" + body))
def test_garbage_is_refused(pem: bytes) -> None:
    with pytest.raises(UnauthenticatedError):
        identity_of({"x509_pem_cert": [pem]})
