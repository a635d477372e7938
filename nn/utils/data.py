"""Data sets and the loaders that deal them out in batches, under PyTorch's names.

>>> features, labels = minigrad.arange(10).reshape(5, 2), minigrad.arange(5)
>>> for x, y in DataLoader(TensorDataset(features, labels), batch_size=2):
...     print(x.shape, y)
(2, 2) tensor([0, 1])
(2, 2) tensor([2, 3])
(1, 2) tensor([4])

For sentences of unequal length see also `nn.data`.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import minigrad
from minigrad import Generator, ShapeError, Tensor
from minigrad.random import shuffle_order

# ---- data sets ------------------------------------------------------------------------------------------------------


class Dataset:
    """Base of data sets with numbered items: a subclass gives `__getitem__(index)` and `__len__()`."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(self, index)")


class TensorDataset(Dataset):
    """Item i is the tuple of the i-th entries of some tensors.

    **Raises** `ShapeError` if the tensors do not have the same length.
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors or len({len(t) for t in tensors}) != 1:
            raise ShapeError(f"TensorDataset: tensors of one length are needed, not {[len(t) for t in tensors]}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class IterableDataset(Dataset):
    """Base of data sets that come as a stream: a subclass gives `__iter__()`, and a loader takes items as they come."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__(self)")


