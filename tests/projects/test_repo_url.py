from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from stagely_rpc.projects.inputs import RepoUrl

repo_url = TypeAdapter[str](RepoUrl)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/pallets/flask",
        "https://github.com/pallets/flask.git",
        "http://localhost:3000/ada/engine.git",
        "http://[::1]:3000/ada/engine.git",
        "git://git.example.com/engine.git",
        "ssh://git@github.com/pallets/flask.git",
        "ssh://git@github.com:22/pallets/flask.git",
        "ssh://github.com/pallets/flask.git",
        "git@github.com:pallets/flask.git",
        "git@gitlab.example.com:/srv/git/flask.git",
        "deploy_1.x-y@host:~/flask",
        "https://bitbucket.org/acme/caf%C3%A9",
        "https://github.com/acme/a@b",
        "https://x/" + "a" * 1990,
    ],
)
def test_repository_url_is_accepted(url: str) -> None:
    assert repo_url.validate_python(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "flask",
        "/srv/git/flask.git",
        "./flask",
        "file:///etc/passwd",
        "ext::sh -c whoami",
        "ftp://example.com/flask",
        "javascript:alert(1)",
        "HTTPS://github.com/pallets/flask",
        "https://",
        "https:///flask",
        "https://github.com",
        "https://github.com/",
        "https://github.com:/flask",
        "https://github.com:123456/flask",
        "https://ada:s3cret@github.com/pallets/flask",
        "https://:s3cret@github.com/pallets/flask",
        "https://ghp_s3cret@github.com/pallets/flask",
        "ssh://git:s3cret@github.com/pallets/flask",
        "git://git:s3cret@github.com/pallets/flask",
        "git:s3cret@github.com:pallets/flask",
        "https://github.com/pallets/flask?access_token=s3cret",
        "https://github.com/pallets/flask#s3cret",
        "ssh://-oProxyCommand=whoami/flask",
        "ssh://-oProxyCommand@host/flask",
        "-oProxyCommand@host:flask",
        "git@-host:flask",
        "git@host:-flask",
        "git@host:",
        "@host:flask",
        "host:flask",
        "https://github.com/pallets/fl ask",
        "https://github.com/pallets/flask\n",
        "https://github.com/pallets/flask\0",
        "https://github.com/pallets/fl\u00a0ask",
        "https://gith\u00fcb.com/pallets/flask",
        "https://x/" + "a" * 1991,
    ],
)
def test_other_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        repo_url.validate_python(url)

    assert "s3cret" not in refused.value.errors(include_input=False)[0]["msg"]
