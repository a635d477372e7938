"""Freed memory stays with the process: the arrays of a second step take hardly a new page."""

import os
import platform
import subprocess
import sys

import pytest

STEPS = """
import resource
import numpy as np
{before}

def step():
    arrays = [np.ones(100_000, np.float32) for _ in range(20)]  # 8 MB, about 2,000 pages

def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

step()
before = pages()
for _ in range(10):
    step()
print(pages() - before)
"""


def new_pages(before: str) -> int:
    set_by_hand = [name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_TUNABLES"))]
    environment = {name: value for name, value in os.environ.items() if name not in set_by_hand}
    command = [sys.executable, "-c", STEPS.format(before=before)]
    return int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than that of Linux")
def test_freed_memory_is_used_again():
    assert 10 * new_pages("import minigrad") <= new_pages("")
