"""Work shared out among threads."""

import multiprocessing
import os
import threading
import time

import numba
import pytest

from uniscene_sim.compute.threads import map_threads, row_ranges


@pytest.fixture
def two_threads():
    kept = numba.get_num_threads()
    if kept < 2:
        pytest.skip("numba may use one thread only")
    numba.set_num_threads(2)
    yield
    numba.set_num_threads(kept)


def whoami(_: object) -> int:
    time.sleep(0.02)
    return threading.get_ident()


@pytest.fixture
def meeting():
    """Tells the thread, once two are there: on a busy machine one could do all the work before the other begins."""
    meet = threading.Barrier(2)

    def whoami_of_two(_: object) -> int:
        meet.wait(60)
        return threading.get_ident()

    return whoami_of_two


def test_two_threads_at_once_give_results_in_order(two_threads, meeting):
    def square(n: int) -> int:
        meeting(n)
        time.sleep(0.01 * (n % 3))
        return n * n

    assert map_threads(square, range(6)) == [0, 1, 4, 9, 16, 25]


def test_what_is_done_within_keeps_to_its_thread(two_threads, meeting):
    def within(_: int) -> tuple[set[int], int]:
        meeting(_)
        assert len(row_ranges(100)) == 1
        return set(map_threads(whoami, range(4))), threading.get_ident()

    found = map_threads(within, range(4))
    assert all(inner == {outer} for inner, outer in found)
    assert len({outer for _, outer in found}) == 2
    assert len(set(map_threads(meeting, range(4)))) == 2  # and then it is over


def test_fewer_items_than_threads_leave_all_threads_to_each(two_threads, meeting):
    [inner] = map_threads(lambda _: map_threads(meeting, range(4)), [0])
    assert len(set(inner)) == 2


def test_an_error_comes_out_when_all_have_stopped(two_threads, meeting):
    done = []

    def work(n: int) -> None:
        if n == 1:
            raise ValueError("no")
        time.sleep(0.02)
        done.append(n)

    with pytest.raises(ValueError, match="no"):
        map_threads(work, range(6))
    stopped = list(done)
    time.sleep(0.1)
    assert done == stopped
    assert len(set(map_threads(meeting, range(4)))) == 2


@pytest.mark.parametrize("count", [0, 1, 5, 84, 1000])
def test_ranges_part_all_rows(two_threads, count):
    assert [row for first, last in row_ranges(count) for row in range(first, last)] == list(range(count))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_threads_of_its_own(two_threads):
    map_threads(whoami, range(4))
    with multiprocessing.get_context("fork").Pool(1) as child:
        assert len(set(child.apply_async(map_threads, (whoami, range(4))).get(30))) == 2
