"""The client of the tests' own contract, as the generator makes it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest import mock

from tests.support.notes import FILE, SERVICE, message_class, stub
from tools.client.modules import module_source

if TYPE_CHECKING:
    from collections.abc import Mapping


def note_source() -> str:
    """Return the source of the module for the service."""
    comments = {SERVICE.full_name: "NoteService keeps notes."}
    comments |= {method.full_name: f"{method.name} is an RPC of the tests." for method in SERVICE.methods}
    comments |= {f"{message.full_name}.{field.name}": "" for message in _messages() for field in message.fields}
    return module_source(SERVICE, comments)


def note_client() -> ModuleType:
    """Return the module, with its classes `Notes` and `SyncNotes`."""
    contract, rpcs, made = ModuleType("note_pb2"), ModuleType("note_pb2_grpc"), ModuleType("notes")
    for message in _messages():
        setattr(contract, message.name, message_class(message.name))
    rpcs.__dict__["NoteServiceStub"] = stub
    modules: Mapping[str, ModuleType] = {"stagely.v1.note_pb2": contract, "stagely.v1.note_pb2_grpc": rpcs}
    with mock.patch.dict(sys.modules, modules):
        exec(compile(note_source(), "notes.py", "exec"), made.__dict__)  # noqa: S102 - that is what is tested
    return made


def _messages() -> list[Any]:
    return list(FILE.message_types_by_name.values())
