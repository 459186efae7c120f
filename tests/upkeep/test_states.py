"""Operator's commands on the states of real workers."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from schemas.topics import DAILY, STATE, TELEMETRY
from stream_app.engine.view import RedisView
from stream_app.upkeep.backup import Backup, take
from stream_app.upkeep.stores import Kept, open_stores
from tests.kafka.results import Results, expected, streamed
from tests.kafka.support import Deployment, records, station

pytestmark = pytest.mark.kafka

BLOCKS = 10
STATION = station(BLOCKS, 400)
RECORDS = records(STATION, 20)
HALF = len(RECORDS) // 2
BAD = [(b"test/0PCS1", b"no record")] * 3


@pytest.fixture
async def deployment(brokers: str, redis_url: str, prefix: str, tmp_path: Path) -> Deployment:
    return await Deployment.create(brokers, redis_url, prefix, tmp_path)


@pytest.fixture
async def view(deployment: Deployment) -> AsyncIterator[RedisView]:
    async with Redis.from_url(deployment.settings.redis_url.get_secret_value()) as redis:
        yield RedisView(redis, deployment.settings.app_id)


def done(deployment: Deployment, *command: str, **variables: str) -> str:
    """Output of a command that must succeed."""
    ended = deployment.bess(*command, **variables)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


async def fold(deployment: Deployment, part: list[tuple[bytes, bytes]], **variables: str) -> None:
    """Have a worker fold some records, and stop it."""
    with deployment.worker(**variables):
        await deployment.produce(part)
        await deployment.wait_until_done()


def once(results: Results) -> dict[str, set[bytes]]:
    """Results of readers that take a record published twice for one."""
    return {kind: set(values) for kind, values in results.items()}


async def states(view: RedisView) -> dict[int, Any]:
    return {number: await view.read(number) for number in range(4)}


def letters(found: dict[int, Any]) -> int:
    """Dead letters that the positions count."""
    return sum(position.letters for position, _ in found.values())


async def test_a_backup_brings_an_emptied_redis_back_and_workers_go_on(
    deployment: Deployment, view: RedisView, tmp_path: Path
) -> None:
    file = str(tmp_path / "states.bess")
    await fold(deployment, [*RECORDS[:HALF], *BAD])
    before = await states(view)

    told = done(deployment, "state", "export", file)
    for number in range(4):
        await view.clear(number)
    done(deployment, "state", "import", file)

    assert f"{BLOCKS} states" in told
    assert await states(view) == before
    assert letters(before) == len(BAD)
    await fold(deployment, RECORDS[HALF:])
    assert await streamed(deployment) == expected(STATION)


async def test_a_backup_beside_a_worker_may_be_older_and_workers_bring_it_up(
    deployment: Deployment, view: RedisView, tmp_path: Path
) -> None:
    file = str(tmp_path / "states.bess")
    with deployment.worker():
        await deployment.produce(RECORDS[:HALF])
        await deployment.wait_until_done()
        done(deployment, "state", "export", file)
        await deployment.produce(RECORDS[HALF:])
        await deployment.wait_until_done()
    before = await states(view)

    refused = deployment.bess("state", "import", file)
    done(deployment, "state", "import", file, "--force")
    older = await states(view)
    with deployment.worker():

        async def caught_up() -> bool:
            return {n: s[1] for n, s in (await states(view)).items()} == {
                n: s[1] for n, s in before.items()
            }

        await deployment.wait_for("applying the changelog", caught_up)

    assert refused.returncode == 2
    assert "is newer" in refused.stderr
    assert older != before
    assert await streamed(deployment) == expected(STATION)


async def test_each_partition_of_a_backup_beside_a_busy_worker_is_of_one_instant(
    deployment: Deployment, view: RedisView
) -> None:
    taken: list[Backup] = []
    with deployment.worker():
        await deployment.produce(RECORDS[:20])
        await deployment.wait_until_done()
        await deployment.produce(RECORDS[20:])
        while await deployment.committed() < len(RECORDS):
            taken.append(await take(view, 4, lambda: None))

    async with open_stores(deployment.settings) as stores:
        for copy in (copy for each in taken for copy in each.copies):
            kept = await stores.changelog(copy.number, copy.changelog)
            assert kept == Kept(copy.position, copy.states)


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
async def test_a_lost_changelog_is_written_anew_and_workers_fold_on_from_the_backup(
    deployment: Deployment,
    view: RedisView,
    tmp_path: Path,
    delivery: str,
) -> None:
    file = str(tmp_path / "states.bess")
    await fold(deployment, [*RECORDS[:HALF], *BAD], BESS_DELIVERY=delivery)
    done(deployment, "state", "export", file)
    await fold(deployment, RECORDS[HALF : HALF + 20], BESS_DELIVERY=delivery)
    await deployment.make_anew(STATE)

    refused = deployment.bess("state", "import", file, "--force")
    done(deployment, "state", "import", file, "--into-changelog")
    assert letters(await states(view)) == len(BAD)
    await fold(deployment, RECORDS[HALF + 20 :], BESS_DELIVERY=delivery)

    assert "--into-changelog" in refused.stderr
    assert once(await streamed(deployment)) == once(expected(STATION))
    assert deployment.bess("state", "scrub").returncode == 0


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
async def test_a_state_topic_made_anew_under_a_worker_takes_nothing_and_redis_is_kept(
    deployment: Deployment, view: RedisView, tmp_path: Path, delivery: str
) -> None:
    file = str(tmp_path / "states.bess")

    async def suspended() -> bool:
        return any(
            "is suspended" in log.read_text() for log in deployment.logs.glob("worker-*.log")
        )

    # A worker learns of the new topic by the group, or by its next commit, which ends it.
    with deployment.worker(BESS_DELIVERY=delivery) as worker:
        await deployment.produce(RECORDS[:HALF])
        await deployment.wait_until_done()
        before = await states(view)
        await deployment.make_anew(STATE)
        await deployment.produce(RECORDS[HALF:])

        async def ended_or_suspended() -> bool:
            return worker.poll() is not None or await suspended()

        await deployment.wait_for("an end or a suspended partition", ended_or_suspended)

    with deployment.worker(BESS_DELIVERY=delivery):
        await deployment.wait_for("a suspended partition", suspended)
    scrubbed, repaired, checked = (
        deployment.bess(*command)
        for command in (("state", "scrub"), ("state", "scrub", "--repair"), ("doctor",))
    )

    assert await states(view) == before
    assert (scrubbed.returncode, repaired.returncode, checked.returncode) == (1, 2, 1)
    assert "Redis has the only copy" in scrubbed.stdout
    assert "nothing is cleared" in repaired.stderr
    assert "--into-changelog" in checked.stdout

    exact = delivery == "exactly_once"
    # Without transactions the chunk's states are in the new topic, its outputs come once more.
    back = () if exact else ("--force",)
    done(deployment, "state", "export", file)
    done(deployment, "state", "import", file, "--into-changelog", *back)
    await fold(deployment, [], BESS_DELIVERY=delivery)
    found, wanted = await streamed(deployment), expected(STATION)
    assert found == wanted if exact else once(found) == once(wanted)
    assert deployment.bess("state", "scrub").returncode == 0


async def test_states_that_were_deleted_from_the_changelog_are_written_to_it_again(
    deployment: Deployment, view: RedisView
) -> None:
    await fold(deployment, RECORDS[:HALF])
    before = {number: held for number, (_, held) in (await states(view)).items()}
    await deployment.delete_all(STATE)

    async def whole() -> bool:
        async with open_stores(deployment.settings) as stores:
            ends = await stores.topics.ends([stores.state(n) for n in before], open_too=True)
            kept = [await stores.changelog(n, ends[stores.state(n)]) for n in before]
        return {number: each.states for number, each in enumerate(kept)} == before

    emptied = not await whole()
    with deployment.worker():
        await deployment.wait_for("a whole changelog", whole)
    for number in before:
        await view.clear(number)
    await fold(deployment, RECORDS[HALF:])

    assert emptied
    assert await streamed(deployment) == expected(STATION)


async def test_states_that_the_backup_does_not_know_are_not_written_over(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = str(tmp_path / "states.bess")
    early = records(station(2, 60), 20)
    await fold(deployment, early)
    done(deployment, "state", "export", file)
    await fold(deployment, RECORDS)

    refused = deployment.bess("state", "import", file, "--into-changelog", "--force")

    assert refused.returncode == 2
    assert "states that the backup does not" in refused.stderr


async def test_nothing_is_restored_or_moved_while_workers_run(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = str(tmp_path / "states.bess")
    with deployment.worker():
        await deployment.produce(RECORDS[:40])
        await deployment.wait_until_done()
        done(deployment, "state", "export", file)
        refusals = [
            deployment.bess("state", *command)
            for command in (
                ("import", file),
                ("import", file, "--into-changelog"),
                ("realign", "--partition", "0", "--to", "start"),
                ("repartition", "--to", "3", "--prefix", "other"),
            )
        ]

    for refused in refusals:
        assert refused.returncode == 2
        assert "stop them first" in refused.stderr


async def test_a_scrub_beside_a_busy_worker_finds_nothing(deployment: Deployment) -> None:
    with deployment.worker():
        await deployment.produce(RECORDS)
        found = [deployment.bess("state", "scrub") for _ in range(3)]
        await deployment.wait_until_done()

    assert [(each.returncode, each.stdout[-200:]) for each in found if each.returncode] == []


async def test_a_changed_state_is_found_cleared_and_rebuilt(
    deployment: Deployment, view: RedisView
) -> None:
    await fold(deployment, RECORDS)
    before = await states(view)
    number, (position, held) = next((n, s) for n, s in before.items() if len(s[1]) > 1)
    first, second = sorted(held)[:2]
    swapped = {first: held[second]}
    await view.swap(number, position.changelog, position, swapped, len(held))

    found = deployment.bess("state", "scrub", "--json")
    repaired = deployment.bess("state", "scrub", "--repair")
    with deployment.worker():

        async def rebuilt() -> bool:
            return (await view.position(number)).changelog is not None

        await deployment.wait_for("rebuilding", rebuilt)

    wrong = {each["number"]: each["wrong"] for each in json.loads(found.stdout) if each["wrong"]}
    assert found.returncode == 1
    assert wrong == {number: [f"{first.decode()} differs"]}
    assert repaired.returncode == 0
    assert {n: s[1] for n, s in (await states(view)).items()} == {
        n: s[1] for n, s in before.items()
    }


async def test_a_flipped_byte_and_a_lost_state_are_found(
    deployment: Deployment, view: RedisView
) -> None:
    await fold(deployment, RECORDS)
    numbers = [n for n, s in (await states(view)).items() if s[1]]
    for number, spoil in zip(numbers[:2], ("flip", "lose"), strict=True):
        key = view.states_key(number)
        field, value = next(iter((await view.redis.hgetall(key)).items()))
        if spoil == "flip":
            await view.redis.hset(key, field, value[:-1] + bytes((value[-1] ^ 1,)))
        else:
            await view.redis.hdel(key, field)

    found = deployment.bess("state", "scrub")

    assert found.returncode == 1
    assert f"2 of {4} partitions differ" in found.stdout


async def test_a_key_of_another_type_is_told_as_damage_and_cleared(
    deployment: Deployment, view: RedisView, tmp_path: Path
) -> None:
    await fold(deployment, RECORDS)
    before = await states(view)
    first, second = [number for number, (_, held) in before.items() if held][:2]
    taken = {first: view.states_key(first), second: view.position_key(second)}
    for key in taken.values():
        await view.redis.set(key, "haha")

    exported = deployment.bess("state", "export", str(tmp_path / "states.bess"))
    shown = deployment.bess("state", "show", "0B1")
    found = deployment.bess("state", "scrub", "--json")
    done(deployment, "state", "scrub", "--repair")

    wrong = {each["number"]: each["wrong"] for each in json.loads(found.stdout) if each["wrong"]}
    assert {number: [line.split()[0] for line in told] for number, told in wrong.items()} == {
        number: [key] for number, key in taken.items()
    }
    for refused in (exported, shown):
        assert refused.returncode == 2
        assert "another type" in refused.stderr
        assert "see `bess state scrub`" in refused.stderr
    with deployment.worker():

        async def rebuilt() -> bool:
            return {n: s[1] for n, s in (await states(view)).items()} == {
                n: s[1] for n, s in before.items()
            }

        await deployment.wait_for("rebuilding", rebuilt)


@pytest.mark.parametrize(("to", "again"), [("start", False), ("start", True), ("end", True)])
async def test_telemetry_made_anew_is_folded_on_from_where_the_operator_says(
    deployment: Deployment, view: RedisView, to: str, again: bool
) -> None:
    await fold(deployment, [*RECORDS[:HALF], *BAD])
    before = await states(view)
    await deployment.make_anew(TELEMETRY)
    assert deployment.bess("doctor").returncode == 1
    if again:
        await deployment.produce(RECORDS[:HALF])

    for number in (n for n, s in before.items() if s[1]):
        told = done(deployment, "state", "realign", "--partition", str(number), "--to", to)
        assert f"partition {number}: next to fold was" in told
    realigned = await states(view)
    shown = {n: s[1] for n, s in realigned.items()}
    await fold(deployment, RECORDS[HALF:])

    assert (letters(before), letters(realigned)) == (len(BAD), 0)
    assert shown == {n: s[1] for n, s in before.items()}
    assert await streamed(deployment) == expected(STATION)
    assert deployment.bess("state", "scrub").returncode == 0


async def test_a_partition_that_is_not_there_is_not_realigned(deployment: Deployment) -> None:
    missing = deployment.bess("state", "realign", "--partition", "9", "--to", "end")

    assert "they are 0 to 3" in missing.stderr


async def test_another_number_of_partitions_goes_on_with_the_same_results(
    deployment: Deployment,
) -> None:
    count = 3
    prefix = f"{deployment.settings.prefix}-{count}"
    settings = deployment.settings.model_copy(update={"prefix": prefix, "partitions": count})
    await fold(deployment, RECORDS[:HALF])

    told = done(deployment, "state", "repartition", "--to", str(count), "--prefix", prefix)
    again = done(deployment, "state", "repartition", "--to", str(count), "--prefix", prefix)
    moved = replace(deployment, settings=settings)
    carried = {record.key: record.value for record in await moved.read(DAILY)}
    await fold(moved, RECORDS[HALF:])

    assert f"{BLOCKS} states moved and read back" in told
    assert told == again
    assert carried == {record.key: record.value for record in await deployment.read(DAILY)}
    old, new, whole = await streamed(deployment), await streamed(moved), expected(STATION)
    for kind in whole:
        assert set(old[kind]) | set(new[kind]) == set(whole[kind])
    assert (
        done(moved, "state", "scrub")
        == f"{BLOCKS} states of {count} partitions are as in the changelog\n"
    )


async def test_partitions_do_not_change_while_telemetry_waits(deployment: Deployment) -> None:
    await fold(deployment, RECORDS[:HALF])
    await deployment.produce(RECORDS[HALF:])

    refused = deployment.bess("state", "repartition", "--to", "8", "--prefix", "unused")

    assert refused.returncode == 2
    assert "telemetry records that are not folded" in refused.stderr


async def test_an_enclosure_is_shown_with_its_energy_and_its_place(deployment: Deployment) -> None:
    await fold(deployment, RECORDS)
    days = [json.loads(record.value) for record in await deployment.read(DAILY)]

    text = done(deployment, "state", "show", "0B1")
    (found,) = json.loads(done(deployment, "state", "show", "test/0B1", "--json"))

    assert "test/0PCS1" in text
    newest = {day["date"]: day for day in days if day["enclosure"] == "0B1"}
    charged = sum(day["charged_kwh"] for day in newest.values())
    assert found["charged_kwh"] == pytest.approx(charged, abs=0.01)
    assert (found["block"], found["input"], found["share"]) == ("0PCS1", "1", 0.5)
    assert found["lag"] <= 1


async def test_an_enclosure_that_is_not_known_is_told(deployment: Deployment) -> None:
    refused = deployment.bess("state", "show", "nowhere")

    assert refused.returncode == 2
    assert "no state of an enclosure nowhere" in refused.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["show", "B1"],
        ["export", "unused"],
        ["scrub"],
        ["realign", "--partition", "0", "--to", "end"],
    ],
)
def test_services_that_do_not_answer_are_named(command: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "stream_app", "state", *command],
        env={"BESS_BROKERS": "127.0.0.1:1", "BESS_REDIS_URL": "redis://127.0.0.1:1/0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert "BESS_REDIS_URL" in ended.stderr or "BESS_BROKERS" in ended.stderr
