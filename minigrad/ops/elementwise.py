"""Functions of single numbers, applied to every entry.

Each rule answers one question: if entry i of the result weighs g, how much does entry i of this argument weigh? That is
g times the derivative. Where a function has a kink, the gradient there is stated beside it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import op
from .special import erf as _erf

# ---- arithmetic -----------------------------------------------------------------------------------------------------

add = op(np.add, "add",      a=lambda g: g,
                             b=lambda g: g)  # fmt: skip
sub = op(np.subtract, "sub", a=lambda g: g,
                             b=lambda g: -g)  # fmt: skip
mul = op(np.multiply, "mul", a=lambda g, b: g * b,
                             b=lambda g, a: g * a)  # fmt: skip
div = op(np.divide, "div",   a=lambda g, b: g / b,
                             b=lambda g, b, out: -g * out / b)  # fmt: skip
neg = op(np.negative, "neg", x=lambda g: -g)


def _reciprocal(x: Any) -> Any:
    """1 / x."""
    return 1 / x


def _rsqrt(x: Any) -> Any:
    """1 / √x."""
    return 1 / np.sqrt(x)


def _lerp(start: Any, end: Any, weight: Any) -> Any:
    """The point between start and end: start + weight · (end − start)."""
    return start + weight * (end - start)


def _pow(x: Any, exponent: Any) -> Any:
    """x to the power `exponent`; unlike np.power, `**` squares by multiplying."""
    if type(exponent) in (int, float) and exponent == 3:  # as often as not in a GELU
        return x * x * x
    return x**exponent


def _pow_base(g: Any, x: Any, exponent: Any) -> Any:
    """d(xᵇ)/dx = b xᵇ⁻¹, which is 0 for b = 0 even at x = 0."""
    b = exponent
    if isinstance(b, (int, float)):
        if b == 2 and isinstance(x, np.ndarray):  # by far the commonest; of a tensor, the derivative is a power again
            return g * (x + x)
        return g * (b * x ** (b - 1)) if b else 0 * g
    return g * b * x ** np.where(b == 0, 1, b - 1)


def _pow_exponent(g: Any, x: Any, out: Any) -> Any:
    """d(xᵇ)/db = xᵇ log x, which is 0 for x = 0."""
    return g * out * np.log(np.where(x == 0, 1, x))


pow = op(_pow, "pow", "elementwise", x=_pow_base, exponent=_pow_exponent)

remainder = op(np.remainder, "remainder", a=lambda g: g,                        # between the jumps
                                          b=lambda g, a, b: -g * np.floor(a / b))  # fmt: skip
floor_divide = op(np.floor_divide, "floor_divide", a=lambda g: 0 * g,  # constant between the jumps
                                                   b=lambda g: 0 * g)  # fmt: skip

abs = op(np.absolute, "abs", x=lambda g, x: g * np.sign(x))  # 0 at 0
sign = op(np.sign, "sign", x=lambda g: 0 * g)
square = op(np.square, "square", x=lambda g, x: 2 * g * x)
sqrt = op(np.sqrt, "sqrt", x=lambda g, out: g / (2 * out))
reciprocal = op(_reciprocal, "reciprocal", "elementwise", x=lambda g, out: -g * out * out)
rsqrt = op(_rsqrt, "rsqrt", "elementwise", x=lambda g, out: -0.5 * g * out * out * out)
lerp = op(_lerp, "lerp", "elementwise",
          start=lambda g, weight: g * (1 - weight),
          end=lambda g, weight: g * weight,
          weight=lambda g, start, end: g * (end - start))  # fmt: skip

# ---- exponentials and logarithms ------------------------------------------------------------------------------------

exp = op(np.exp, "exp", x=lambda g, out: g * out)
exp2 = op(np.exp2, "exp2", x=lambda g, out: g * out * math.log(2))
expm1 = op(np.expm1, "expm1", x=lambda g, out: g * (out + 1))
log = op(np.log, "log", x=lambda g, x: g / x)
log1p = op(np.log1p, "log1p", x=lambda g, x: g / (1 + x))
log2 = op(np.log2, "log2", x=lambda g, x: g / (x * math.log(2)))
log10 = op(np.log10, "log10", x=lambda g, x: g / (x * math.log(10)))
logaddexp = op(np.logaddexp, "logaddexp", a=lambda g, a, out: g * share(a, out),
                                          b=lambda g, b, out: g * share(b, out))  # fmt: skip


def share(x: Any, total: Any) -> Any:
    """exp(x) / exp(total), which is 0 where both are."""
    return np.exp(x - np.maximum(total, np.finfo(total.dtype).min))  # not −inf, for −inf − −inf is no number


# ---- trigonometry ---------------------------------------------------------------------------------------------------

sin = op(np.sin, "sin", x=lambda g, x: g * np.cos(x))
cos = op(np.cos, "cos", x=lambda g, x: -g * np.sin(x))
tan = op(np.tan, "tan", x=lambda g, out: g * (1 + out * out))
asin = op(np.arcsin, "asin", x=lambda g, x: g / np.sqrt(1 - x * x))
acos = op(np.arccos, "acos", x=lambda g, x: -g / np.sqrt(1 - x * x))
atan = op(np.arctan, "atan", x=lambda g, x: g / (1 + x * x))
atan2 = op(np.arctan2, "atan2", a=lambda g, a, b: g * b / (a * a + b * b),
                                b=lambda g, a, b: -g * a / (a * a + b * b))  # fmt: skip
sinh = op(np.sinh, "sinh", x=lambda g, x: g * np.cosh(x))
cosh = op(np.cosh, "cosh", x=lambda g, x: g * np.sinh(x))
tanh = op(np.tanh, "tanh", x=lambda g, out: g * (1 - out * out))

# ---- activations ----------------------------------------------------------------------------------------------------


BLOCK = 1 << 16  # so many numbers at a time: from 256 KB on, NumPy writes x + 1 into the memory of an x in passing


def _in_blocks(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of single numbers, which takes large arrays a block at a time.

    A function of several steps makes an array at each. Those of a block stay in the cache, and their memory is used
    again for the next block: twice as fast where all of them together do not fit into the cache. Numbers of half
    precision give the function's value in single precision, rounded.
    """

    @functools.wraps(function)
    def call(x: Any, *others: Any) -> Any:
        if not isinstance(x, np.ndarray) or (x.size <= BLOCK and x.itemsize > 2) or x.dtype.kind != "f":
            return function(x, *others)
        xs = [x, *[y for y in others if isinstance(y, np.ndarray)]]
        options = others[len(xs) - 1 :]
        if x.dtype == np.float16 and len(xs) == 1:
            return call(x.astype(np.float32), *options).astype(np.float16)
        if not all(y.flags.c_contiguous and y.shape == x.shape for y in xs):
            return function(x, *others)
        out = np.empty_like(x)
        flat, answers = [y.reshape(-1) for y in xs], out.reshape(-1)
        for start in range(0, x.size, BLOCK):
            block = slice(start, start + BLOCK)
            answers[block] = function(*[y[block] for y in flat], *options)
        return out

    return call


