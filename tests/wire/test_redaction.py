from __future__ import annotations

import importlib
import pkgutil
import re
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct

import stagely.v1
from stagely.v1 import annotations_pb2, secret_pb2
from stagely_rpc.wire.redaction import is_sensitive, redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, FileDescriptor
    from google.protobuf.message import Message

MARKER = "secret-marker-7f3f94fb"

SENSITIVE = {
    "AccessCloudProviderCredentialsResponse.credentials",
    "AccessSecretResponse.value",
    "CreateCloudProviderRequest.credentials",
    "DecryptRequest.key",
    "DecryptResponse.plaintext",
    "EncryptRequest.key",
    "EncryptRequest.plaintext",
    "GenerateKeyResponse.key",
    "ResolvedSecret.value",
    "SetSecretRequest.value",
    "UpdateCloudProviderRequest.credentials",
}
"""Every field of the contract that can carry a secret."""

HARMLESS = {
    "ChainPlace.hash",
    "DecryptRequest.associated_data",
    "EncryptRequest.associated_data",
}
"""Fields whose type or name suggests a secret, but that carry none. Page tokens are authenticated, not secret."""

SECRET_WORDS = re.compile(
    r"secret|password|passphrase|credential|plaintext|private|token|signature|(^|_)(value|values|content|contents)$"
)
TEXT_TYPES = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def files() -> Iterator[FileDescriptor]:
    for module in pkgutil.iter_modules(stagely.v1.__path__):
        if module.name.endswith("_pb2"):
            yield importlib.import_module(f"stagely.v1.{module.name}").DESCRIPTOR


def with_nested(message: Descriptor) -> Iterator[Descriptor]:
    yield message
    for nested in message.nested_types:
        yield from with_nested(nested)


MESSAGES = [message for file in files() for top in file.message_types_by_name.values() for message in with_nested(top)]
FIELDS = {f"{message.name}.{field.name}": field for message in MESSAGES for field in message.fields}


def filled(descriptor: Descriptor, variant: int, *, with_secrets: bool) -> Message:
    """Return a message with all fields set, sensitive ones to the marker. `variant` selects the field of each oneof."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        chosen = oneof is None or oneof.fields[variant % len(oneof.fields)] is field
        if chosen and (with_secrets or not is_sensitive(field)):
            fill(message, field, variant, with_secrets=with_secrets)
    return message


def fill(message: Any, field: FieldDescriptor, variant: int, *, with_secrets: bool) -> None:
    if field.message_type is None:
        value = scalar(field)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    elif field.message_type is Struct.DESCRIPTOR:
        getattr(message, field.name).update({"text": text_of(field)})
    else:
        value = filled(field.message_type, variant, with_secrets=with_secrets)
        target = getattr(message, field.name)
        target.add().CopyFrom(value) if field.is_repeated else target.CopyFrom(value)


def scalar(field: FieldDescriptor) -> object:
    if field.type in TEXT_TYPES:
        return text_of(field) if field.type == FieldDescriptor.TYPE_STRING else text_of(field).encode()
    return 1


def text_of(field: FieldDescriptor) -> str:
    return MARKER if is_sensitive(field) else "plain"


def could_carry_a_secret(field: FieldDescriptor) -> bool:
    """Return whether the type or the name of a field suggests a secret."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return True
    readable = field.type == FieldDescriptor.TYPE_STRING or field.message_type is Struct.DESCRIPTOR
    return readable and field.name not in {"page_token", "next_page_token"} and bool(SECRET_WORDS.search(field.name))


@pytest.mark.parametrize("variant", range(4))
@pytest.mark.parametrize("descriptor", MESSAGES, ids=lambda descriptor: descriptor.name)
def test_redaction_removes_every_secret_and_nothing_else(descriptor: Descriptor, variant: int) -> None:
    message = filled(descriptor, variant, with_secrets=True)

    clean = redacted(message)

    assert MARKER.encode() not in clean.SerializeToString()
    assert clean == filled(descriptor, variant, with_secrets=False)


def test_original_message_is_unchanged() -> None:
    message = secret_pb2.AccessSecretResponse(value=b"hunter2")

    redacted(message)

    assert message.value == b"hunter2"


