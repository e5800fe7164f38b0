"""A source that never errs and never delivers."""

from __future__ import annotations

from appliance.telemetry.silence import BACK_NS, SilenceWatch

S = 1_000_000_000


def watch() -> SilenceWatch:
    one = SilenceWatch("plc", ["speed", "load"], 60.0)
    one.look({}, 0, lost=False)
    return one


def test_silence_counts_from_the_first_look_however_long_the_start_took() -> None:
    one = SilenceWatch("plc", ["speed"], 60.0)
    assert not one.look({}, 1000 * S, lost=False).channels
    assert not one.look({}, 1059 * S, lost=False).channels
    assert one.look({}, 1060 * S, lost=False).channels


def test_nothing_is_said_before_the_limit_and_before_all_was_heard() -> None:
    one = watch()
    early = one.look({}, 59 * S, lost=False)
    assert (early.channels, early.judged) == ((), False)
    assert not one.look({"speed": 58 * S}, 59 * S, lost=False).judged
    assert one.look({"speed": 58 * S, "load": 58 * S}, 59 * S, lost=False).judged


def test_a_source_that_never_delivered_is_silent() -> None:
    found = watch().look({}, 60 * S, lost=False)
    assert found.channels == ("speed", "load")
    assert found.everything
    assert found.judged


def test_one_channel_of_two_is_named_and_comes_back_only_when_it_stays() -> None:
    one, heard = watch(), {"speed": 0, "load": 0}
    for second in range(0, 100, 5):
        heard["speed"] = second * S
        found = one.look(heard, second * S, lost=False)
        assert found.channels == (("load",) if second >= 60 else ())
        assert not found.everything
    heard["load"] = 100 * S  # once, and no more
    for second in range(100, 400, 5):
        heard["speed"] = second * S
        if second % 40 == 0:
            heard["load"] = second * S  # now and then
        assert one.look(heard, second * S, lost=False).channels == ("load",), "no flapping"
    for second in range(400, 430, 5):
        heard["speed"] = heard["load"] = second * S
        found = one.look(heard, second * S, lost=False)
    assert found.channels == ()
    assert BACK_NS == 10 * S


def test_a_lost_source_has_its_own_alarm() -> None:
    one = watch()
    assert one.look({}, 100 * S, lost=False).channels
    lost = one.look({}, 105 * S, lost=True)
    assert (lost.channels, lost.judged) == ((), True)
    assert not one.look({}, 160 * S, lost=False).channels, "after a loss, silence counts anew"
    assert one.look({}, 165 * S, lost=False).channels == ("speed", "load")
