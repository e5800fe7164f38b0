"""When the story's alarm arrived on each way, whatever comes first."""

from __future__ import annotations

from appliance.demo_ways import Sighting, Way, Ways

SECOND_NS = 1_000_000_000


def test_each_way_arrives_once_and_late_is_counted_from_the_commit() -> None:
    ways = Ways(list(Way))
    ways.committed(7, 10 * SECOND_NS)
    ways.saw(Sighting(Way.WEBHOOK, 11 * SECOND_NS, 7, "outer race", "posted"))
    ways.saw(Sighting(Way.PAGE, 10 * SECOND_NS + 5_000_000, 7, "outer race"))
    assert ways.arrivals() == []  # nobody has said yet which alarm the story is about
    ways.name(7, "outer race")
    found = ways.arrivals()
    assert [(one.way, one.late_s, one.words) for one in found] == [
        (Way.PAGE, 0.005, ""),
        (Way.WEBHOOK, 1.0, "posted"),
    ]
    ways.saw(Sighting(Way.PAGE, 12 * SECOND_NS, 7, "outer race"))
    assert ways.arrivals() == []
    assert ways.missing == [Way.SCADA, Way.CENTRE]


def test_another_transition_is_not_taken_for_it() -> None:
    ways = Ways([Way.WEBHOOK, Way.SCADA])
    ways.name(7, "outer race, 11 dB")
    ways.name(8, "outer race, 16 dB")  # the first stays
    ways.committed(8, SECOND_NS)
    ways.saw(Sighting(Way.WEBHOOK, 2 * SECOND_NS, 8, "outer race, 16 dB"))
    ways.saw(Sighting(Way.SCADA, 2 * SECOND_NS, None, "outer race, 16 dB"))
    ways.committed(7, SECOND_NS)
    assert (ways.arrivals(), ways.missing, ways.named) == ([], [Way.SCADA, Way.WEBHOOK], 7)
    ways.saw(Sighting(Way.SCADA, 3 * SECOND_NS, None, "outer race, 11 dB"))
    assert [(one.way, one.late_s) for one in ways.arrivals()] == [(Way.SCADA, 2.0)]


def test_nothing_arrives_before_its_commit() -> None:
    ways = Ways([Way.PAGE])
    ways.name(7, "x")
    ways.saw(Sighting(Way.PAGE, SECOND_NS, 7, "x"))
    assert ways.arrivals() == []  # the commit was not told yet
    ways.committed(7, SECOND_NS + 1_000_000)  # told a moment later than the stream was read
    assert [one.late_s for one in ways.arrivals()] == [0.0]
