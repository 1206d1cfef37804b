"""Who may do what in Kafka: SCRAM users and their rights, set over Kafka's own protocol by a super user.

``set_user`` makes a user or gives it another password; ``set_rights`` makes a user's rights exactly those that are
named; ``end_user`` takes both. A password crosses as salted PBKDF2 (RFC 5802), inside TLS, and is nowhere in a text.
aiokafka has no request for SCRAM users; the two that are needed stand here, in their first versions (KIP-554).
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields

from shared.log.kafka.access import Access
from shared.log.kafka.topics import KafkaUnavailable, connected, reason

ITERATIONS: Final = 8192
SALT_BYTES: Final = 24
_SHA_512: Final = 2
_NOT_THERE: Final = 91
"""RESOURCE_NOT_FOUND: the user has no credentials."""


class Operation(IntEnum):
    """What may be done, by Kafka's numbers. READ and WRITE let one DESCRIBE too."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10


class Resource(IntEnum):
    TOPIC = 2
    GROUP = 3


class Right(NamedTuple):
    """An allowance. ``is_prefix``: for every name that begins so."""

    resource: Resource
    name: str
    operation: Operation
    is_prefix: bool = False


_ANY, _LITERAL, _PREFIXED, _ALLOW = 1, 3, 4, 3


class _AlterResponse(Response):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields))),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Alter(Request[_AlterStruct]):  # type: ignore[misc]
    """AlterUserScramCredentials."""

    API_KEY = 51

    def __init__(self, deletions: list[Any], upsertions: list[Any]) -> None:
        self._values: tuple[Any, ...] = (deletions, upsertions, {})

    def build(self, struct: type[_AlterStruct]) -> _AlterStruct:
        return struct(*self._values)


class _DescribeResponse(Response):  # type: ignore[misc]
    API_KEY = 50
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", CompactString("utf-8")),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("infos", CompactArray(("mechanism", Int8), ("iterations", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 50
    API_VERSION = 0
    RESPONSE_TYPE = _DescribeResponse
    SCHEMA = Schema(
        ("users", CompactArray(("name", CompactString("utf-8")), ("tags", TaggedFields))), ("tags", TaggedFields)
    )


class _Describe(Request[_DescribeStruct]):  # type: ignore[misc]
    """DescribeUserScramCredentials, of all users."""

    API_KEY = 50

    def build(self, struct: type[_DescribeStruct]) -> _DescribeStruct:
        return struct(None, {})


async def users(access: Access) -> frozenset[str]:
    """Names of all users with a password. Raises KafkaUnavailable."""
    async with connected(access) as admin:
        answer = await _send(admin, _Describe())
        if answer.error_code:
            raise KafkaUnavailable(f"Kafka's users: {reason(answer.error_code, answer.error_message)}")
        return frozenset(result[0] for result in answer.results)


async def set_users(access: Access, passwords: Mapping[str, str]) -> None:
    """Make these users, or give them these passwords. Raises KafkaUnavailable."""
    upsertions: list[Any] = []
    for name, password in passwords.items():
        salt = os.urandom(SALT_BYTES)
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
        upsertions.append((name, _SHA_512, ITERATIONS, salt, salted, {}))
    if upsertions:
        async with connected(access) as admin:
            _told(await _send(admin, _Alter([], upsertions)))


async def end_user(access: Access, name: str) -> None:
    """Take a user's rights and password; what is connected may do nothing from here on. Raises KafkaUnavailable."""
    await set_rights(access, {name: ()})
    async with connected(access) as admin:
        _told(await _send(admin, _Alter([(name, _SHA_512, {})], [])), but=_NOT_THERE)


async def rights(access: Access, name: str) -> frozenset[Right]:
    """What a user may do. Raises KafkaUnavailable."""
    async with connected(access) as admin:
        return await _rights(admin, name)


async def set_rights(access: Access, wanted: Mapping[str, Iterable[Right]]) -> None:
    """Make each user's rights exactly these: what is missing is allowed first, then what is too much is taken."""
    async with connected(access) as admin:
        for name, given in wanted.items():
            has, should = await _rights(admin, name), frozenset(given)
            for right in sorted(should - has):
                answer = await _send(admin, CreateAclsRequest(*_entry(right, name)))
                for code, words in answer.creation_responses:
                    _refused(f"the rights of {name}", code, words)
            for right in sorted(has - should):
                answer = await _send(admin, DeleteAclsRequest(*_entry(right, name)))
                for code, words, _ in answer.filter_responses:
                    _refused(f"the rights of {name}", code, words)


async def _rights(admin: AIOKafkaAdminClient, name: str) -> frozenset[Right]:
    answer = await _send(admin, DescribeAclsRequest(_ANY, None, _ANY, f"User:{name}", None, _ANY, _ALLOW))
    _refused(f"the rights of {name}", answer.error_code, answer.error_message)
    return frozenset(
        Right(Resource(kind), of, Operation(operation), pattern == _PREFIXED)
        for kind, of, pattern, entries in answer.resources
        for _, _, operation, _ in entries
        if kind in set(Resource) and operation in set(Operation)
    )


def _entry(right: Right, name: str) -> tuple[int, str, int, str, str, int, int]:
    pattern = _PREFIXED if right.is_prefix else _LITERAL
    return right.resource, right.name, pattern, f"User:{name}", "*", right.operation, _ALLOW


async def _send(admin: AIOKafkaAdminClient, request: Any) -> Any:
    return await admin._send_request(request)


def _told(answer: Any, but: int = 0) -> None:
    for name, code, words, _ in answer.results:
        if code != but:
            _refused(f"the user {name}", code, words)


def _refused(what: str, code: int, words: str | None) -> None:
    if code:
        raise KafkaUnavailable(f"{what}: {reason(code, words)}")
