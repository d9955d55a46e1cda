"""Only modules marked `models` import a model library when they are collected: three of four workers have none."""

import subprocess
import sys

from tests.one_worker import is_marked
from tests.paths import REPOSITORY

PROGRAM = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    loaded = {"torch", "transformers", "onnxruntime"} & sys.modules.keys()
    if loaded:
        sys.exit(f"{name} imports {loaded}: mark it `pytestmark = pytest.mark.models`, or import in the test")
"""


def test_modules_that_are_not_marked_import_no_model_library() -> None:
    files = [file for file in sorted((REPOSITORY / "tests").rglob("test_*.py")) if not is_marked(file)]
    names = [".".join(file.relative_to(REPOSITORY).with_suffix("").parts) for file in files]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
