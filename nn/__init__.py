"""nn: layers and models on minigrad's tensors, with PyTorch's names.

>>> import minigrad, nn
>>> model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
>>> loss = nn.CrossEntropyLoss()(model(minigrad.ones(7, 3)), minigrad.zeros(7, dtype=minigrad.long))
>>> loss.backward()
>>> model[0].weight.grad.shape
(5, 3)
"""

from __future__ import annotations

from . import data, functional, init, optim, utils
from .activation import (
    ELU,
    GELU,
    GLU,
    Flatten,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softmin,
    Softplus,
    Tanh,
    Unflatten,
)
from .attention import MultiHead, SelfAttention
from .container import Identity, ModuleDict, ModuleList, ParameterList, Sequential
from .conv import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    MaxPool1d,
    MaxPool2d,
)
from .dropout import Dropout, Dropout1d
from .embedding import Embedding
from .linear import Linear
from .loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CosineSimilarity,
    CrossEntropyLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from .module import Module, Parameter
from .norm import BatchNorm1d, LayerNorm, RMSNorm
from .positions import LearnedPositions, RelativeBias, SinusoidalPositions, sinusoids
from .recurrent import RNNCell
from .transformer import EncoderBlock
from .window import Window

__all__ = [
    "ELU",
    "GELU",
    "GLU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "Conv1d",
    "Conv2d",
    "CosineSimilarity",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Embedding",
    "EncoderBlock",
    "Flatten",
    "Hardtanh",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "LearnedPositions",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiHead",
    "NLLLoss",
    "Parameter",
    "ParameterList",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "RelativeBias",
    "SelfAttention",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SinusoidalPositions",
    "SmoothL1Loss",
    "Softmax",
    "Softmin",
    "Softplus",
    "Tanh",
    "Unflatten",
    "Window",
    "data",
    "functional",
    "init",
    "optim",
    "sinusoids",
    "utils",
]
