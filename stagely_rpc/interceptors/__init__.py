"""What every call passes through, outermost first, as `server` lists it: from its context to its being run again."""

from __future__ import annotations
