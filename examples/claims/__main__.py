"""Measure the claims of the lectures: `python -m examples.claims`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the number of threads decides the wall times
os.environ.setdefault("OMP_NUM_THREADS", "1")

import minigrad
from examples import claims, lesson
from examples.claims import cost, learning, memory, sight, weights
from examples.claims.lab import Claim, Finding, report

CLAIMS = {
    each.name: each
    for subject in (cost, sight, memory, learning, weights)
    for each in vars(subject).values()
    if isinstance(each, Claim)
}


def main(argv: Sequence[str] | None = None) -> dict[str, Finding]:
    p = lesson.options(claims.__doc__)
    p.prog = "examples.claims"
    p.add_argument("--list", action="store_true", help="say which claims there are, and measure nothing")
    p.add_argument("--only", nargs="+", metavar="NAME", choices=CLAIMS, help="measure these claims alone")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, Finding]:
    findings: dict[str, Finding] = {}
    if a.list:
        for claim in CLAIMS.values():
            print(f"{claim.name:16}{claim.says}")
        return findings
    for name in a.only or CLAIMS:
        minigrad.manual_seed(a.seed)
        start = time.monotonic()
        findings[name] = CLAIMS[name].measure(a.seed, a.short)
        print(report(CLAIMS[name], findings[name]))
        print(f"  ({time.monotonic() - start:.1f} s)", end="\n\n", file=sys.stderr)
        lesson.write_pictures(a.pictures, {f"{title}.svg": drawn for title, drawn in findings[name].pictures.items()})
    if len(findings) > 1:
        print("\n".join(f"{name:16}{finding.verdict}" for name, finding in findings.items()))
    return findings


if __name__ == "__main__":
    main()
