"""Hypothesis without deadlines (kernels compile on first use) and with repeatable examples; where others' data lies."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("uniscene", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("uniscene")

# Neither tests nor the processes that they start touch the user's cache.
_cache = tempfile.TemporaryDirectory(prefix="uniscene-cache-")
os.environ["UNISCENE_CACHE"] = _cache.name

SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of maps and recordings made by others; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the folder of maps and recordings made by others is not beside the checkout")
    return SHARED
