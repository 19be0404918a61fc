"""Batches made ahead: in order, from wherever one asks, and what goes wrong is raised and not waited for."""

import pytest

from uniscene_sim.training.ahead import Ahead, made_ahead


class Squares:
    def __getitem__(self, n):
        if n == 7:
            raise ValueError("no seventh")
        return n * n


def test_batches_come_in_order_from_wherever_one_asks():
    ahead = Ahead(Squares(), 7)
    assert [ahead[2], ahead[3], ahead[0], ahead[1], ahead[2]] == [4, 9, 0, 1, 4]


def test_what_making_a_batch_raises_is_raised_where_it_is_asked_for():
    batches = made_ahead(Squares(), 5, 9)
    assert [next(batches), next(batches)] == [25, 36]
    with pytest.raises(ValueError, match="no seventh"):
        next(batches)
