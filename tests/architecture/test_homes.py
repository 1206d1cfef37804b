"""Each library has one home, the core imports a short list, and coils are written in one place."""

import ast

import services
import shared
from tests.architecture.source import ROOT, calls, imports, modules, nodes

HOMES: dict[str, tuple[str, ...]] = {
    "aiokafka": ("shared/log/kafka/",),
    "aiosmtplib": ("services/notifier/email.py",),
    "amqtt": ("shared/bus/",),
    "asyncpg": ("shared/runtime/postgres.py", "services/history/", "services/notifier/", "services/fleet/"),
    "cryptography": ("services/site/backup/sealing.py", "shared/wire/signing.py", "services/fleet/"),
    "duckdb": ("services/history/parquet.py",),
    "faust": ("services/processor/app.py", "services/processor/fetching.py", "services/processor/kpi.py"),
    "fastapi": ("services/gateway/",),
    "httpx": ("services/site/", "services/gateway/", "services/notifier/reach.py"),
    "msgspec": ("shared/wire/", "services/gateway/", "services/guard/", "services/notifier/", "services/site/"),
    "numpy": (
        "shared/domain/columns.py",
        "shared/devices/columns.py",
        "shared/wire/frame_runs.py",
        "services/history/",
    ),
    "opentelemetry": ("shared/runtime/tracing.py",),
    "orjson": ("shared/wire/", "services/gateway/", "services/site/"),
    "paho": ("shared/bus/",),
    "prometheus_client": ("shared/runtime/metrics.py", "services/gateway/"),
    "pydantic": ("shared/runtime/", "services/gateway/", "services/plantsim/"),
    "pymodbus": ("shared/fieldbus/", "services/plantsim/"),
    "rich": ("services/site/",),
    "ruamel": ("shared/runtime/",),
    "serial": ("shared/fieldbus/", "services/plantsim/"),
    "sqlite3": ("shared/log/", "services/history/", "services/notifier/", "services/site/"),
    "starlette": ("services/gateway/",),
    "structlog": ("shared/runtime/",),
    "typer": ("services/site/command/",),
    "uvicorn": ("services/gateway/", "services/site/"),
    "yaml": (),
    "zstandard": ("shared/wire/sections.py",),
}
"""Where a library may be imported; tests may import all of them."""

CORE_MAY_IMPORT = {
    "__future__", "bisect", "collections", "dataclasses", "enum", "fractions", "functools", "hashlib", "heapq",
    "itertools", "json", "math", "operator", "re", "struct", "typing", "shared",
}  # fmt: skip
"""What shared/domain may use of the standard library (json for the text of a Resync's state)."""


def test_a_library_is_imported_only_in_its_home() -> None:
    """A second home for a library means a second place to mend when it changes."""
    found = [
        f"{name}:{line} imports {module}; its home is {', '.join(HOMES[top]) or 'nowhere yet'}"
        for name, tree in modules("shared", "services")
        for line, module in imports(tree)
        if (top := module.partition(".")[0]) in HOMES and not name.startswith(HOMES[top] or ("-",))
    ]
    assert not found, "\n".join(found)


def test_the_core_imports_only_its_allow_list() -> None:
    """No clock, no I/O and no chance can enter the core when it cannot import them."""
    found = [
        f"{name}:{line} imports {module}"
        for name, tree in modules("shared/domain")
        for line, module in imports(tree)
        if module.partition(".")[0] not in CORE_MAY_IMPORT
        and not (module.partition(".")[0] == "numpy" and name == "shared/domain/columns.py")
    ]
    assert not found, "\n".join(found)


def test_the_trip_imports_no_numpy_even_through_others() -> None:
    """guard starts in a short time and with a short import list: the trip and what it imports are plain Python."""
    trees = dict(modules("shared/domain"))
    seen, todo = set[str](), ["shared/domain/trip.py"]
    while todo:
        name = todo.pop()
        if name in seen or name not in trees:
            continue
        seen.add(name)
        for line, module in imports(trees[name]):
            assert not module.startswith("numpy"), f"{name}:{line} imports {module}"
            todo.append(module.replace(".", "/") + ".py")
    assert "shared/domain/trip.py" in seen


def test_only_the_actuator_writes_a_coil() -> None:
    """One holder of a write to a coil: services/actuator, over the field bus's own adapters."""
    may = ("services/actuator/", "shared/fieldbus/")
    found = [
        f"{name}:{line} calls {call}; demand it from services.actuator instead"
        for name, tree in modules("shared", "services")
        for line, call in calls(tree)
        if call.rpartition(".")[2] in {"write_coil", "write_coils"} and not name.startswith(may)
    ]
    assert not found, "\n".join(found)


def test_only_the_actuator_is_handed_a_writer() -> None:
    """The Writer half of a line is a type of its own, so that a collector cannot even name it."""
    may = ("services/actuator/", "services/guard/", "shared/fieldbus/")
    found = [
        f"{name}:{node.lineno} names Writer"
        for name, tree in modules("shared", "services")
        for node in nodes(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "shared.fieldbus.port"
        and any(alias.name == "Writer" for alias in node.names)
        and not name.startswith(may)
    ]
    assert not found, "\n".join(found)


def test_the_shared_package_is_ours() -> None:
    """`shared` and `services` are common names: what is imported is this repository's."""
    assert [*shared.__path__] == [str(ROOT / "shared")]
    assert [*services.__path__] == [str(ROOT / "services")]
