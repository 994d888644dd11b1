from __future__ import annotations

import itertools
import uuid

import pytest

from stagely_rpc.errors import FailedPreconditionError
from stagely_rpc.secrets.overlay import overlay_secrets
from stagely_rpc.secrets.queries import Candidate
from tests.support.rows import row_of


def candidate(key: str, scope: str = "global", path: str | None = None) -> Candidate:
    secret_type = "file" if path else "env"
    return row_of(Candidate, id=uuid.uuid4(), key=key, scope=scope, secret_type=secret_type, file_path=path)


def test_order_of_candidates_does_not_matter() -> None:
    candidates = [
        candidate("B"),
        candidate("A"),
        candidate("B", "web"),
        candidate("C", "web", "/c"),
        candidate("D", path="/c"),
    ]

    outcomes = [
        [(secret.key, secret.scope) for secret in overlay_secrets(order)]
        for order in itertools.permutations(candidates)
    ]

    assert all(outcome == [("A", "global"), ("B", "web"), ("C", "web")] for outcome in outcomes)


def test_file_and_variable_of_one_key_override_each_other() -> None:
    assert [secret.scope for secret in overlay_secrets([candidate("A"), candidate("A", "web", "/a")])] == ["web"]
    assert [secret.scope for secret in overlay_secrets([candidate("A", "web"), candidate("A", path="/a")])] == ["web"]


def test_path_of_an_overridden_file_is_free() -> None:
    overridden, own, other = candidate("A", path="/a"), candidate("A", "web", "/b"), candidate("B", path="/a")

    assert overlay_secrets([overridden, own, other]) == [own, other]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (candidate("A", path="/a"), candidate("B", path="/a")),
        (candidate("A", "web", "/a"), candidate("B", "web", "/a")),
        (candidate("A", path="/a"), candidate("B", path="/a/b")),
        (candidate("A", path="/a"), candidate("B", "web", "/a/b/c")),
        (candidate("A", "web", "/a"), candidate("B", path="/a/b")),
    ],
)
def test_files_with_conflicting_paths_are_refused(one: Candidate, other: Candidate) -> None:
    with pytest.raises(FailedPreconditionError) as refused:
        overlay_secrets([one, other])

    assert refused.value.reason == "SECRET_FILES_CONFLICT"
    assert "'A' and 'B'" in refused.value.message


def test_paths_with_a_common_prefix_do_not_conflict() -> None:
    assert (
        len(overlay_secrets([candidate("A", path="/a"), candidate("B", path="/ab"), candidate("C", path="/b/a")])) == 3
    )
