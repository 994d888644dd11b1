"""Describes the contract for the pages, with the comments rendered."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodOptions
from markupsafe import Markup

from tools.client.names import noun_of
from tools.contract import PACKAGE
from tools.reference.prose import Prose, codes_in, without_codes
from tools.reference.samples import example, is_required, oneof_of, qualified_name
from tools.reference.shown import Code, Kind, Member, Rpc, Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor import (
        Descriptor,
        EnumDescriptor,
        EnumValueDescriptor,
        FieldDescriptor,
        FileDescriptor,
        MethodDescriptor,
        ServiceDescriptor,
    )

    from tools.contract import Contract

WELL_KNOWN = "https://protobuf.dev/reference/protobuf/google.protobuf/"
IDEMPOTENCY = {
    MethodOptions.NO_SIDE_EFFECTS: "Safe: the call changes nothing.",
    MethodOptions.IDEMPOTENT: "Safe. The audit log records each call.",
    MethodOptions.IDEMPOTENCY_UNKNOWN: "Safe with a `request_id`: a retry gets the stored response.",
}


class Describer:
    """Describes a contract.

    Args:
        contract: the contract.
        shared: the page that describes the declarations of files without a service.
    """

    def __init__(self, contract: Contract, shared: str) -> None:
        self._contract = contract
        self._comments = contract.comments
        self._links = dict(_links(contract, shared))
        self._prose = Prose(self._links)

    def services(self) -> list[Service]:
        """Return the services, by name."""
        found = [service for file in self._contract.files for service in file.services_by_name.values()]
        return [self._service(service) for service in sorted(found, key=lambda service: service.name)]

    def shared_enums(self) -> list[Kind]:
        """Return the enums of the files that have no service."""
        files = [file for file in self._contract.files if not file.services_by_name]
        return [self._enum(enum) for file in files for enum in file.enum_types_by_name.values()]

    def conventions(self) -> Markup:
        """Return the comment of the package, which holds for all RPCs."""
        return self._prose.paragraphs(self._comments[PACKAGE])

    def _service(self, service: ServiceDescriptor) -> Service:
        own = {message.name for method in service.methods for message in (method.input_type, method.output_type)}
        comment = self._comments[service.full_name]
        file = service.file
        return Service(
            name=service.name,
            page=page_of(file),
            comment=self._prose.paragraphs(comment, of=service.name),
            summary=self._prose.line(_first_sentence(comment), of=service.name),
            rpcs=[self._rpc(method) for method in service.methods],
            messages=[self._message(each) for each in file.message_types_by_name.values() if each.name not in own],
            enums=[self._enum(enum) for enum in file.enum_types_by_name.values()],
        )

    def _rpc(self, method: MethodDescriptor) -> Rpc:
        comment = self._comments[method.full_name]
        options = method.GetOptions()
        policy: Any = self._contract.option(options, "policy")
        service = method.containing_service
        return Rpc(
            name=method.name,
            path=f"{service.full_name}/{method.name}",
            comment=self._prose.paragraphs(without_codes(comment), of=method.name),
            summary=self._prose.line(_first_sentence(comment), of=method.name),
            marks=[*_deprecated(options), *(["stream"] if method.server_streaming else [])],
            permission=policy.permission,
            acting_for=self._acting_for(policy),
            action=policy.action,
            idempotency=self._prose.line(IDEMPOTENCY[options.idempotency_level]),
            codes=[Code(code.name, self._prose.line(code.when)) for code in codes_in(comment)],
            request=self._message(method.input_type),
            response=self._message(method.output_type),
            example=example_command(method, self._comments),
        )

    def _acting_for(self, policy: Any) -> Markup:  # noqa: ANN401 - the class of the message is created at run time
        """Say for which users a service may call an RPC."""
        fields = policy.DESCRIPTOR.fields_by_name
        if policy.role:
            role = fields["role"].enum_type.values_by_number[policy.role].name
            return self._prose.line(f"At least `{role}` in the team.")
        value = fields["acting_for"].enum_type.values_by_number[policy.acting_for]
        return self._prose.line(self._comments[_full_name(value)])

    def _message(self, message: Descriptor) -> Kind:
        return Kind(
            name=message.name,
            comment=self._prose.paragraphs(self._comments.get(message.full_name, ""), of=message.name),
            members=[self._field(field) for field in message.fields],
        )

    def _field(self, field: FieldDescriptor) -> Member:
        comment = self._comments.get(field.full_name, "")
        return Member(
            anchor=qualified_name(field),
            name=field.name,
            type=self._type(field),
            marks=list(self._marks(field)),
            comment=self._prose.line(re.sub(r"^Required\.\s*", "", comment)),
        )

    def _marks(self, field: FieldDescriptor) -> Iterator[str]:
        yield from _deprecated(field.GetOptions())
        if oneof := oneof_of(field):
            alternatives = " or ".join(other.name for other in oneof.fields if other is not field)
            required = is_required(oneof.full_name, self._comments)
            yield f"required unless {alternatives} is set" if required else f"or {alternatives}"
        elif is_required(field.full_name, self._comments):
            yield "required"
        elif field.containing_oneof is not None:
            yield "optional"
        if self._contract.option(field.GetOptions(), "sensitive"):
            yield "sensitive"

    def _type(self, field: FieldDescriptor) -> Markup:
        kind = field.message_type or field.enum_type
        if kind is None:
            name = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()  # type: ignore[arg-type]
            type_ = Markup("{}").format(name)
        else:
            page = self._links.get(kind.name) or f"{WELL_KNOWN}#{kind.name.lower().replace('field', 'field-')}"
            type_ = Markup('<a href="{}">{}</a>').format(page, kind.name)
        return Markup("repeated {}").format(type_) if field.is_repeated else type_

    def _enum(self, enum: EnumDescriptor) -> Kind:
        return Kind(
            name=enum.name,
            comment=self._prose.paragraphs(self._comments.get(enum.full_name, ""), of=enum.name),
            members=[self._value(value) for value in enum.values],
        )

    def _value(self, value: EnumValueDescriptor) -> Member:
        comment = self._prose.line(self._comments.get(_full_name(value), ""))
        number = Markup("{}").format(value.number)
        return Member(value.name, value.name, number, list(_deprecated(value.GetOptions())), comment)


def page_of(file: FileDescriptor) -> str:
    """Return the page of a file that declares a service."""
    return file.name.rpartition("/")[2].replace(".proto", ".html")


def example_command(method: MethodDescriptor, comments: Mapping[str, str]) -> str:
    """Return a grpcurl command that calls an RPC. The reader sets `$API` and `$TOKEN`."""
    made = example(method.input_type, comments, noun_of(method.containing_service))
    body = json.dumps(made, indent=2) if made else "{}"
    service = method.containing_service.full_name
    return f"grpcurl -plaintext -H \"authorization: Bearer $TOKEN\" -d '{body}' $API {service}/{method.name}"


def _links(contract: Contract, shared: str) -> Iterator[tuple[str, str]]:
    """Yield each name of the contract that a page describes, and the link to it."""
    for file in contract.files:
        page = page_of(file) if file.services_by_name else shared
        for service in file.services_by_name.values():
            yield service.name, page
            yield from ((method.name, f"{page}#{method.name}") for method in service.methods)
        for enum in file.enum_types_by_name.values():
            yield enum.name, f"{page}#{enum.name}"
            yield from ((value.name, f"{page}#{value.name}") for value in enum.values)
        if file.services_by_name:
            yield from ((name, f"{page}#{name}") for name in file.message_types_by_name)


def _full_name(value: EnumValueDescriptor) -> str:
    return f"{value.type.full_name}.{value.name}"


def _first_sentence(comment: str) -> str:
    paragraph = " ".join(comment.split("\n\n", maxsplit=1)[0].split())
    return re.split(r"(?<=\.)\s+(?=[A-Z`])", paragraph)[0]


def _deprecated(options: Any) -> list[str]:  # noqa: ANN401 - the options of methods, fields and values share no type
    return ["deprecated"] if options.deprecated else []