def test_secret_is_removed_at_any_depth() -> None:
    one = secret_pb2.ResolvedSecret(key="A", value=b"hunter2")

    clean = redacted(secret_pb2.ResolveSecretsResponse(secrets=[one, one]))

    assert clean == secret_pb2.ResolveSecretsResponse(secrets=[secret_pb2.ResolvedSecret(key="A")] * 2)


def test_sensitive_fields_are_the_known_ones() -> None:
    assert {name for name, field in FIELDS.items() if is_sensitive(field)} == SENSITIVE


def test_suspicious_field_is_sensitive_or_known_to_be_harmless() -> None:
    suspects = {name for name, field in FIELDS.items() if could_carry_a_secret(field)}

    assert suspects - SENSITIVE == HARMLESS


@pytest.mark.parametrize(
    ("name", "kind", "suspect"),
    [
        ("key", FieldDescriptorProto.TYPE_BYTES, True),
        ("anything", FieldDescriptorProto.TYPE_BYTES, True),
        ("client_secret", FieldDescriptorProto.TYPE_STRING, True),
        ("access_token", FieldDescriptorProto.TYPE_STRING, True),
        ("value", FieldDescriptorProto.TYPE_STRING, True),
        ("key", FieldDescriptorProto.TYPE_STRING, False),
        ("page_token", FieldDescriptorProto.TYPE_STRING, False),
        ("secret_type", FieldDescriptorProto.TYPE_INT32, False),
    ],
)
def test_new_field_is_suspicious_by_its_type_or_name(
    name: str, kind: FieldDescriptorProto.Type.ValueType, *, suspect: bool
) -> None:
    assert could_carry_a_secret(new_field(name, kind)) == suspect


@pytest.mark.parametrize("sensitive", [True, False])
def test_secret_in_a_map_is_removed(*, sensitive: bool) -> None:
    message: Any = GetMessageClass(message_with_maps(sensitive=sensitive))()
    message.texts["a"] = "kept"
    message.items["a"].value = "hunter2"

    clean: Any = redacted(message)

    assert clean.texts == {"a": "kept"}
    assert set(clean.items) == {"a"}
    assert ("hunter2" in str(clean)) is not sensitive


def new_field(name: str, kind: FieldDescriptorProto.Type.ValueType) -> FieldDescriptor:
    """Return a field that someone might add to the contract."""
    one = DescriptorProto(name="Added", field=[optional_field(name, 1, kind)])
    return pooled(one).fields_by_name[name]


def message_with_maps(*, sensitive: bool) -> Descriptor:
    """Return a message with `map<string, string> texts` and `map<string, Item> items`. The contract has no maps yet."""
    string, nested = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_MESSAGE
    value = optional_field("value", 1, string)
    value.options.Extensions[annotations_pb2.sensitive] = sensitive
    entries = {
        "Texts": optional_field("value", 2, string),
        "Items": optional_field("value", 2, nested, ".stagely.test.Maps.Item"),
    }
    maps = DescriptorProto(name="Maps", nested_type=[DescriptorProto(name="Item", field=[value])])
    for number, (name, entry_value) in enumerate(entries.items(), start=1):
        entry = maps.nested_type.add(name=f"{name}Entry", field=[optional_field("key", 1, string), entry_value])
        entry.options.map_entry = True
        field = optional_field(name.lower(), number, nested, f".stagely.test.Maps.{name}Entry")
        field.label = FieldDescriptorProto.LABEL_REPEATED
        maps.field.append(field)
    return pooled(maps)


def optional_field(
    name: str, number: int, kind: FieldDescriptorProto.Type.ValueType, type_name: str = ""
) -> FieldDescriptorProto:
    optional = FieldDescriptorProto.LABEL_OPTIONAL
    return FieldDescriptorProto(name=name, number=number, type=kind, label=optional, type_name=type_name or None)


def pooled(message: DescriptorProto) -> Descriptor:
    """Return the descriptor of a message, added to a pool in its own file."""
    pool = DescriptorPool()
    file = FileDescriptorProto(name="test.proto", package="stagely.test", syntax="proto3", message_type=[message])
    pool.Add(file)
    return pool.FindMessageTypeByName(f"stagely.test.{message.name}")