@_in_blocks
def _sigmoid(x: Any) -> Any:
    """1 / (1 + exp(−x))."""
    with np.errstate(over="ignore"):  # far below 0, exp(−x) may be infinite: then this is 0, as it should
        return 1 / (1 + np.exp(-x))


def _normal_cdf(x: Any) -> Any:
    return 0.5 * (1 + erf(x * math.sqrt(0.5)))


def _normal_pdf(x: Any) -> Any:
    return np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


def _relu(x: Any) -> Any:
    """The greater of x and 0."""
    return np.maximum(x, 0)


@_in_blocks
def _silu(x: Any) -> Any:
    """x / (1 + exp(−x)), also called swish."""
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


@_in_blocks
def _silu_rule(g: Any, x: Any, out: Any) -> Any:
    """g (s + x s (1 − s)), with s = sigmoid(x)."""
    s = _gate(x, out, sigmoid)
    return g * (s + out * (1 - s))


def _gate(x: Any, out: Any, gate: Callable[[Any], Any]) -> Any:
    """gate(x), of which out = x · gate(x) is known: out / x, except for tensors and where out has few digits."""
    if not isinstance(x, np.ndarray) or x.dtype == np.float16:
        return gate(x)
    found = np.asarray(out / x)
    small = np.abs(x) < 1e-30
    if small.any():
        found[small] = gate(x[small])
    return found


