"""How time and memory grow: with the length of a graph, of a sequence, and of a vocabulary.

    python -m benchmarks.growth

Five tables: time per operation in graphs of 10² to 10⁵ operations; attention within a window against all of it, up to
16,384 positions, with the fitted exponents; the gradient of an embedding against the size of its vocabulary; the most
memory that a training step takes beside what it had before, against PyTorch where that is installed; and how long an
import takes. Every step of memory is that of a fresh process.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import tracemalloc  # noqa: E402  # after the number of threads is set

import minigrad  # noqa: E402
import nn  # noqa: E402

from .workloads import WORKLOADS, minigrad_framework, training_step  # noqa: E402


def milliseconds(run: Callable[[], object], repeats: int = 5) -> float:
    """The median time of a run."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def peak(run: Callable[[], object]) -> float:
    """The most memory that a run takes beside what there was before, in megabytes, as Python's allocator sees it."""
    run()
    tracemalloc.start()
    run()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The slope of the line through (log x, log y): y grows as x to this power."""
    xs, ys = [math.log(x) for x in xs], [math.log(y) for y in ys]
    x0, y0 = statistics.mean(xs), statistics.mean(ys)
    return sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True)) / sum((x - x0) ** 2 for x in xs)


def graphs(longest: int) -> None:
    """Time per operation of a chain, forward and backward."""
    x = minigrad.randn(8, requires_grad=True)

    def chain(count: int) -> Callable[[], None]:
        def run() -> None:
            y = x
            for _ in range(count):
                y = y * 1.0001
            y.sum().backward()

        return run

    print("operations   µs per operation, forward and backward")
    count = 100
    while count <= longest:
        print(f"{count:10,}   {milliseconds(chain(count)) * 1e3 / count:.2f}")
        count *= 10


def attention(longest: int) -> None:
    """Attention within 8 places to both sides, and everywhere."""
    window, full = nn.WindowAttention(32, 8), nn.SelfAttention(32)

    def step(layer: nn.Module, n: int) -> Callable[[], None]:
        x, g = minigrad.randn(1, n, 32), minigrad.randn(1, n, 32)
        return lambda: layer(x).backward(g)

    found: dict[str, list[tuple[int, float, float]]] = {}
    print("\npositions    window: ms      MB    everywhere: ms      MB")
    n = longest // 16
    while n <= longest:
        line = f"{n:9,}"
        for name, layer in (("window", window), ("everywhere", full)):
            if name == "everywhere" and n > longest // 4:
                continue
            run = step(layer, n)
            ms, mb = milliseconds(run, 3), peak(run)
            found.setdefault(name, []).append((n, ms, mb))
            line += f"{ms:14.1f} {mb:9.1f}"
        print(line)
        n *= 2
    for name, rows in found.items():
        sizes, times, memory = zip(*rows, strict=True)
        print(f"{name}: time ∝ n^{exponent(sizes, times):.2f}, memory ∝ n^{exponent(sizes, memory):.2f}")


def embeddings() -> None:
    """Looking up 2,000 words, the gradient, and a step of Adam, for growing vocabularies."""
    print("\nvocabulary   forward and backward ms   optimizer ms   of 2,000 words")
    for size in (1_000, 10_000, 100_000):
        table = nn.Embedding(size, 64)
        optimizer = nn.optim.Adam(table.parameters())
        ids, g = minigrad.randint(0, size, (2000,)), minigrad.randn(2000, 64)

        def gradient(table: nn.Module = table, ids: minigrad.Tensor = ids, g: minigrad.Tensor = g) -> None:
            table.weight.grad = None
            table(ids).backward(g)

        print(f"{size:10,}   {milliseconds(gradient):23.2f}   {milliseconds(optimizer.step):12.2f}")


PEAK = """
import re, sys
from benchmarks.__main__ import torch_framework
from benchmarks.workloads import WORKLOADS, minigrad_framework, training_step

def resident(kind):  # in kB, as Linux counts it: now (VmRSS), or at most so far (VmHWM)
    return int(re.search(kind + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

framework = torch_framework() if sys.argv[1] == "torch" else minigrad_framework()
step = training_step(framework, *WORKLOADS[sys.argv[2]](framework))
before = resident("VmRSS")
for _ in range(3):
    step()
print((resident("VmHWM") - before) / 1e3)
"""


def memory(names: Sequence[str]) -> None:
    """How far the resident memory of a fresh process rises over three training steps."""

    def rise(framework: str, name: str) -> str:
        command = [sys.executable, "-c", PEAK, framework, name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return f"{float(done.stdout):.1f}" if not done.returncode else "–"

    print("\npeak MB of a step   minigrad (resident)   torch (resident)   minigrad (allocated)")
    for name in names:
        framework = minigrad_framework()
        step = training_step(framework, *WORKLOADS[name](framework))
        print(f"{name:17}   {rise('minigrad', name):>19}   {rise('torch', name):>16}   {peak(step):20.1f}")


def imports(repeats: int = 9) -> None:
    """`import minigrad, nn` against `import numpy`, in fresh interpreters, in turn."""

    # As it is from the second start on: compiled modules are found beside their sources.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def start(statement: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
        return time.perf_counter() - begun

    start("import minigrad, nn")
    pairs = [(start("import minigrad, nn"), start("import numpy"), start("pass")) for _ in range(repeats)]
    ours = statistics.median(a for a, _, _ in pairs) * 1e3
    numpy = statistics.median(b for _, b, _ in pairs) * 1e3
    bare = statistics.median(c for _, _, c in pairs) * 1e3
    print(
        f"\nimport minigrad, nn: {ours:.0f} ms; numpy: {numpy:.0f} ms; Python alone: {bare:.0f} ms; "
        f"ratio {statistics.median(a / b for a, b, _ in pairs):.2f}, "
        f"without Python's own start {(ours - bare) / (numpy - bare):.2f}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="small sizes only, to see that it runs")
    short = parser.parse_args(argv).short
    graphs(1_000 if short else 100_000)
    attention(512 if short else 16_384)
    if not short:
        embeddings()
        memory(["encoder", "encoder_large", "text_cnn"])
    imports(1 if short else 9)


if __name__ == "__main__":
    main()
