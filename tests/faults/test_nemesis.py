"""Which faults the nemesis may inject."""

from tests.faults.kinds import FAULTS
from tests.faults.nemesis import repertoire


def test_only_faults_of_servers_that_rounds_share_come_in_a_nemesis() -> None:
    chosen = repertoire()

    assert {each.number for each in chosen} >= {"F1", "F5", "F7", "F11", "F15", "F17"}
    assert not [each.title for each in chosen if each.servers]
    assert any(each.servers for each in FAULTS.values())
