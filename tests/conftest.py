"""For all tests: the slow ones last, and one thread for each, since tensors are small here and cores are shared."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
