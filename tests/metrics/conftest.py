import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; the set that a test wants may still be missing in it."""
    root = os.environ.get("COURSEKIT_DATA")
    if not root:
        pytest.skip("real labels are looked for in the folder $COURSEKIT_DATA, which is not set")
    return Path(root)


@pytest.fixture(scope="session")
def coco_annotations(real_data: Path) -> Path:
    folder = real_data / "coco" / "annotations"
    if not folder.is_dir():
        pytest.skip(f"no COCO annotations in {folder}")
    return folder
