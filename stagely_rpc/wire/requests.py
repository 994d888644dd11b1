"""Parses requests: a pydantic model with the field names of the proto validates the fields of a message.

A field that is unset, or has the default value that proto3 can't distinguish from unset, is not passed to the model.
The model uses its own default, or reports the field as required.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from stagely_rpc.errors import InvalidArgumentError, Violation
from stagely_rpc.wire.values import enum_names, from_struct, from_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
    from google.protobuf.message import Message
    from pydantic_core import ErrorDetails

    Reader = Callable[[Any], Any]

Model = TypeVar("Model", bound=BaseModel)

# Limits what an error repeats of a long mask: gRPC drops a response with more than 8 KiB of metadata.
_MAX_PATHS_NAMED = 5
_MAX_PATH_SHOWN = 30


def parse(model: type[Model], request: Message) -> Model:
    """Validate the fields of a request that the model declares.

    Raises:
        InvalidArgumentError: with one violation for each invalid field.
    """
    form = _form(model, request.DESCRIPTOR)
    given = _read(request, form.readers)
    _require_oneofs(form.oneofs, given)
    try:
        validated: Model = form.validate(given)
    except ValidationError as error:
        raise InvalidArgumentError(violations_of(error)) from error
    return validated


def parse_changes(model: type[Model], request: Message, resource: Descriptor) -> Model:
    """Validate the changes of an update request (AIP-134).

    The model declares the fields that can be changed. The `update_mask` selects the fields to change; without a mask,
    the fields that the request sets are changed. A field that the mask names and the request leaves unset is cleared:
    it gets the model's default.

    Returns:
        A model whose `model_fields_set` are the changes. Get them with `model_dump(exclude_unset=True)`.

    Raises:
        InvalidArgumentError: the mask names a field that does not exist or can't be changed; or a value is invalid.
    """
    fields = _form(model, request.DESCRIPTOR).readers
    given = _read(request, fields)
    chosen = _masked(request.update_mask.paths, fields, resource) if request.HasField("update_mask") else list(given)  # type: ignore[attr-defined]
    changes = model.model_construct(_fields_set=set())
    violations: list[Violation] = []
    for name in chosen:
        default = model.model_fields[name].default
        value = given.get(name, default)
        if value is PydanticUndefined:
            violations.append(Violation(name, "can't be cleared"))
            continue
        try:
            setattr(changes, name, value)
        except ValidationError as error:
            violations.extend(violations_of(error))
    if violations:
        raise InvalidArgumentError(violations)
    return changes


def violations_of(error: ValidationError) -> list[Violation]:
    """Convert pydantic's errors to violations, with the field paths of the proto."""
    return [
        Violation(_path(found["loc"]), _description(found))
        for found in error.errors(include_url=False, include_input=False)
    ]


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _description(found: ErrorDetails) -> str:
    if found["type"] == "missing":
        return "is required"
    if found["type"] == "value_error":
        return str(found["ctx"]["error"])
    message = found["msg"].removeprefix("Input ").removeprefix("String ").removeprefix("Data ").removeprefix("Value ")
    return message.replace("should ", "must ", 1)


def _masked(paths: Iterable[str], fields: Mapping[str, Reader], resource: Descriptor) -> list[str]:
    chosen = dict.fromkeys(name for path in paths for name in (fields if path == "*" else [path]))
    violations = [Violation("update_mask", _mask_refusal(path, resource)) for path in chosen if path not in fields]
    if violations:
        raise InvalidArgumentError(violations[:_MAX_PATHS_NAMED])
    return list(chosen)


def _mask_refusal(path: str, resource: Descriptor) -> str:
    if path in resource.fields_by_name:
        return f"{path!r} can't be updated"
    return f"{_shortened(path)!r} is not a field of {resource.name}"


def _shortened(path: str) -> str:
    return path if len(path) <= _MAX_PATH_SHOWN else f"{path[: _MAX_PATH_SHOWN - 1]}…"


def _read(message: Message, fields: Mapping[str, Reader]) -> dict[str, Any]:
    """Return the values of the fields that are set.

    Raises:
        InvalidArgumentError: a value can't be converted: an unknown enum number, or a time or JSON value out of range.
    """
    given: dict[str, Any] = {}
    violations: list[Violation] = []
    for field, value in message.ListFields():
        reader = fields.get(field.name)
        if reader is None:
            continue
        try:
            converted = reader(value)
        except ValueError as error:
            violations.append(Violation(field.name, str(error)))
        except InvalidArgumentError as error:
            violations.extend(Violation(f"{field.name}.{v.field}", v.description) for v in error.violations)
        else:
            if converted is not _UNSPECIFIED:
                given[field.name] = converted
    if violations:
        raise InvalidArgumentError(violations)
    return given


_UNSPECIFIED = object()


def _require_oneofs(oneofs: Mapping[str, list[str]], given: Mapping[str, Any]) -> None:
    """Check that one field of each oneof of the model is set. The contract has no optional oneof in requests."""
    for name, members in oneofs.items():
        if not any(member in given for member in members):
            raise InvalidArgumentError.of(name, f"one of {', '.join(members)} is required")


@dataclass(frozen=True, slots=True)
class _Form:
    """How to parse the requests of one type into a model. Computed once for each pair of types.

    Attributes:
        readers: the converter of each field that the model declares.
        oneofs: the fields of each oneof by its name. A request must set one of them.
        validate: creates the model from the converted fields.
    """

    readers: Mapping[str, Reader]
    oneofs: Mapping[str, list[str]]
    validate: Callable[[dict[str, Any]], Any]


@cache
def _form(model: type[BaseModel], descriptor: Descriptor) -> _Form:
    readers = {name: _reader(descriptor.fields_by_name[name]) for name in model.model_fields}
    return _Form(readers, _oneofs(model, descriptor), model.__pydantic_validator__.validate_python)


def _oneofs(model: type[BaseModel], descriptor: Descriptor) -> dict[str, list[str]]:
    oneofs = {
        oneof.name: [field.name for field in oneof.fields if field.name in model.model_fields]
        for oneof in descriptor.oneofs
    }
    # protoc gives each `optional` field a oneof of its own. Its name starts with an underscore.
    return {name: members for name, members in oneofs.items() if members and not name.startswith("_")}


def _reader(field: FieldDescriptor) -> Reader:
    one = _reader_of_one(field)
    if field.is_repeated:
        return lambda values: [one(value) for value in values]
    return one


def _reader_of_one(field: FieldDescriptor) -> Reader:
    if field.enum_type is not None:
        return _enum_reader(field, field.enum_type)
    if field.message_type is None:
        return _unconverted
    if field.message_type is Struct.DESCRIPTOR:
        return from_struct
    if field.message_type is Timestamp.DESCRIPTOR:
        return from_timestamp
    fields = {nested.name: _reader(nested) for nested in field.message_type.fields}
    return lambda message: _read(message, fields)


def _unconverted(value: object) -> object:
    return value


def _enum_reader(field: FieldDescriptor, enum: EnumDescriptor) -> Reader:
    names = enum_names(enum)
    allowed = ", ".join(value.name for value in enum.values if value.number)

    def read(number: int) -> object:
        if number == 0 and not field.is_repeated:
            return _UNSPECIFIED
        if number not in names:
            raise ValueError(f"must be one of {allowed}")
        return names[number]

    return read
