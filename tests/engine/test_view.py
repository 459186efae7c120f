"""The view of the states in Redis: moved by compare-and-set, sealed, never half read."""

import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from stream_app.engine.position import Position
from stream_app.engine.view import (
    DamagedViewError,
    FencedError,
    RedisView,
    StaleViewError,
    seal,
    unseal,
)

FIRST = Position(10, {"telemetry": 100})
SECOND = Position(20, {"telemetry": 200}, letters=7, marks={"telemetry": (199, 5)})
STATES = {b"a": b"1", b"b": b"2"}


@given(st.binary(max_size=30), st.binary(max_size=60))
def test_a_sealed_value_comes_back(key: bytes, value: bytes) -> None:
    assert unseal(key, seal(key, value)) == value


@given(st.binary(max_size=9), st.binary(min_size=1, max_size=20), st.data())
def test_a_flipped_bit_or_another_key_breaks_the_seal(
    key: bytes, value: bytes, data: st.DataObject
) -> None:
    sealed = bytearray(seal(key, value))
    place, bit = data.draw(st.integers(0, len(sealed) - 1)), data.draw(st.integers(0, 7))
    sealed[place] ^= 1 << bit

    with pytest.raises(DamagedViewError):
        unseal(key, bytes(sealed))
    with pytest.raises(DamagedViewError):
        unseal(key + b"x", seal(key, value))


@pytest.fixture
async def view(redis_url: str, prefix: str) -> AsyncIterator[RedisView]:
    async with Redis.from_url(redis_url) as redis:
        yield RedisView(redis, prefix)


@pytest.mark.kafka
async def test_the_view_moves_from_where_the_writer_believes_it_is(view: RedisView) -> None:
    await view.swap(0, None, FIRST, STATES, 2)
    await view.swap(0, 10, SECOND, {b"b": b"3"}, 2)

    assert await view.read(0) == (SECOND, {b"a": b"1", b"b": b"3"})


@pytest.mark.kafka
async def test_a_move_may_be_repeated_when_its_answer_was_lost(view: RedisView) -> None:
    await view.swap(0, None, FIRST, STATES, 2)
    await view.swap(0, None, FIRST, STATES, 2)

    assert await view.read(0) == (FIRST, STATES)


@pytest.mark.kafka
async def test_a_writer_that_believes_wrongly_changes_nothing(view: RedisView) -> None:
    await view.swap(0, None, SECOND, STATES, 2)

    with pytest.raises(StaleViewError) as error:
        await view.swap(0, 5, FIRST, {b"a": b"9"}, 2)

    assert error.value.shown == 20
    assert await view.read(0) == (SECOND, STATES)


@pytest.mark.kafka
async def test_an_earlier_owner_changes_nothing(view: RedisView) -> None:
    await view.swap(0, None, Position(10, {}, epoch=2), STATES, 2)

    with pytest.raises(FencedError):
        await view.swap(0, 10, Position(30, {}, epoch=1), {b"a": b"9"}, 2, whole=True)

    assert await view.read(0) == (Position(10, {}, epoch=2), STATES)


@pytest.mark.kafka
async def test_a_whole_write_leaves_nothing_of_what_was_there(view: RedisView) -> None:
    await view.swap(0, None, FIRST, {b"old": b"1", **STATES}, 3)

    await view.swap(0, 10, SECOND, STATES, 2, whole=True)

    assert await view.read(0) == (SECOND, STATES)


@pytest.mark.kafka
async def test_a_missing_state_is_noticed(view: RedisView) -> None:
    await view.swap(0, None, FIRST, STATES, 2)
    await view.redis.hdel(view.states_key(0), "a")

    with pytest.raises(DamagedViewError, match="1 states in Redis, not 2"):
        await view.read(0)


@pytest.mark.kafka
@pytest.mark.parametrize("lost", [["a"], ["a", "b"]])
async def test_a_view_that_lost_states_does_not_move_on(view: RedisView, lost: list[str]) -> None:
    await view.swap(0, None, FIRST, STATES, 2)
    await view.redis.hdel(view.states_key(0), *lost)

    with pytest.raises(DamagedViewError, match="lost states"):
        await view.swap(0, 10, SECOND, {b"a": b"3"}, 2)
    with pytest.raises(DamagedViewError):
        await view.read(0)
    await view.swap(0, 10, SECOND, STATES, 2, whole=True)

    assert await view.read(0) == (SECOND, STATES)


@pytest.mark.kafka
async def test_a_position_that_was_changed_is_noticed(view: RedisView) -> None:
    await view.swap(0, None, FIRST, STATES, 2)
    await view.redis.hset(view.position_key(0), "position", b"xxxx{}")

    with pytest.raises(DamagedViewError):
        await view.read(0)


@pytest.mark.kafka
async def test_more_states_than_one_slice_are_written(view: RedisView) -> None:
    many = {str(number).encode(): b"x" for number in range(2500)}

    await view.swap(0, None, FIRST, many, 2500)

    assert await view.states(0) == many


@pytest.fixture(params=["states", "position"])
async def taken(view: RedisView, request: pytest.FixtureRequest) -> str:
    """A key of a partition in whose place another program has put one of another type."""
    await view.swap(0, None, FIRST, STATES, 2)
    key = {"states": view.states_key, "position": view.position_key}[request.param](0)
    await view.redis.set(key, "haha")
    return key


@pytest.mark.kafka
async def test_a_key_of_another_type_is_damage_and_is_named(view: RedisView, taken: str) -> None:
    for look in (view.read(0), view.some(0, [b"a"])):
        with pytest.raises(DamagedViewError, match=f"^{re.escape(taken)} in Redis is of another"):
            await look


@pytest.mark.kafka
async def test_states_of_another_type_have_no_keys_and_leave_the_position(view: RedisView) -> None:
    await view.swap(0, None, FIRST, STATES, 2)
    await view.redis.set(view.states_key(0), "haha")

    with pytest.raises(DamagedViewError, match="another type"):
        await view.keys(0)
    assert (await view.position(0)).changelog == 10


@pytest.mark.kafka
async def test_a_position_of_another_type_is_none(view: RedisView) -> None:
    await view.swap(0, None, FIRST, STATES, 2)
    await view.redis.set(view.position_key(0), "haha")

    assert await view.position(0) == Position()


@pytest.mark.kafka
async def test_a_writer_is_told_that_a_key_of_another_type_was_in_the_place_of_its_own(
    view: RedisView, taken: str
) -> None:
    lost = DamagedViewError if taken == view.states_key(0) else StaleViewError

    with pytest.raises(lost):
        await view.swap(0, 10, SECOND, {b"b": b"3"}, 2)


@pytest.mark.kafka
async def test_a_whole_write_and_clearing_need_no_key_of_the_right_type(
    view: RedisView, taken: str
) -> None:
    shown = (await view.position(0)).changelog

    await view.swap(0, shown, SECOND, STATES, 2, whole=True)

    assert await view.read(0) == (SECOND, STATES)
    await view.redis.set(taken, "haha")
    await view.clear(0)
    assert await view.read(0) == (Position(), {})


@pytest.mark.kafka
async def test_a_first_write_needs_no_free_place(view: RedisView) -> None:
    await view.redis.set(view.states_key(0), "haha")
    await view.redis.lpush(view.position_key(0), "haha")

    await view.swap(0, None, FIRST, STATES, 2)

    assert await view.read(0) == (FIRST, STATES)
