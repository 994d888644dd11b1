"""Writes the client's services from the compiled contract: one module for each service, and one package with all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.client.modules import module_source, package_source
from tools.client.names import attribute

if TYPE_CHECKING:
    from pathlib import Path

    from tools.contract import Contract


def generate_services(contract: Contract, directory: Path) -> None:
    """Write every module."""
    services = sorted((service for file in contract.files for service in file.services_by_name.values()), key=attribute)
    for service in services:
        (directory / f"{attribute(service)}.py").write_text(module_source(service, contract.comments))
    (directory / "__init__.py").write_text(package_source(services))
