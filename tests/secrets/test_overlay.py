from __future__ import annotations

import itertools
import uuid

import pytest

from stagely_rpc.errors import FailedPreconditionError
from stagely_rpc.secrets.overlay import overlaid
from stagely_rpc.secrets.queries import Candidate
from tests.support.rows import row_of


def a_secret(key: str, scope: str = "global", path: str | None = None) -> Candidate:
    secret_type = "file" if path else "env"
    return row_of(Candidate, id=uuid.uuid4(), key=key, scope=scope, secret_type=secret_type, file_path=path)


def test_the_order_of_candidates_does_not_matter() -> None:
    candidates = [
        a_secret("B"),
        a_secret("A"),
        a_secret("B", "web"),
        a_secret("C", "web", "/c"),
        a_secret("D", path="/c"),
    ]

    outcomes = [
        [(secret.key, secret.scope) for secret in overlaid(order)] for order in itertools.permutations(candidates)
    ]

    assert all(outcome == [("A", "global"), ("B", "web"), ("C", "web")] for outcome in outcomes)


def test_a_file_hides_a_variable_of_its_key_and_the_reverse() -> None:
    assert [secret.scope for secret in overlaid([a_secret("A"), a_secret("A", "web", "/a")])] == ["web"]
    assert [secret.scope for secret in overlaid([a_secret("A", "web"), a_secret("A", path="/a")])] == ["web"]


def test_a_path_that_only_a_hidden_secret_has_is_free() -> None:
    hidden, own, other = a_secret("A", path="/a"), a_secret("A", "web", "/b"), a_secret("B", path="/a")

    assert overlaid([hidden, own, other]) == [own, other]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (a_secret("A", path="/a"), a_secret("B", path="/a")),
        (a_secret("A", "web", "/a"), a_secret("B", "web", "/a")),
        (a_secret("A", path="/a"), a_secret("B", path="/a/b")),
        (a_secret("A", path="/a"), a_secret("B", "web", "/a/b/c")),
        (a_secret("A", "web", "/a"), a_secret("B", path="/a/b")),
    ],
)
def test_files_that_cannot_both_be_written_are_refused(one: Candidate, other: Candidate) -> None:
    with pytest.raises(FailedPreconditionError) as refused:
        overlaid([one, other])

    assert refused.value.reason == "SECRET_FILES_CONFLICT"
    assert "'A' and 'B'" in refused.value.message


def test_paths_that_only_begin_alike_do_not_conflict() -> None:
    assert len(overlaid([a_secret("A", path="/a"), a_secret("B", path="/ab"), a_secret("C", path="/b/a")])) == 3
