"""What every call passes through, outermost first: context, access log, errors, auth, decoding, once."""

from __future__ import annotations
