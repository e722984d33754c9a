"""What can be said of sockets without a socket."""

from nodes._sockets import subscriptions
from protocol.messages import Announce, Configuration, Health, Measurements, Tally, Verdict


def test_a_reader_of_one_numbered_word_gets_the_whole_stream():
    assert {Configuration.TAG, Measurements.TAG, Tally.TAG, Verdict.TAG, Announce.TAG} <= subscriptions(
        (Measurements.TAG,)
    )
    assert Health.TAG not in subscriptions((Measurements.TAG,))


def test_what_is_not_numbered_comes_alone():
    assert subscriptions((Health.TAG,)) == {Health.TAG}
    assert subscriptions(()) == set()
