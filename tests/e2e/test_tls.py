from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.identity.certificates import Files, make_authority, replace
from tests.support.processes.service import environment, run, serving
from tests.support.processes.tls import HEALTH, settings_with_tls

if TYPE_CHECKING:
    from pathlib import Path


def test_probe_of_a_server_with_tls_uses_its_health_port(fresh_database_url: str, tmp_path: Path) -> None:
    files = Files(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    with serving(["serve"], settings_with_tls(fresh_database_url, files)) as server:
        health = next(found for line in server.lines if (found := HEALTH.search(line)))
        port = server.address.partition(":")[2]

        by_setting = run("probe", env=environment(PORT=port, HEALTH_PORT=health[2]))
        by_target = run("probe", "--target", health[1])
        of_the_service = run("probe", env=environment(PORT=port))

        assert (by_setting.returncode, by_setting.stdout) == (0, "SERVING\n")
        assert by_target.returncode == 0
        assert (of_the_service.returncode, of_the_service.stderr) == (1, f"{server.address}: UNAVAILABLE\n")
        assert server.stop() == 0


def test_key_that_does_not_match_the_certificate_prevents_startup_with_one_line(
    fresh_database_url: str, tmp_path: Path
) -> None:
    files = Files(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    settings = settings_with_tls(fresh_database_url, files)
    replace(files.key, make_authority().key)

    ended = run("serve", env=settings)

    assert ended.returncode == 2
    assert ended.stderr == (
        f"stagely-rpc: TLS_KEY_FILE: {files.key}: is not the key of the certificate in TLS_CERT_FILE ({files.cert})\n"
    )
