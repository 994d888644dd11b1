"""What every slice needs of protobuf: requests in, values out, page tokens, redaction. Knows no gRPC."""

from __future__ import annotations