@_in_blocks
def _softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(βx)) / β, and simply x where βx > `threshold`."""
    z = beta * x
    return np.where(z > threshold, x, (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta)


def _softplus_rule(g: Any, x: Any, beta: float, threshold: float) -> Any:
    return g * np.where(beta * x > threshold, 1, sigmoid(beta * x))


sigmoid = op(_sigmoid, "sigmoid", "elementwise", x=lambda g, out: g * out * (1 - out))
erf = op(_in_blocks(_erf), "erf", "elementwise", x=lambda g, x: g * (2 / math.sqrt(math.pi)) * np.exp(-x * x))
relu = op(_relu, "relu", "elementwise", x=lambda g, out: g * (out > 0))  # 0 at 0
softplus = op(_softplus, "softplus", "elementwise", x=_softplus_rule)
silu = op(_silu, "silu", "elementwise", x=_silu_rule)


def _leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else `negative_slope` · x."""
    return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)


def _elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else α (exp(x) − 1)."""
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))


@_in_blocks
def _gelu(x: Any, approximate: str = "none") -> Any:
    """x Φ(x), with Φ the normal distribution function; or its `approximate="tanh"` form.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016), arXiv:1606.08415.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate is 'none' or 'tanh', not {approximate!r}")
    return x * _normal_cdf(x) if approximate == "none" else 0.5 * x * (1 + np.tanh(_gelu_inner(x)))


def _gelu_inner(x: Any) -> Any:
    return math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))


@_in_blocks
def _gelu_rule(g: Any, x: Any, out: Any, approximate: str) -> Any:
    """g (Φ(x) + x φ(x)), with the normal distribution function Φ and its density φ; or that of the tanh form."""
    if approximate == "none":
        return g * (_gate(x, out, _normal_cdf) + x * _normal_pdf(x))
    t = np.tanh(_gelu_inner(x))
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return g * (0.5 * (1 + t + x * (1 - t * t) * slope))


leaky_relu = op(_leaky_relu, "leaky_relu", "elementwise",
                x=lambda g, x, negative_slope: np.where(x > 0, g, negative_slope * g))  # fmt: skip
elu = op(_elu, "elu", "elementwise",
         x=lambda g, x, alpha: np.where(x > 0, g, g * (alpha * np.exp(np.minimum(x, 0)))))  # fmt: skip
gelu = op(_gelu, "gelu", "elementwise", x=_gelu_rule)

# ---- losses ---------------------------------------------------------------------------------------------------------


def _cut_log(x: Any) -> Any:
    """log x, but at least −100; where it is cut off, its gradient is 0."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(x), -100)


def _logistic_loss(x: Any, target: Any) -> Any:
    """−t log σ(x) − (1 − t) log(1 − σ(x)) for targets t, written so that nothing overflows or is lost."""
    return (1 - target) * x + np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))


cut_log = op(_cut_log, "cut_log", "elementwise",
             x=lambda g, x, out: g * (out > -100) / np.where(x == 0, 1, x))  # fmt: skip
logistic_loss = op(_logistic_loss, "logistic_loss", "elementwise",
                   x=lambda g, x, target: g * (sigmoid(x) - target),
                   target=lambda g, x: -g * x)  # fmt: skip

# ---- choosing -------------------------------------------------------------------------------------------------------


def _tied(g: Any, a: Any, b: Any) -> Any:
    """g where a > b, half of it where they tie."""
    return g * np.where(a == b, 0.5, a > b)


def _hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x, but at least `min_val` and at most `max_val`; on the bounds themselves the gradient is 0."""
    return np.clip(x, min_val, max_val)


