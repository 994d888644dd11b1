"""Generates the JSON Schema of the settings. Each environment variable is a property of one object."""

from __future__ import annotations

import ast
import inspect
import json
from typing import Any

from stagely_rpc.settings.model import DatabaseSettings, PortSettings, Settings, TokenSettings, needs

_AUTHENTICATION = ("JWT_SECRET", "JWT_JWKS", "TLS_CLIENT_CA_FILE")


def text() -> str:
    """Return the schema as JSON text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the schema: names, types, limits and defaults from the models, descriptions from their docstrings."""
    model, descriptions = Settings.model_json_schema(), _descriptions()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The environment of `stagely-rpc serve`",
        "type": "object",
        "properties": {
            name.upper(): _property(given) | {"description": descriptions[name]}
            for name, given in sorted(model["properties"].items())
        },
        "required": sorted(name.upper() for name in model["required"]),
        "dependentRequired": {
            name.upper(): [other.upper() for other in others] for name, others in sorted(needs().items())
        },
        "if": {"properties": {"ENVIRONMENT": {"const": "production"}}, "required": ["ENVIRONMENT"]},
        "then": {"required": ["ENCRYPTION_KEY"], "anyOf": [{"required": [name]} for name in _AUTHENTICATION]},
    }


def _property(given: dict[str, Any]) -> dict[str, Any]:
    """Return a property without pydantic's title, and without null, which means that the variable is not set."""
    kind: dict[str, Any]
    (kind,) = [each for each in given.get("anyOf", [{}]) if each != {"type": "null"}]
    return kind | {key: value for key, value in given.items() if key not in {"anyOf", "title"} and value is not None}


def _descriptions() -> dict[str, str]:
    """Return the docstrings below the fields. If pydantic read them, it would do so at each start of the service."""
    models = (DatabaseSettings, PortSettings, TokenSettings, Settings)
    return {name: text for model in models for name, text in _docstrings(model).items()}


def _docstrings(model: type) -> dict[str, str]:
    (definition,) = ast.parse(inspect.getsource(model)).body
    found = {}
    if isinstance(definition, ast.ClassDef):
        for field, below in zip(definition.body, definition.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return found
