"""The generator of the Python client's services: a class for each service of the contract, a method for each RPC."""

from __future__ import annotations