def _clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """x, but at least `min` and at most `max`; on the bounds themselves the gradient passes."""
    if min is None and max is None:
        raise ValueError("give min, max or both")
    return x.clip(min, max)


def _inside(x: Any, min: Any, max: Any) -> Any:
    low = True if min is None else x >= min
    return low if max is None else low & (x <= max)


def _where(condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b; whatever stands in the branch not taken gets gradient 0, even if NaN."""
    return np.where(condition, a, b)


def _masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """x, with `value` where `mask` is True; what was there gets gradient 0, even if NaN."""
    if np.asarray(mask).dtype.kind != "b":
        raise TypeError(f"mask must be boolean, not {np.asarray(mask).dtype}; write mask.bool() or mask != 0")
    return np.where(mask, value, x)


maximum = op(np.maximum, "maximum", a=lambda g, a, b: _tied(g, a, b),
                                    b=lambda g, a, b: _tied(g, b, a))  # fmt: skip
minimum = op(np.minimum, "minimum", a=lambda g, a, b: _tied(g, b, a),
                                    b=lambda g, a, b: _tied(g, a, b))  # fmt: skip
clamp = op(_clamp, "clamp", "elementwise",
           x=lambda g, x, min, max: g * _inside(x, min, max),
           min=lambda g, x, min: g * (x < min),
           max=lambda g, x, max: g * (x > max))  # fmt: skip
hardtanh = op(_hardtanh, "hardtanh", "elementwise",
              x=lambda g, x, min_val, max_val: g * ((x > min_val) & (x < max_val)))  # 0 on the bounds  # fmt: skip
where = op(_where, "where", "select", a=lambda g, condition: np.where(condition, g, 0),
                                      b=lambda g, condition: np.where(condition, 0, g))  # fmt: skip
masked_fill = op(_masked_fill, "masked_fill", "select", x=lambda g, mask: np.where(mask, 0, g),
                                                        value=lambda g, mask: np.where(mask, g, 0))  # fmt: skip

# ---- steps: constant between the jumps, so the gradient is 0 --------------------------------------------------------


def _round(x: Any, decimals: int = 0) -> Any:
    """The nearest number with so many decimals; halves go to the even one."""
    return np.round(x, decimals)


floor = op(np.floor, "floor", x=lambda g: 0 * g)
ceil = op(np.ceil, "ceil", x=lambda g: 0 * g)
trunc = op(np.trunc, "trunc", x=lambda g: 0 * g)
round = op(_round, "round", "elementwise", x=lambda g: 0 * g)

# ---- questions: the answer has no gradient --------------------------------------------------------------------------

eq = op(np.equal, "eq")
ne = op(np.not_equal, "ne")
lt = op(np.less, "lt")
le = op(np.less_equal, "le")
gt = op(np.greater, "gt")
ge = op(np.greater_equal, "ge")
isnan = op(np.isnan, "isnan")
isinf = op(np.isinf, "isinf")
isfinite = op(np.isfinite, "isfinite")
logical_not = op(np.logical_not, "logical_not")
logical_and = op(np.logical_and, "logical_and")
logical_or = op(np.logical_or, "logical_or")
logical_xor = op(np.logical_xor, "logical_xor")
bitwise_not = op(np.bitwise_not, "bitwise_not")
bitwise_and = op(np.bitwise_and, "bitwise_and")
bitwise_or = op(np.bitwise_or, "bitwise_or")
bitwise_xor = op(np.bitwise_xor, "bitwise_xor")
