"""How long a training step takes: minigrad against NumPy by hand, and against the frameworks that are installed.

    python -m benchmarks                      every step, every framework found
    python -m benchmarks mlp encoder          some steps
    python -m benchmarks --profile encoder    where the time of a step goes, by operation and by module
    python -m benchmarks --plot times.svg     a picture of the ratios

Every step is run in turn with its rival in one process, so that both meet the same machine, on one thread. Printed are
the medians of the times, and of the paired ratios minigrad / rival: below 1, minigrad is faster.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  # after the number of threads is set

from . import elsewhere, floors  # noqa: E402
from .workloads import (  # noqa: E402
    MLP,
    SENTENCES,
    TAGS,
    WORKLOADS,
    Framework,
    choices,
    minigrad_framework,
    training_step,
)

Step = Callable[[], float]


# ---- the rivals -----------------------------------------------------------------------------------------------------


def by_hand(name: str, weights: floors.Weights) -> floors.Floor | None:
    """The step of a workload with its gradients written by hand, if there is one."""
    if name == "mlp":
        return floors.mlp(weights, **MLP)
    if name == "lstm_tagger":
        return floors.lstm_tagger(weights, **TAGS)
    if name == "text_cnn":
        return floors.text_cnn(weights, **SENTENCES)
    if name == "encoder":
        return floors.encoder(weights, 4, choices(1000, 32, 25), choices(17, 32 * 25))
    if name == "encoder_large":
        return floors.encoder(weights, 8, choices(1000, 8, 128), choices(17, 8 * 128))
    return None


def torch_framework() -> Framework | None:
    """PyTorch, as a workload sees it, on as many threads as NumPy; None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    return Framework("torch", torch, torch.nn, torch.nn.functional, torch.optim, torch.from_numpy)


def rivals(names: Sequence[str]) -> Iterator[tuple[str, str, Step, Step]]:
    """(Workload, rival, step of minigrad, step of the rival) for all that there are."""
    ours, torch = minigrad_framework(), torch_framework()
    for name in names:
        if name not in WORKLOADS:
            continue
        model, loss = WORKLOADS[name](ours)
        floor = by_hand(name, {key: value.array.copy() for key, value in model.state_dict().items()})
        step = training_step(ours, model, loss)
        if floor is not None:
            yield name, "by hand", step, floor[0]
        if torch is not None:
            yield name, "torch", step, training_step(torch, *WORKLOADS[name](torch))
    mine, *others = elsewhere.FRAMEWORKS
    for name in names:
        if name not in elsewhere.MODELS:
            continue
        model = elsewhere.MODELS[name]
        for make in others:
            try:
                dialect = make()
            except (ImportError, AttributeError):  # absent, or not made for this NumPy
                continue
            step = elsewhere.training_step(dialect, model)
            try:
                step()
            except NotImplementedError:
                continue
            yield f"{name} (functions)", dialect.name, elsewhere.training_step(mine(), model), step


# ---- timing ---------------------------------------------------------------------------------------------------------


def seconds(step: Step, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def paired(ours: Step, theirs: Step, pairs: int, slice_seconds: float) -> tuple[float, float, list[float]]:
    """The median times of both, and the sorted ratios of the pairs."""
    counts = [max(1, round(slice_seconds / min(seconds(step, 3), seconds(step, 3)))) for step in (ours, theirs)]
    times = [(seconds(ours, counts[0]), seconds(theirs, counts[1])) for _ in range(pairs)]
    return (
        statistics.median(a for a, _ in times),
        statistics.median(b for _, b in times),
        sorted(a / b for a, b in times),
    )


def profile(name: str) -> None:
    """Print where the time of a step goes."""
    import minigrad

    step = training_step(minigrad_framework(), *WORKLOADS[name](minigrad_framework()))
    for _ in range(3):
        step()
    with minigrad.profile() as found:
        for _ in range(20):
            step()
    print(f"{name}: {WORKLOADS[name].__doc__}\n\n{found}")


def main(argv: Sequence[str] | None = None) -> list[tuple[str, str, float]]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = list(dict.fromkeys([*WORKLOADS, *elsewhere.MODELS]))
    parser.add_argument("names", nargs="*", metavar="STEP", help=f"which steps: {', '.join(known)} (default: all)")
    parser.add_argument("--pairs", type=int, default=7, help="how often the two are timed in turn (default: 7)")
    parser.add_argument("--seconds", type=float, default=0.2, help="length of one timing (default: 0.2)")
    parser.add_argument("--profile", action="store_true", help="show instead where the time of a step goes")
    parser.add_argument("--plot", metavar="FILE", help="write the ratios as a picture (.svg or .html)")
    options = parser.parse_args(argv)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"there is no step {unknown[0]!r}; there are {', '.join(known)}")
    names = options.names or known
    if options.profile:
        for name in names:
            if name in WORKLOADS:
                profile(name)
        return []

    warnings.filterwarnings("ignore")  # of other frameworks
    found = []
    print(f"one step of …            against        minigrad ms  rival ms  ratio  spread   ({os.cpu_count()} cores)")
    for name, rival, ours, theirs in rivals(names):
        mine, other, ratios = paired(ours, theirs, options.pairs, options.seconds)
        ratio = statistics.median(ratios)
        found.append((name, rival, ratio))
        print(
            f"{name:24} {rival:14} {mine * 1e3:11.3f} {other * 1e3:9.3f}  {ratio:5.2f}  "
            f"{ratios[0]:.2f}–{ratios[-1]:.2f}",
            flush=True,
        )
    print()
    for rival in dict.fromkeys(rival for _, rival, _ in found):
        logs = [math.log(ratio) for _, who, ratio in found if who == rival]
        print(f"against {rival:14} geometric mean {math.exp(sum(logs) / len(logs)):.2f} of {len(logs)} steps")
    if options.plot:
        plot(found, options.plot)
    return found


def plot(found: Sequence[tuple[str, str, float]], path: str) -> None:
    """Write the ratios as one curve for each rival, over the steps in order."""
    from minigrad.viz import curves

    series = {rival: [r for _, who, r in found if who == rival] for rival in dict.fromkeys(who for _, who, _ in found)}
    curves({rival: values for rival, values in series.items() if len(values) > 1}, xlabel="step", ylabel="ratio").write(
        path
    )


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
    sys.exit(0)
