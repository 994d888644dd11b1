"""The JSON Schema of the settings: an object whose properties are the environment variables."""

from __future__ import annotations

import ast
import inspect
import json
from typing import Any

from stagely_rpc.settings.model import DatabaseSettings, PortSettings, Settings, TokenSettings, needs

AUTHENTICATION = ("JWT_SECRET", "JWT_JWKS", "TLS_CLIENT_CA_FILE")
"""Production requires one of these."""

REQUIRED_IN_PRODUCTION = ("ENCRYPTION_KEY",)

_PAGE_ONLY = {"allowed"}
"""What properties() has for docs/settings.md and the schema does not."""


def text() -> str:
    """Return the text of the schema file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the schema: names, types, limits and defaults from the model, descriptions from its docstrings."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The environment of `stagely-rpc serve`",
        "type": "object",
        "properties": {
            variable: {key: value for key, value in given.items() if key not in _PAGE_ONLY}
            for variable, given in properties().items()
        },
        "required": required(),
        "dependentRequired": {
            name.upper(): [other.upper() for other in others] for name, others in sorted(needs().items())
        },
        "if": {"properties": {"ENVIRONMENT": {"const": "production"}}, "required": ["ENVIRONMENT"]},
        "then": {
            "required": [*REQUIRED_IN_PRODUCTION],
            "anyOf": [{"required": [name]} for name in AUTHENTICATION],
        },
    }


def properties() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each variable, with its description and, where the type has one, `allowed`."""
    model, descriptions = Settings.model_json_schema(), _descriptions()
    return {
        name.upper(): _property(given) | {"description": descriptions[name]}
        for name, given in sorted(model["properties"].items())
    }


def required() -> list[str]:
    """Return the variables that must be set."""
    return sorted(name.upper() for name in Settings.model_json_schema()["required"])


def _property(given: dict[str, Any]) -> dict[str, Any]:
    """Return a property without its Python-only parts: the title, and None for a variable that is not set."""
    type_: dict[str, Any]
    (type_,) = [each for each in given.get("anyOf", [{}]) if each != {"type": "null"}]
    return type_ | {key: value for key, value in given.items() if key not in {"anyOf", "title"} and value is not None}


def _descriptions() -> dict[str, str]:
    """Return the docstrings below the fields. Pydantic could read them, but only at each start of the service."""
    models = (DatabaseSettings, PortSettings, TokenSettings, Settings)
    return {name: docstring for model in models for name, docstring in _docstrings(model).items()}


def _docstrings(model: type) -> dict[str, str]:
    (definition,) = ast.parse(inspect.getsource(model)).body
    found = {}
    if isinstance(definition, ast.ClassDef):
        for field, below in zip(definition.body, definition.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                    found[name] = " ".join(docstring.split())
    return found
