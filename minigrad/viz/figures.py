"""Pictures of what is not a graph: attention maps, heads, and curves.

    attention(weights, tokens)       heat maps, of one layer or of a whole model
    head_view(weights, tokens)       threads from queries to keys, all heads in one picture
    curves({"train": losses})        lines over steps, for training logs
    entropy(weights)                 how widely each head looks

Each picture is a `Figure`: a notebook shows it, `print` shows it as text, `write` puts it into a file. Nothing is
needed for that but this package.
"""

from .figure import Figure as Figure
from .headview import head_view as head_view
from .heatmap import attention as attention
from .lines import curves as curves
from .weights import entropy as entropy

__all__ = ["Figure", "attention", "curves", "entropy", "head_view"]
