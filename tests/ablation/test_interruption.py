"""Signals that wait for a place where they do no harm."""

import signal

import pytest

from videogn.ablation.running.interruption import Interruption


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_waits_and_a_second_does_not(signum):
    # As a process has it from the start, whatever an earlier test's trainer left.
    before = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
    left = signal.signal(signum, before)
    with Interruption() as interruption:
        interruption.check()
        signal.raise_signal(signum)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signum)
    assert signal.signal(signum, left) == before


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGHUP)
            interruption.check()
    finally:
        signal.signal(signal.SIGHUP, before)
