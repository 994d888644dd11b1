"""The generator of docs/reference: a page for each service, and pages for all services."""

from __future__ import annotations
