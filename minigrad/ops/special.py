"""The error function, which NumPy lacks: everything GELU needs that is not already there.

    erf(x) = 2/√π ∫₀ˣ exp(−t²) dt

It is as exact as the dtype that it is given.
"""

from __future__ import annotations

import numpy as np

# With t = 2 / (2 + |x|), erfc(|x|) = t · exp(−x² + p(2t − 1)), where p is the polynomial through
# log(erfc(x) · exp(x²) / t) at the Chebyshev points, computed with 40 digits. 24 terms are exact in float64.
_COEFFICIENTS = np.array(
    [
        -6.513268598908541e-01, 6.419697923564891e-01, 1.947647320418697e-02, -9.561514786809649e-03,
        -9.465953444811715e-04, 3.668394978520812e-04, 4.252332480737681e-05, -2.027857811277411e-05,
        -1.624290004645502e-06, 1.303655835817366e-06, 1.562644125598995e-08, -8.523809523755231e-08,
        6.529053576474988e-09, 5.059344510264854e-09, -9.913652842985734e-10, -2.273639247314266e-10,
        9.646668971138594e-11, 2.395236224286429e-12, -6.887156482984992e-12, 8.955043471423198e-13,
        3.122272777782539e-13, -1.120281102770190e-13, -8.818762318172808e-17, 7.346560770692627e-15,
    ]
)  # fmt: skip

# In float32, erf(x) = tanh(x · q(x²)) with a polynomial q of seven terms: the error, at most 2 · 10⁻⁷ of the result, is
# that of the arithmetic. The lowest power comes first. Beyond x = 4, x · q(x²) is above 8 and its tanh, as erf, is 1.
_SHORT = [
    1.128379274e00, 1.027690558e-01, -1.918307495e-04, -6.197846912e-04, 8.763733507e-05, -5.668476229e-06,
    1.418522274e-07,
]  # fmt: skip


def erf(x: np.ndarray) -> np.ndarray:
    """The error function of each entry, to the precision of its dtype.

    >>> erf(np.array([0.0, 1.0, -1.0])).round(6).tolist()
    [0.0, 0.842701, -0.842701]
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    return _short(x.astype(np.float32, copy=False)).astype(x.dtype, copy=False) if x.itemsize < 8 else _long(x)


def _short(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        square = x * x
        q = _SHORT[-1] * square
        for coefficient in _SHORT[-2:0:-1]:
            q += coefficient
            q *= square
        q += _SHORT[0]
        q *= x
    return np.tanh(q)


def _long(x: np.ndarray) -> np.ndarray:
    magnitude = np.abs(x)
    t = 2 / (2 + magnitude)
    p = np.polynomial.chebyshev.chebval(2 * t - 1, _COEFFICIENTS)
    with np.errstate(over="ignore"):
        return np.copysign(1 - t * np.exp(p - x * x), x)
