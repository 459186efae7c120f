from aiokafka.producer.producer import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from stream_app.engine.table import state_key
from stream_app.keys import part
from stream_app.upkeep.repartition import digest, rekey

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/").filter(str.isprintable),
    min_size=1,
    max_size=12,
)
KEYS = st.builds("{}{}/{}".format, NAMES, st.sampled_from(["", "/battery", "/meter"]), NAMES).map(
    str.encode
)
"""Of telemetry, which can all be read."""
PARTS = st.lists(NAMES, max_size=3).map(lambda names: part(*names))
STATES = st.dictionaries(
    KEYS.map(lambda key: state_key("energy", key)), st.binary(max_size=40), max_size=20
)
COUNTS = st.integers(1, 256)


@given(KEYS, PARTS, COUNTS)
def test_each_part_of_a_state_goes_where_its_telemetry_goes(
    key: bytes, ending: bytes, count: int
) -> None:
    everywhere = list(range(count))
    home = DefaultPartitioner()(key, everywhere, everywhere)
    held = {state_key("energy", key + ending): b"x"}

    assert rekey(held, count) == {number: held if number == home else {} for number in everywhere}


@given(STATES, COUNTS)
def test_every_state_is_in_one_new_partition(states: dict[bytes, bytes], count: int) -> None:
    parts = rekey(states, count)

    together = [pair for part in parts.values() for pair in part.items()]
    assert sorted(parts) == list(range(count))
    assert len(together) == len(states)
    assert dict(together) == states


@given(STATES, st.randoms())
def test_the_digest_knows_no_order_but_every_byte(
    states: dict[bytes, bytes], random: object
) -> None:
    shuffled = list(states.items())
    random.shuffle(shuffled)

    assert digest(dict(shuffled)) == digest(states)
    for key, value in states.items():
        assert digest({**states, key: value + b"x"}) != digest(states)
