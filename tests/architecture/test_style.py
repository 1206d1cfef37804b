"""The ban list: what may not be written, and what to write instead."""

import ast
from collections.abc import Iterator

from tests.architecture.source import ROOMS, ROOT, calls, dotted, files, imports, modules, name_of, nodes, text_of

LINES_MAX = 450
FUNCTION_LINES_MAX = 70

_CLOCKS = (
    "datetime.now",
    "datetime.utcnow",
    "time.time",
    "time.monotonic",
    "time.perf_counter",
    "monotonic",
    "perf_counter",
    "time_ns",
)
_PURE = ("shared/domain/", "shared/devices/", "shared/wire/")
_PRODUCT = ("shared/", "services/")
_TALKERS = ("services/site/command/", "services/plantsim/", "services/site/view")
BANNED_CALLS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], str], ...] = (
    (_PURE, (), _CLOCKS, "take the time as a value: tick_ms, at_ms, mono_ms"),
    (_PURE, (), ("random.", "uuid", "secrets.", "urandom"), "take ids as values, derived by shared.domain.ids"),
    (("shared/domain/",), (), ("float",), "integers scaled by shared.domain.units"),
    (_PRODUCT, _TALKERS, ("print",), "structlog, or typer.echo in a command"),
    (_PRODUCT, ("shared/runtime/", "services/site/"), ("os.getenv", "os.environ.get"), "settings, as values"),
    (
        _PRODUCT,
        (),
        ("os.system", "eval", "exec", "pickle.loads", "yaml.load"),
        "subprocess with a list, a codec of wire",
    ),
    (
        ("tests/",),
        ("tests/testkit/kernel.py",),
        ("pytest.skip", "pytest.importorskip", "pytest.xfail"),
        "testkit.kernel.need, for kernel features only",
    ),
)
"""(where, except in, what, write instead)."""


def _banned(name: str, call: str) -> str:
    for where, but, what, instead in BANNED_CALLS:
        inside = name.startswith(where) and not name.startswith(but or ("-",))
        for banned in what if inside else ():
            if call == banned or call.endswith("." + banned) or (banned[-1] == "." and call.startswith(banned)):
                return instead
            if banned == "uuid" and "uuid" in call:
                return instead
    return ""


def test_no_banned_call_is_made() -> None:
    """Each banned call has a better one, which the failure names."""
    found = [
        f"{name}:{line} calls {call}; instead: {instead}"
        for name, tree in modules()
        for line, call in calls(tree)
        if (instead := _banned(name, call))
    ]
    assert not found, "\n".join(found)


