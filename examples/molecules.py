"""A molecule is a graph, and a graph is a set of vectors: one label for each molecule, whatever the order of its atoms.

    python examples/molecules.py                     # does it hold an amide group, a carbon bound to N and to O?
    python examples/molecules.py --label ring        # does it hold a ring?

The atoms are one-hot vectors; the bonds are the mask, for an atom looks at those it is bound to. The molecules are made
up, in pairs: the same atoms bound in two ways, one of which has what is looked for. So whoever only counts atoms is
right half the time, exactly. Rings are the harder question, and a limit of attention: its weights sum to one, so it
takes the mean over the neighbours and cannot count them, and finds rings only in part. Told how many bonds each atom
has (`attention, bonds counted`), it finds nearly all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz import attention
from nn import optim
from nn.data import batches, pad
from nn.text_cnn import max_over_time

ELEMENTS, VALENCE = "CNO", np.array([4, 3, 2])  # how many bonds each has; those not drawn go to hydrogen
CARBON, NITROGEN, OXYGEN = range(3)


class Molecule(NamedTuple):
    """Atoms (N) by their element, and which of them are bound to each other (N, N)."""

    atoms: np.ndarray
    bonds: np.ndarray

    def reordered(self, order: np.ndarray) -> Molecule:
        """The same molecule, its atoms counted in another order."""
        return Molecule(self.atoms[order], self.bonds[np.ix_(order, order)])


# ---- the data -------------------------------------------------------------------------------------------------------


def free(m: Molecule) -> np.ndarray:
    """How many more bonds each atom can have."""
    return VALENCE[m.atoms] - m.bonds.sum(1)


def tree(atoms: np.ndarray, rng: np.random.Generator) -> Molecule:
    """The atoms bound to each other without a ring: each new one to one that has a bond to spare."""
    m = Molecule(rng.permutation(atoms), np.zeros((len(atoms), len(atoms)), bool))
    for new in range(1, len(atoms)):
        open_ends = np.flatnonzero(free(m)[:new] > 0)
        if not len(open_ends):  # closed too early, by an atom of few bonds
            return tree(atoms, rng)
        old = rng.choice(open_ends)
        m.bonds[old, new] = m.bonds[new, old] = True
    return m


def with_ring(m: Molecule, rng: np.random.Generator) -> Molecule:
    """The molecule with one bond more, which closes a ring; or as it is, where no two atoms have bonds to spare."""
    spare = free(m) > 0
    pairs = np.argwhere(np.triu(spare[:, None] & spare & ~m.bonds, 1))
    if len(pairs):
        i, j = rng.choice(pairs)
        m.bonds[i, j] = m.bonds[j, i] = True
    return m


def has_amide(m: Molecule) -> bool:
    """Whether a carbon is bound to a nitrogen and an oxygen."""
    beside = np.stack([m.bonds[:, m.atoms == element].any(1) for element in (NITROGEN, OXYGEN)])
    return bool((beside.all(0) & (m.atoms == CARBON)).any())


def has_ring(m: Molecule) -> bool:
    """Whether there are as many bonds as atoms, or more: all atoms hang together, and a tree has one bond less."""
    return bool(m.bonds.sum() // 2 >= len(m.atoms))


HAS = {"amide": has_amide, "ring": has_ring}


def pairs_of_molecules(pairs: int, has: Callable[[Molecule], bool], rng: np.random.Generator) -> list[Molecule]:
    """Molecules of 6 to 11 atoms, two after each other from the same atoms: one without the group, one with it."""
    molecules: list[Molecule] = []
    while len(molecules) < 2 * pairs:
        atoms = rng.choice(3, size=rng.integers(6, 12), p=[0.5, 0.25, 0.25])
        drawn = [tree(atoms, rng) for _ in range(8)]
        drawn += [with_ring(tree(atoms, rng), rng) for _ in range(8)] if has is has_ring else []
        found = {has(m): m for m in drawn}
        if len(found) == 2:
            molecules += [found[False], found[True]]
    return molecules


def batch_of(molecules: Sequence[Molecule]) -> tuple[Tensor, np.ndarray, Tensor]:
    """One-hot atoms (B, N, 3), the numbers of atoms (B), and the bonds (B, N, N)."""
    atoms, sizes = pad([np.eye(3)[m.atoms] for m in molecules])
    bonds = np.zeros((len(molecules), atoms.shape[1], atoms.shape[1]), bool)
    for full, m in zip(bonds, molecules, strict=True):
        full[: len(m.atoms), : len(m.atoms)] = m.bonds
    return minigrad.tensor(atoms, dtype=minigrad.get_default_dtype()), sizes, Tensor(bonds)


# ---- the models -----------------------------------------------------------------------------------------------------


class BagOfAtoms(nn.Module):
    """A small network on how many atoms there are of each element."""

    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, dim), nn.ReLU(), nn.Linear(dim, 2))

    def forward(self, atoms: Tensor, sizes: np.ndarray, bonds: Tensor) -> Tensor:
        return self.layers(atoms.sum(1))


class GraphTransformer(nn.Module):
    """Blocks of attention from each atom to those it is bound to (or to all), then the maximum over the atoms."""

    def __init__(self, see_bonds: bool = True, count_bonds: bool = False, dim: int = 32, blocks: int = 3) -> None:
        super().__init__()
        self.see_bonds, self.count_bonds = see_bonds, count_bonds
        self.embedding = nn.Linear(3 + count_bonds, dim)
        self.blocks = nn.ModuleList([nn.EncoderBlock(nn.MultiHead(dim, 4), dim, 2 * dim) for _ in range(blocks)])
        self.output = nn.Linear(dim, 2)

    def forward(self, atoms: Tensor, sizes: np.ndarray, bonds: Tensor) -> Tensor:
        if self.count_bonds:
            atoms = minigrad.cat([atoms, bonds.sum(-1, keepdim=True).to(atoms.dtype)], -1)
        x = self.embedding(atoms)
        for block in self.blocks:
            x = block(x, mask=bonds if self.see_bonds else None, lengths=sizes)
        return self.output(max_over_time(x, sizes))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "bag of atoms": BagOfAtoms,
    "attention, bonds unknown": lambda: GraphTransformer(see_bonds=False),
    "attention along the bonds": GraphTransformer,
    "attention, bonds counted": lambda: GraphTransformer(count_bonds=True),
}


# ---- training and using them ----------------------------------------------------------------------------------------


def train(model: nn.Module, molecules: Sequence[Molecule], epochs: int, name: str) -> None:
    """Adam on the cross-entropy; every second molecule has the group."""
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    progress = Progress(range(epochs), name)
    for _ in progress:
        for rows in batches(len(molecules), 64):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(*batch_of([molecules[i] for i in rows])), Tensor(np.array(rows) % 2))
            loss.backward()
            optimizer.step()
        schedule.step()
        progress.note = f"loss {loss.item():.3f}"


@minigrad.no_grad()
def scores_of(model: nn.Module, molecules: Sequence[Molecule]) -> np.ndarray:
    """The scores of "not there" and "there": (B, 2)."""
    return model(*batch_of(molecules)).numpy()


def accuracy(model: nn.Module, molecules: Sequence[Molecule]) -> float:
    return float((scores_of(model, molecules).argmax(1) == np.arange(len(molecules)) % 2).mean())


def map_of(model: nn.Module, m: Molecule) -> np.ndarray:
    """Which atom looks at which in the first block, mean of its heads: (N, N)."""
    with nn.record_attention(model) as maps:
        scores_of(model, [m])
    return next(iter(maps.values()))[0][0].mean(0).numpy()


def order_matters(model: nn.Module, molecules: Sequence[Molecule], rng: np.random.Generator) -> float:
    """The most that any score changes when the atoms are counted in another order."""
    shuffled = [m.reordered(rng.permutation(len(m.atoms))) for m in molecules]
    return float(np.abs(scores_of(model, molecules) - scores_of(model, shuffled)).max())


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--label", choices=HAS, default="amide", help="what to look for in a molecule; default: amide")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    rng = np.random.default_rng(a.seed)
    training = pairs_of_molecules(20 if a.short else 1000, HAS[a.label], rng)
    test = pairs_of_molecules(10 if a.short else 250, HAS[a.label], rng)
    accuracies, models = {}, {}
    for name, make in MODELS.items():
        minigrad.manual_seed(a.seed)
        models[name] = make()
        train(models[name], training, 1 if a.short else 10, name)
        accuracies[name] = accuracy(models[name], test)
    lesson.print_accuracies(f"{len(test)} molecules, half of them with {a.label}: right", accuracies)

    model = models["attention along the bonds"]
    change = order_matters(model.double(), test, rng)
    print(f"\ncounting the atoms in another order changes the scores by {change:.1e} at most")
    assert change < 1e-6, "the order of the atoms must not matter"
    assert accuracies["bag of atoms"] == 0.5, "two molecules of the same atoms cannot get two answers from their bag"

    shown = test[1]
    names = [f"{ELEMENTS[element]}{i}" for i, element in enumerate(shown.atoms, 1)]
    print(f"\na molecule with {a.label}: " + " ".join(f"{names[i]}–{names[j]}" for i, j in bonds_of(shown)))
    figure = attention(map_of(model, shown), names)
    print(figure)
    lesson.write_pictures(a.pictures, {"molecule.svg": figure})
    if not a.short:
        best = "attention, bonds counted" if a.label == "ring" else "attention along the bonds"
        assert accuracies[best] > 0.95, f"{best}: {accuracies}"
    return accuracies


def bonds_of(m: Molecule) -> list[tuple[int, int]]:
    """Each bond once."""
    return [(int(i), int(j)) for i, j in np.argwhere(np.triu(m.bonds))]


if __name__ == "__main__":
    main()
