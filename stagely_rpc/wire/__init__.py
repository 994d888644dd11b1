"""Protobuf for all slices: parsing of requests, conversion of values, page tokens, redaction. Independent of gRPC."""

from __future__ import annotations
