"""Valid records made into what a broken or hostile sender might send."""

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from stream_app.codec.limits import LARGEST_VALUE
from stream_app.codec.telemetry import Record

Json = Any

EXTREMES: tuple[Json, ...] = (
    *(0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**40),
    *(0.1, -0.0, 1e-320, 1e17, 1.7976931348623157e308, float("nan"), float("inf")),
    *(1_700_000_000, 1_700_000_000_000_000, 1 << 35, (1 << 42) - 1, 100_000_000.1),
    *(None, True, False, "", "1", "NaN", "\0", "\u202e", "é" * 300, [], {}, [[]], {"": {}}),
)
FIELDS = ("kind", "v", "t", "dc_power_w", "site", "block", "zone", "inputs", "rules", "x", "")
KINDS = ("power", "heartbeat", "end_of_data", "topology", "cells", "", "POWER")
NONSENSE = (None, b"", b"null", b"{}", b"[" * 5000, b'{"x":' * 5000)
NUMBERS = (b"1e999", b"-1e999", b"NaN", b"Infinity", b"0x1", b"01", b"1_0", b"9" * 400, b"\xd9\xa1")
KEYS: tuple[bytes | None, ...] = (None, b"", b"/", b"\xff\xfe", b"fuzz", b"fuzz/\n", b"k" * 2000)
HUGE = 2e-4
"""Part of the records that are padded beyond the limit; each costs megabytes."""


class Mutator:
    """Changes records; the same seed changes them alike."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._bytes: tuple[Callable[[bytes], bytes], ...] = (
            *(self._flip, self._truncate, self._delete, self._repeat, self._insert, self._splice),
            *(self._number_text, self._doubled_key),
        )
        self._last = b"{}"

    def __call__(self, record: Record) -> Record:
        """Another record than the given one."""
        found = record
        while found == record:
            found = self._change(*record)
        self._last = record[1] or b"{}"
        return found

    def _change(self, key: bytes | None, value: bytes | None) -> Record:
        dice = self._random.random()
        if dice < HUGE:
            return key, (value or b"") + b" " * LARGEST_VALUE
        if dice < 0.03:
            return self._random.choice((*KEYS, self._random.randbytes(6))), value
        if dice < 0.04:
            return key, self._random.choice(NONSENSE)
        if dice < 0.45:
            return key, self._random.choice(self._bytes)(value or b"")
        return key, self._json(value or b"{}")

    def _place(self, value: bytes) -> int:
        return self._random.randrange(len(value) + 1)

    def _flip(self, value: bytes) -> bytes:
        changed = bytearray(value)
        for _ in range(self._random.randint(1, 4)):
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    def _truncate(self, value: bytes) -> bytes:
        return value[: self._place(value)]

    def _delete(self, value: bytes) -> bytes:
        first = self._place(value)
        return value[:first] + value[first + self._random.randint(1, 9) :]

    def _repeat(self, value: bytes) -> bytes:
        first = self._place(value)
        return value[: first + self._random.randint(1, 40)] + value[first:]

    def _insert(self, value: bytes) -> bytes:
        first = self._place(value)
        return value[:first] + self._random.randbytes(self._random.randint(1, 5)) + value[first:]

    def _splice(self, value: bytes) -> bytes:
        return value[: self._place(value)] + self._last[self._place(self._last) :]

    def _number_text(self, value: bytes) -> bytes:
        """Put text for a number that a JSON library would not write."""
        places = [at for at, byte in enumerate(value) if chr(byte).isdigit()]
        if not places:
            return b""
        at = self._random.choice(places)
        return value[:at] + self._random.choice(NUMBERS) + value[at + 1 :]

    def _doubled_key(self, value: bytes) -> bytes:
        name = json.dumps(self._random.choice(FIELDS)).encode()
        member = name + b":" + json.dumps(self._value()).encode()
        return value.replace(b"{", b"{" + member + b",", 1)

    def _value(self) -> Json:
        return deepcopy(self._random.choice((*EXTREMES, self._random.choice(KINDS))))

    def _json(self, value: bytes) -> bytes:
        tree = json.loads(value)
        if self._random.random() < 0.4:
            return json.dumps(self._moved(tree)).encode()
        for _ in range(self._random.randint(1, 2)):
            self._alter(tree)
        return json.dumps(tree).encode()

    def _moved(self, tree: Json) -> Json:
        """Other numbers that may well be believed."""
        numbers = [(node, at) for node, at in _places(tree) if type(node[at]) in (int, float)]
        for node, at in self._random.choices(numbers, k=self._random.randint(1, 3)):
            shift = self._random.choice((1, -1, 60_000, -7_200_000, 86_400_000, 40 * 86_400_000))
            node[at] = -node[at] if type(node[at]) is float else node[at] + shift
        return tree

    def _alter(self, tree: Json) -> None:
        """Change one place of the tree."""
        node, place = self._random.choice(list(_places(tree)) or [({}, "")])
        how = self._random.randrange(6)
        if how == 0:
            del node[place]
        elif how == 1 and isinstance(node, dict):
            node[self._random.choice(FIELDS)] = self._value()
        elif how == 2 and isinstance(node[place], list):
            node[place] = node[place] * self._random.randrange(4) + [self._value()]
        elif how == 3:
            node[place] = self._nested(node[place])
        elif how == 4 and isinstance(node[place], int | float):
            node[place] = node[place] * self._random.choice((-1, 1000, 0.001, 1.0000001))
        else:
            node[place] = self._value()

    def _nested(self, value: Json) -> Json:
        for _ in range(self._random.choice((1, 2, 60))):
            value = self._random.choice(([value], {"x": value}))
        return value


def _places(tree: Json) -> "list[tuple[Any, Any]]":
    """Every (container, key or index) below the top."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        inner = node.items() if isinstance(node, dict) else enumerate(node)
        for place, value in list(inner):
            found.append((node, place))
            if isinstance(value, dict | list):
                waiting.append(value)
    return found
