"""A checker that cannot fail is worth nothing: each invariant sees one thing that is wrong."""

import copy

import pytest

from schemas import topics as contract
from stream_app.codec.telemetry import encode
from stream_app.core.messages import CorrectionBegin
from tests.faults import golden as golden_module
from tests.faults.checker import (
    alarms_in_order,
    alive,
    check,
    equal_envelopes,
    equal_values,
    unique_and_complete,
    view_is_the_fold,
)
from tests.faults.doctored import (
    CONDITIONS,
    REASON,
    RULE,
    SOURCE,
    WORKLOAD,
    WRONG,
    alter_the_view,
    of_before,
    refuse,
    undisturbed,
)
from tests.faults.evidence import READ, Evidence, Record
from tests.faults.golden import Golden, golden
from tests.faults.letters import dead_letters
from tests.faults.workload import (
    HORIZON_MS,
    POISON,
    START_MS,
    Workload,
    knowing_refusals,
    shuffled,
    station,
)


@pytest.fixture(scope="module")
def clean() -> Evidence:
    return undisturbed()


def test_an_undisturbed_run_violates_nothing(clean: Evidence) -> None:
    assert check(clean, WORKLOAD.poison) == []


@pytest.mark.parametrize("wrong", WRONG)
def test_one_thing_wrong_is_seen(clean: Evidence, wrong: str) -> None:
    invariants, spoil = WRONG[wrong]
    evidence = copy.deepcopy(clean)

    spoil(evidence)

    assert invariants <= {each.invariant for each in check(evidence, WORKLOAD.poison)}


def test_every_invariant_of_the_evidence_is_seen_to_fail() -> None:
    assert set().union(*(invariants for invariants, _ in WRONG.values())) == {
        f"I{number}" for number in range(1, 9)
    }


def test_a_good_record_that_was_refused_is_seen(clean: Evidence) -> None:
    planted = sorted(WORKLOAD.poison, key=str)

    words = [str(each) for each in check(clean, planted[1:])]

    assert any("a good record" in each and each.startswith("I8") for each in words)


def test_a_state_from_an_older_format_may_leave_out_a_default(clean: Evidence) -> None:
    evidence = copy.deepcopy(clean)

    alter_the_view(of_before)(evidence)

    assert evidence.views[0].states != clean.views[0].states
    assert view_is_the_fold(evidence, golden(evidence)) == []


@pytest.mark.parametrize(("pause_s", "violations"), [(1.0, 0), (30.0, 0), (30.1, 1)])
def test_standing_still_beyond_the_bound_is_seen(pause_s: float, violations: int) -> None:
    assert len(alive(pause_s, bound_s=30.0)) == violations


def test_the_workload_leads_to_every_kind_of_result(clean: Evidence) -> None:
    assert {topic for topic, records in clean.topics.items() if records} == {
        topic.suffix for topic in READ
    }
    assert len(WORKLOAD.poison) > 10


def test_the_workload_has_late_data_and_a_correction(clean: Evidence) -> None:
    values = [record.value or b"" for each in clean.topics.values() for record in each]
    said = {reason for value in values for reason in REASON.findall(value)}

    assert {b"late_data", b"correction", b"beyond_horizon", b"no_gap"} <= said


def test_the_workload_has_what_hurts_a_battery(clean: Evidence) -> None:
    alarms = clean.of(contract.ALARMS)
    rules = {rule for each in alarms for rule in RULE.findall(each.value or b"")}

    assert {b"FLAG", b"OVER_VOLT_ALARM", b"SOC_JUMP", b"WEAK_CELL"} <= rules
    assert any(key.endswith(b"\x1fmodel") for key in clean.views[0].states)
    for topic in (*contract.CELLS.values(), contract.METER_DAILY, contract.HEALTH_DAILY):
        values = [each.value or b"" for each in clean.of(topic)]
        assert any(b'"final":false' in each for each in values)
        assert any(b'"final":true' in each for each in values)


def test_each_kind_of_poison_is_refused() -> None:
    bad = [make(b"rig/INV0", number) for number, make in enumerate(POISON.values())]
    known = station(1, 4, 1, storage=True).records[:9]

    evidence = undisturbed(Workload(known + bad))

    assert sorted(golden(evidence).refused) == [(0, 9 + n) for n in range(len(POISON))]


def test_what_an_undisturbed_fold_refuses_counts_as_planted() -> None:
    early = b"rig/INV0", encode(CorrectionBegin("early", START_MS, START_MS + HORIZON_MS))
    records = [*station(1, 4, 1).records[:3], early]

    assert knowing_refusals(Workload(records)).poison == {early}


def test_order_and_doubles_within_the_lateness_change_no_window() -> None:
    straight = station(3, 200, 5, strays=False)
    disordered = shuffled(straight, 5)

    assert len(disordered.records) > len(straight.records)
    assert disordered.records[:50] != straight.records[:50]
    windows = [
        {row for row in golden(undisturbed(each)).rows if row.topic not in CONDITIONS}
        for each in (straight, disordered)
    ]
    assert windows[0] == windows[1]


def test_results_and_the_order_of_a_block_s_alarms_do_not_depend_on_batching(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evidence = undisturbed(station(2, 200, 1, storage=True))
    one_by_one = golden(evidence)
    monkeypatch.setattr(golden_module, "SLICE", 1)

    again = golden(evidence)
    assert alarms_in_order(one_by_one, again) == []
    assert unique_and_complete(one_by_one.rows, again.rows) == []
    assert equal_values(one_by_one.rows, again.rows) == []
    assert equal_envelopes(one_by_one.rows, again.rows) == []


BAD: tuple[bytes | None, bytes | None] = (b"test/0PCS1", b"bad")


def flooded(*notices: int) -> tuple[Evidence, Golden]:
    """150 bad records of 1,001, the first hundred of them as dead letters, and such notices."""
    sent = [Record(0, at, *BAD) for at in range(150)]
    sent += [Record(0, at, b"test/0PCS1", b"good") for at in range(150, 1001)]
    found = Evidence(SOURCE, {contract.TELEMETRY.suffix: sent})
    for bad in sent[:100]:
        refuse(found, bad, "bad")
    for count in notices:
        more = {"bess_last_offset": "999", "bess_records": str(count)}
        refuse(found, Record(0, 0, None, None), "not published", **more)
    return found, Golden(refused={(0, at): "bad" for at in range(150)})


def cut_off(*notices: int) -> Evidence:
    """Telemetry of which the first ten records were deleted unread, and such notices."""
    found = Evidence(SOURCE, {contract.TELEMETRY.suffix: [Record(0, 10, b"test/0PCS1", b"good")]})
    for count in notices:
        more = {"bess_last_offset": str(count - 1), "bess_records": str(count)}
        refuse(found, Record(0, 0, None, None), "deleted", **more)
    return found


@pytest.mark.parametrize(
    ("notices", "right"), [((50,), True), ((), False), ((51,), False), ((50, 50), False)]
)
def test_what_is_not_published_must_have_one_notice(notices: tuple[int, ...], right: bool) -> None:
    evidence, folded = flooded(*notices)

    assert (dead_letters(evidence, folded, [BAD]) == []) is right


@pytest.mark.parametrize(
    ("notices", "right"), [((10,), True), ((), False), ((9,), False), ((10, 10), False)]
)
def test_what_was_deleted_unread_must_have_one_notice(
    notices: tuple[int, ...], right: bool
) -> None:
    assert (dead_letters(cut_off(*notices), Golden(), []) == []) is right
