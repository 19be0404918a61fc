import pytest

from uniscene_sim.compute.processes import in_processes
from uniscene_sim.errors import InputError
from uniscene_sim.limits.memory import MEMORY_GB


def test_no_more_processes_start_than_fit_into_memory(monkeypatch):
    monkeypatch.setenv(MEMORY_GB, "0.2")
    with pytest.raises(InputError, match=r"^jobs: needs .* GiB \(3 processes\), expected at most 0.2"):
        next(in_processes(10**17, abs, [(-1,)] * 3))
    assert list(in_processes(10**17, abs, [(-1,)])) == [1]  # no more than there are tasks
