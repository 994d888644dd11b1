"""The service as a process with TLS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.identity.certificates import make_authority, make_server_certificate
from tests.support.processes.service import settings_for

if TYPE_CHECKING:
    from tests.support.identity.certificates import Files

HEALTH = re.compile(r"health=(127\.0\.0\.1:(\d+))")


def settings_with_tls(database_url: str, files: Files) -> dict[str, str]:
    authority = make_authority()
    files.write(make_server_certificate(authority))
    return settings_for(database_url, TLS_CERT_FILE=str(files.cert), TLS_KEY_FILE=str(files.key), HEALTH_PORT="0")