class ConcatDataset(Dataset):
    """The items of several data sets, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        self.ends = np.cumsum([len(dataset) for dataset in self.datasets]).tolist()

    def __getitem__(self, index: int) -> Any:
        place = operator.index(index) + (len(self) if index < 0 else 0)
        if not 0 <= place < len(self):
            raise IndexError(f"ConcatDataset: there is no item {index} among {len(self)}")
        which = bisect_right(self.ends, place)
        return self.datasets[which][place - (self.ends[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0


class Subset(Dataset):
    """The items of a data set that have the given indices, in their order."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Deal a data set out at random into parts of the given lengths, or of the given fractions of it.

    Fractions are rounded down; the items left over go one each to the first parts.

    **Raises** `ValueError` if the lengths do not add up to that of the data set, or the fractions to 1.

    >>> [len(part) for part in random_split(range(11), [0.8, 0.1, 0.1])]
    [9, 1, 1]
    """
    n, sizes = len(dataset), list(lengths)
    if any(size < 0 for size in sizes):
        raise ValueError(f"random_split: no part has a negative length, as one of {sizes}")
    if any(isinstance(size, float) for size in sizes):
        if not np.isclose(sum(sizes), 1):
            raise ValueError(f"random_split: fractions add up to 1, but {sizes} add up to {sum(sizes)}")
        whole = [int(n * fraction) for fraction in sizes]
        left = n - sum(whole)
        sizes = [size + (i < left) for i, size in enumerate(whole)]
    if sum(sizes) != n:
        raise ValueError(f"random_split: the parts {sizes} have {sum(sizes)} items, but the data set has {n}")
    order = shuffle_order(n, generator)
    ends = np.cumsum(sizes).tolist()
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


# ---- orders ---------------------------------------------------------------------------------------------------------


class SequentialSampler:
    """The indices 0 … n − 1 of a data set in order."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler:
    """The indices of a data set in random order; or `num_samples` of them, with `replacement` independently drawn.

    Without replacement, more samples than the data set has items are several orders one after the other.
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not len(data_source) or (num_samples is not None and num_samples < 1):
            raise ValueError(f"RandomSampler: cannot draw {num_samples or 'any'} samples from {len(data_source)} items")
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self.num_samples = len(data_source) if num_samples is None else num_samples

    def __iter__(self) -> Iterator[int]:
        n, left = len(self.data_source), self.num_samples
        while left > 0:  # piece by piece, since there may be no end to num_samples
            if self.replacement:
                piece = minigrad.randint(n, (min(left, 1024),), generator=self.generator).tolist()
            else:
                piece = shuffle_order(n, self.generator)[:left]
            yield from piece
            left -= len(piece)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler:
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return (self.indices[place] for place in shuffle_order(len(self.indices), self.generator))

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler:
    """`num_samples` indices, each drawn with probability proportional to its weight."""

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Generator | None = None
    ) -> None:
        self.weights = minigrad.as_tensor(weights)
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        drawn = minigrad.multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler:
    """The indices of a sampler in lists of `batch_size`; the last may be shorter, unless `drop_last`."""

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool = False) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"a batch has a whole number of items and at least 1, not batch_size={batch_size!r}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + bool(rest and not self.drop_last)


# ---- batches --------------------------------------------------------------------------------------------------------


def default_collate(batch: Sequence[Any]) -> Any:
    """A list of items as one: tensors, arrays and numbers are stacked; tuples, lists and dictionaries entry by entry.

    Texts stay lists. Python floats become the default dtype, as everywhere here (PyTorch's become float64).

    **Raises** `ShapeError` if tensors of unequal shape meet, `TypeError` for items of another kind, `ValueError` if
    there are none.

    >>> default_collate([("a", 1, 0.5), ("b", 2, 1.5)])
    [['a', 'b'], tensor([1, 2]), tensor([0.5, 1.5])]
    """
    if not len(batch):
        raise ValueError("default_collate: there are no items to make a batch of")
    first = batch[0]
    if isinstance(first, (Tensor, np.ndarray)):
        if len(shapes := {x.shape for x in batch}) > 1:
            raise ShapeError(
                f"default_collate: items of shapes {sorted(shapes)} cannot be stacked; pad them in a collate_fn of "
                f"your own, as with nn.utils.rnn.pad_sequence"
            )
        return minigrad.stack([minigrad.as_tensor(x) for x in batch])
    if isinstance(first, (bool, int, float, np.generic)):
        return minigrad.tensor(batch)
    if isinstance(first, str):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*map(default_collate, zip(*batch, strict=True)))
    if isinstance(first, (tuple, list)):
        return [default_collate(entries) for entries in zip(*batch, strict=True)]
    raise TypeError(f"default_collate: cannot make a batch of {type(first).__name__} items; pass a collate_fn")


class DataLoader:
    """The items of a data set in batches; iterating over it again is a new epoch, shuffled anew.

    A `sampler` is any iterable of indices, a `batch_sampler` of lists of indices (as `nn.data.buckets` makes them);
    `collate_fn` makes a batch out of a list of items. With `batch_size=None`, items come one by one, as they are. An
    `IterableDataset` is taken in its own order. `num_workers`, `pin_memory`, `worker_init_fn`, `prefetch_factor` and
    `persistent_workers` are accepted for PyTorch's sake: items are always loaded here and now.

    **Raises** `ValueError` where arguments contradict each other.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Any = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *,
        generator: Generator | None = None,
        worker_init_fn: Callable[[int], None] | None = None,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        streamed = isinstance(dataset, IterableDataset)
        if streamed and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader: an IterableDataset has its own order; no shuffle, sampler or batch_sampler")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: shuffle=True and sampler= both decide the order; pass one of them")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("DataLoader: batch_sampler= decides alone; no batch_size, shuffle, sampler or drop_last")
        if sampler is None and not streamed:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.generator = sampler, generator
        self.batch_sampler: Any = batch_sampler
        if batch_sampler is None and batch_size is not None:
            self.batch_sampler = BatchSampler(dataset if streamed else sampler, batch_size, drop_last)
        self.collate_fn = default_collate if collate_fn is None and self.batch_sampler is not None else collate_fn

    def __iter__(self) -> Iterator[Any]:
        streamed, make = isinstance(self.dataset, IterableDataset), self.collate_fn or (lambda item: item)
        if self.batch_sampler is None:
            yield from map(make, self.dataset if streamed else (self.dataset[index] for index in self.sampler))
            return
        if streamed:
            yield from map(make, self.batch_sampler)  # lists of items, not of indices
            return
        for indices in self.batch_sampler:
            if type(self.dataset) is TensorDataset and self.collate_fn is default_collate:
                yield list(self.dataset[list(indices)])  # the same batch, taken at once
            else:
                yield make([self.dataset[index] for index in indices])

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