def test_the_core_has_no_floats() -> None:
    """Decisions are made on integers: no float literal and no true division in shared/domain."""
    found = [
        f"{name}:{node.lineno} {ast.unparse(node)[:60]}; instead: round_div of shared.domain.units"
        for name, tree in modules("shared/domain")
        for node in nodes(tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
    ]
    assert not found, "\n".join(found)


def test_no_handler_swallows_everything() -> None:
    """A broad except that does nothing hides the fault that mattered."""

    def is_silent(handler: ast.ExceptHandler) -> bool:
        broad = handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"}
        return broad and all(isinstance(statement, ast.Pass | ast.Continue) for statement in handler.body)

    found = [
        f"{name}:{node.lineno}; instead: name the error, or log it with its reason"
        for name, tree in modules()
        for node in nodes(tree)
        if isinstance(node, ast.ExceptHandler) and is_silent(node)
    ]
    assert not found, "\n".join(found)


def test_no_async_function_blocks_its_loop() -> None:
    """time.sleep in a coroutine stops every bus of the process; asyncio.sleep does not."""

    def blocking(tree: ast.Module) -> Iterator[int]:
        for node in nodes(tree):
            if isinstance(node, ast.AsyncFunctionDef):
                yield from (
                    c.lineno
                    for c in ast.walk(node)
                    if isinstance(c, ast.Call) and ast.unparse(c.func) in {"time.sleep", "subprocess.run"}
                )

    found = [f"{name}:{line}" for name, tree in modules("shared", "services") for line in blocking(tree)]
    assert not found, "\n".join(found)


def test_no_cancellation_is_lost_in_a_wait() -> None:
    """Python 3.11's wait_for forgets a cancellation that comes with the answer: a task that was told to end goes on."""
    found = [
        f"{name}:{node.lineno}; instead: async with asyncio.timeout(seconds)"
        for name, tree in modules("shared", "services")
        for node in nodes(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.wait_for"
    ]
    assert not found, "\n".join(found)


def test_domain_data_is_frozen_and_slotted() -> None:
    """What crosses a boundary cannot be changed by the one who receives it; only the core's state may, by its owner."""
    found = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in modules("shared/domain", "shared/devices", "shared/fieldbus/port.py", "shared/log")
        for node in nodes(tree)
        if isinstance(node, ast.ClassDef) and name != "shared/domain/state.py"
        for decorator in map(ast.unparse, node.decorator_list)
        if decorator.startswith("dataclass") and not ("frozen=True" in decorator and "slots=True" in decorator)
    ]
    assert not found, "\n".join(found)


def test_every_module_says_what_it_is() -> None:
    """A module opens with what it is, what it promises and what it refuses."""
    found = [name for name, tree in modules("shared", "services") if tree.body and not ast.get_docstring(tree)]
    assert not found, "\n".join(found)


def _called(node: ast.AST) -> set[str]:
    """Last names of everything that is called inside."""
    calls = (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return {dotted(call.func).rpartition(".")[2] for call in calls}


def _asserting() -> set[str]:
    """Names of the tests' functions that can fail a test: by an assertion, or by calling one that has one."""
    functions = [
        (node, _called(node))
        for _, tree in modules("tests")
        for node in nodes(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    names = {"raises", "check_call"}
    names |= {f.name for f, _ in functions if any(isinstance(inner, ast.Assert) for inner in ast.walk(f))}
    for _ in range(3):
        names |= {f.name for f, called in functions if called & names}
    return names


def test_every_test_says_in_a_sentence_what_holds() -> None:
    """A test's docstring is one sentence, and the test asserts something."""
    asserting = _asserting()
    found = []
    for name, tree in modules("tests"):
        for node in nodes(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                sentence = (ast.get_docstring(node) or "").strip()
                if not sentence or sentence[-1] not in ".:!?)":
                    found.append(f"{name}:{node.lineno} {node.name}: no sentence")
                if node.name not in asserting:
                    found.append(f"{name}:{node.lineno} {node.name}: asserts nothing")
    assert not found, "\n".join(found)


def test_modules_and_functions_fit_a_reader() -> None:
    """A module has at most 450 lines, a function at most 70."""
    sizes = [(name_of(path), text_of(path).count("\n")) for path in files(*ROOMS, suffix=".py")]
    found = [f"{name}: {lines} lines" for name, lines in sizes if lines > LINES_MAX]
    found += [
        f"{name}:{node.lineno} {node.name}: {length} lines"
        for name, tree in modules()
        for node in nodes(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not found, "\n".join(found)


def test_every_tests_folder_is_a_package() -> None:
    """Tests are packages, so that two files of the same name do not clash."""
    folders = {path.parent for path in files("tests", suffix=".py")}
    assert not [name_of(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()]


def test_no_time_is_asserted_in_tests() -> None:
    """Timings are measured by `make bench`, never asserted: a busy machine is not a fault."""
    clocks = ("perf_counter()", "time.time()", "monotonic() -")
    found = [
        f"{name}:{node.lineno} {ast.unparse(node)[:80]}"
        for name, tree in modules("tests")
        if not name.startswith(("tests/bench/", "tests/soak/"))
        for node in nodes(tree)
        if isinstance(node, ast.Assert) and any(clock in ast.unparse(node.test) for clock in clocks)
    ]
    assert not found, "\n".join(found)


def test_guard_imports_nothing_heavy_at_its_top() -> None:
    """The import list of guard is short: what it needs to trip, and no more."""
    heavy = {"numpy", "sqlite3", "fastapi", "uvicorn", "paho", "ruamel", "pydantic", "typer", "rich", "httpx"}
    found = [
        f"{name}:{line} imports {module}"
        for name, tree in modules("services/guard", "services/actuator", "services/collector")
        for line, module in imports(tree)
        if module.partition(".")[0] in heavy
    ]
    assert not found, "\n".join(found)
    assert (ROOT / "services" / "guard").is_dir()
