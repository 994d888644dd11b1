from __future__ import annotations

from stagely_rpc.process.slots import Backoff, End


def test_delay_doubles_up_to_thirty_seconds() -> None:
    backoff = Backoff()

    assert [backoff.after(1) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_delay_is_reset_after_a_worker_has_run_for_a_minute() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after(59)

    assert backoff.after(60) == 0.5
    assert backoff.after(1) == 1


def test_end_by_a_signal_shows_the_name_of_the_signal() -> None:
    assert str(End(-9, served=True, problem=None, lived_seconds=1)) == "SIGKILL"
    assert str(End(3, served=True, problem=None, lived_seconds=1)) == "exit code 3"
