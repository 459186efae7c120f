"""Which room of the tree may know which."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("stream_app", "replay", "schemas", "deploy")
LONGEST_MODULE = 400

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
PURE = (
    "stream_app.core",
    "stream_app.codec",
    "stream_app.pipeline",
    "stream_app.keys",
    "stream_app.families",
    "schemas",
)

MAY_IMPORT = {
    "stream_app.core": ("numpy", "stream_app.core"),
    "stream_app.pipeline": ("numpy", "stream_app.core"),
    "stream_app.codec": (
        "numpy",
        "msgspec",
        "schemas",
        "stream_app.core",
        "stream_app.codec",
        "stream_app.pipeline",
        "stream_app.keys",
    ),
    "stream_app.keys": (),
    "stream_app.families": (
        "schemas",
        "stream_app.core",
        "stream_app.codec",
        "stream_app.pipeline",
        "stream_app.keys",
    ),
}
MAY_NOT_IMPORT = {
    "stream_app.engine": (
        "schemas",
        "replay",
        "stream_app.core",
        "stream_app.codec",
        "stream_app.pipeline",
        "stream_app.families",
        "stream_app.app",
        "stream_app.cli",
        "stream_app.settings",
    ),
    "replay": (
        "stream_app.engine",
        "stream_app.app",
        "stream_app.cli",
        "stream_app.settings",
        "stream_app.pipeline",
        "stream_app.worker",
        "faust",
    ),
    "schemas": ("faust", "aiokafka", "redis", "replay", "stream_app.engine", "stream_app.app"),
    "stream_app.core.charge": ("stream_app.core.cells", "stream_app.core.health"),
    "stream_app.core.cells": ("stream_app.core.health",),
}
BANNED_CALLS = {
    "time.time",
    "time.monotonic",
    "time.sleep",
    "datetime.now",
    "datetime.utcnow",
    "datetime.datetime.now",
    "date.today",
    "os.getenv",
    "print",
    "open",
    "input",
    "np.random.default_rng",
    "random.random",
    "uuid.uuid4",
}
COMMANDS = ("schemas.asyncapi",)
"""Modules of the pure rooms that are also commands: these may talk and write."""


def inside(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_room(*rooms: str) -> list[str]:
    found = [module for module in MODULES if inside(module, *rooms)]
    assert found, f"no module in {rooms}"
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_pure_room_knows_the_standard_library_and_little_else(room: str) -> None:
    for module in of_room(room):
        for name in imports(MODULES[module]):
            known = name.split(".")[0] in sys.stdlib_module_names
            assert known or inside(name, *MAY_IMPORT[room]), f"{module} imports {name}"


@pytest.mark.parametrize("room", MAY_NOT_IMPORT)
def test_a_room_does_not_know_another(room: str) -> None:
    for module in of_room(room):
        for name in imports(MODULES[module]):
            assert not inside(name, *MAY_NOT_IMPORT[room]), f"{module} imports {name}"


def test_core_does_no_input_or_output_and_starts_nothing() -> None:
    banned = ("asyncio", "threading", "socket", "logging", "os", "subprocess", "pathlib", "random")
    for module in of_room("stream_app.core", "stream_app.pipeline", "stream_app.codec"):
        for name in imports(MODULES[module]):
            assert not inside(name, *banned), f"{module} imports {name}"


def test_only_the_command_line_and_the_worker_know_the_app() -> None:
    knowing = {
        module
        for module, path in MODULES.items()
        if any(inside(name, "stream_app.app") for name in imports(path))
    }

    assert knowing <= {"stream_app.app", "stream_app.worker", "stream_app.health"} | {
        module for module in MODULES if inside(module, "stream_app.cli")
    }


def test_the_pure_rooms_know_no_clock_environment_or_chance() -> None:
    for module in of_room(*PURE):
        if module in COMMANDS:
            continue
        for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in BANNED_CALLS, f"{module}:{node.lineno} calls {name}"
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) != "os.environ", f"{module}:{node.lineno} reads it"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_enough_to_read(module: str) -> None:
    lines = MODULES[module].read_text(encoding="utf-8").count("\n")

    assert lines < LONGEST_MODULE
    assert not module.endswith(("utils", "helpers", "misc", "common.py"))


IMPORT_ALL = """
import asyncio, gc, importlib, json, os, socket, sys, threading
import faust, faust.app.base  # what the framework itself does on import is not ours
from faust.app.base import App
done = []
def refuse(event, args):
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.fork"):
        done.append(event)
sys.addaudithook(refuse)
before = set(os.environ.items())
loops = []
new_loop = asyncio.new_event_loop
asyncio.new_event_loop = lambda: loops.append(1) or new_loop()
threads = []
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    if threading.active_count() > 1:
        threads.append(name)
apps = [type(o).__name__ for o in gc.get_objects() if isinstance(o, App)]
print(json.dumps({
    "events": done, "threads": threads, "loops": len(loops), "apps": apps,
    "environment": sorted(str(e) for e in set(os.environ.items()) ^ before),
}))
"""


def test_importing_any_module_has_no_effect(tmp_path: Path) -> None:
    names = [module for module in MODULES if not module.endswith("__main__")]

    run = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps(names)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(run.stdout) == {
        "events": [],
        "threads": [],
        "loops": 0,
        "apps": [],
        "environment": [],
    }
    assert list(tmp_path.iterdir()) == []
