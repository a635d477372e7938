"""nn: layers and models on minigrad's tensors, with PyTorch's names.

>>> import minigrad, nn
>>> model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
>>> loss = nn.CrossEntropyLoss()(model(minigrad.ones(7, 3)), minigrad.zeros(7, dtype=minigrad.long))
>>> loss.backward()
>>> model[0].weight.grad.shape
(5, 3)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minigrad.lazy import lazily

# For type checkers, and for editors that lead to a definition; Python goes by the table at the end.
if TYPE_CHECKING:
    from . import audio, data, decoding, functional, init, masks, normalisation, optim, similarity, utils
    from .activation import (
        CELU,
        ELU,
        GELU,
        GLU,
        SELU,
        Flatten,
        Hardshrink,
        Hardsigmoid,
        Hardswish,
        Hardtanh,
        LeakyReLU,
        LogSigmoid,
        LogSoftmax,
        Mish,
        PReLU,
        ReLU,
        ReLU6,
        RReLU,
        Sigmoid,
        SiLU,
        Softmax,
        Softmax2d,
        Softmin,
        Softplus,
        Softshrink,
        Softsign,
        Tanh,
        Tanhshrink,
        Threshold,
        Unflatten,
    )
    from .attention import Attention, AttentionPool, CrossAttention, Heads, MultiHead, SelfAttention, attend
    from .container import Identity, ModuleDict, ModuleList, ParameterList, Sequential
    from .conv import (
        AdaptiveAvgPool1d,
        AdaptiveAvgPool2d,
        AdaptiveMaxPool1d,
        AdaptiveMaxPool2d,
        AvgPool1d,
        AvgPool2d,
        Conv1d,
        Conv2d,
        MaxPool1d,
        MaxPool2d,
    )
    from .crf import CRF
    from .decoding import beam_search, greedy
    from .dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d
    from .embedding import Embedding, EmbeddingBag
    from .graph_attention import GraphAttention
    from .graph_convolution import GraphConvolution
    from .hierarchy import Hierarchical, pad_documents
    from .linear import Bilinear, LazyLinear, Linear
    from .local_attention import LocalAttention, WindowAttention
    from .loss import (
        BCELoss,
        BCEWithLogitsLoss,
        CosineEmbeddingLoss,
        CosineSimilarity,
        CrossEntropyLoss,
        HuberLoss,
        KLDivLoss,
        L1Loss,
        MarginRankingLoss,
        MSELoss,
        NLLLoss,
        PairwiseDistance,
        SmoothL1Loss,
        TripletMarginLoss,
    )
    from .module import Module, Parameter
    from .multihead import MultiheadAttention
    from .norm import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, LazyBatchNorm1d, RMSNorm
    from .overview import summary
    from .positions import (
        ALiBi,
        GridBias,
        LearnedPositions,
        RelativeBias,
        RelativeKeys,
        Rotary,
        SinusoidalPositions,
        sinusoids,
    )
    from .record import record_attention
    from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
    from .seq2seq import Seq2Seq
    from .text_cnn import Convolutions, TextCNN, max_over_time, mean_over_time
    from .transformer import (
        EncoderBlock,
        Transformer,
        TransformerDecoder,
        TransformerDecoderLayer,
        TransformerEncoder,
        TransformerEncoderLayer,
    )
    from .walkthrough import walk_through
    from .window import Window

__all__ = [
    "CELU",
    "CRF",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "ALiBi",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AlphaDropout",
    "Attention",
    "AttentionPool",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Bilinear",
    "Conv1d",
    "Conv2d",
    "Convolutions",
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "CrossAttention",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Embedding",
    "EmbeddingBag",
    "EncoderBlock",
    "Flatten",
    "GRUCell",
    "GraphAttention",
    "GraphConvolution",
    "GridBias",
    "GroupNorm",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Heads",
    "Hierarchical",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LSTMCell",
    "LayerNorm",
    "LazyBatchNorm1d",
    "LazyLinear",
    "LeakyReLU",
    "LearnedPositions",
    "Linear",
    "LocalAttention",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MarginRankingLoss",
    "MaxPool1d",
    "MaxPool2d",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiHead",
    "MultiheadAttention",
    "NLLLoss",
    "PReLU",
    "PairwiseDistance",
    "Parameter",
    "ParameterList",
    "RMSNorm",
    "RNNCell",
    "RReLU",
    "ReLU",
    "ReLU6",
    "RelativeBias",
    "RelativeKeys",
    "Rotary",
    "SelfAttention",
    "Seq2Seq",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SinusoidalPositions",
    "SmoothL1Loss",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "TextCNN",
    "Threshold",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "TripletMarginLoss",
    "Unflatten",
    "Window",
    "WindowAttention",
    "attend",
    "audio",
    "beam_search",
    "data",
    "decoding",
    "functional",
    "greedy",
    "init",
    "masks",
    "max_over_time",
    "mean_over_time",
    "normalisation",
    "optim",
    "pad_documents",
    "record_attention",
    "similarity",
    "sinusoids",
    "summary",
    "utils",
    "walk_through",
]

# Where to find what, when it is first asked for.
lazily(
    __name__,
    {
        "activation": (
            "CELU ELU GELU GLU SELU Flatten Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax "
            "Mish PReLU ReLU ReLU6 RReLU Sigmoid SiLU Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh "
            "Tanhshrink Threshold Unflatten"
        ),
        "attention": "Attention AttentionPool CrossAttention Heads MultiHead SelfAttention attend",
        "audio": "",
        "container": "Identity ModuleDict ModuleList ParameterList Sequential",
        "conv": (
            "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool1d AdaptiveMaxPool2d AvgPool1d AvgPool2d Conv1d Conv2d "
            "MaxPool1d MaxPool2d"
        ),
        "crf": "CRF",
        "data": "",
        "decoding": "beam_search greedy",
        "dropout": "AlphaDropout Dropout Dropout1d Dropout2d",
        "embedding": "Embedding EmbeddingBag",
        "functional": "",
        "graph_attention": "GraphAttention",
        "graph_convolution": "GraphConvolution",
        "hierarchy": "Hierarchical pad_documents",
        "init": "",
        "linear": "Bilinear LazyLinear Linear",
        "local_attention": "LocalAttention WindowAttention",
        "loss": (
            "BCELoss BCEWithLogitsLoss CosineEmbeddingLoss CosineSimilarity CrossEntropyLoss HuberLoss KLDivLoss "
            "L1Loss MarginRankingLoss MSELoss NLLLoss PairwiseDistance SmoothL1Loss TripletMarginLoss"
        ),
        "masks": "",
        "module": "Module Parameter",
        "multihead": "MultiheadAttention",
        "norm": "BatchNorm1d BatchNorm2d GroupNorm LayerNorm LazyBatchNorm1d RMSNorm",
        "normalisation": "",
        "optim": "",
        "overview": "summary",
        "positions": "ALiBi GridBias LearnedPositions RelativeBias RelativeKeys Rotary SinusoidalPositions sinusoids",
        "record": "record_attention",
        "recurrent": "GRU LSTM RNN GRUCell LSTMCell RNNCell",
        "seq2seq": "Seq2Seq",
        "similarity": "",
        "text_cnn": "Convolutions TextCNN max_over_time mean_over_time",
        "transformer": (
            "EncoderBlock Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder "
            "TransformerEncoderLayer"
        ),
        "utils": "",
        "walkthrough": "walk_through",
        "window": "Window",
    },
)
