"""What every call passes through, outermost first: context, access log, errors, decoding."""

from __future__ import annotations
