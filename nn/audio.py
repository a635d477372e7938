"""Sound as a sequence of vectors: overlapping frames of a signal, and how much energy each has at which pitch.

    signal, rate = read_wav("speech.wav")     # (N), between −1 and 1
    windows = frames(signal, rate)            # (T, W): 25 ms of samples every 10 ms
    x = log_mel(signal, rate)                 # (T, 24): what a model learns from, one vector for each frame

The numbers of `log_mel` depend on loudness and microphone: subtract their mean over the training data, and divide by
their deviation, before a model sees them. Everything here is NumPy arrays; `minigrad.tensor(x)` makes of one what
layers take.

Letters: N samples, T frames, W samples of a frame. Times are in seconds, frequencies in hertz.
"""

from __future__ import annotations

import os
import wave
from typing import Any

import numpy as np

from minigrad import ShapeError
from minigrad.tensor import as_array

# ---- files ----------------------------------------------------------------------------------------------------------


def read_wav(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """(The signal, its rate) of a WAV file with whole numbers of 8, 16, 24 or 32 bits; channels are averaged.

    **Shapes**: signal (N), float32 from −1 to 1; the rate is the number of samples in a second.

    **Raises** `ValueError` if the file is no such WAV file, and what `open` raises.
    """
    with open(path, "rb") as file:
        try:
            with wave.open(file) as sound:
                rate, channels, size = sound.getframerate(), sound.getnchannels(), sound.getsampwidth()
                data = sound.readframes(sound.getnframes())
        except (wave.Error, EOFError) as error:
            raise ValueError(
                f"read_wav: {os.fspath(path)} is not a WAV file of whole numbers "
                f"({str(error) or 'it ends too early'}); convert it to 16-bit PCM"
            ) from error
    whole = np.frombuffer(data, np.uint8)[: len(data) // (size * channels) * size * channels].reshape(-1, size)
    if size == 1:  # the only width without a sign: silence is 128
        numbers = whole[:, 0].astype(np.float64) - 128
    else:  # little-endian; placed in the upper bytes of 32 bits, so that the sign is where it belongs
        wide = np.zeros((len(whole), 4), np.uint8)
        wide[:, 4 - size :] = whole
        numbers = wide.view("<i4")[:, 0] / 256.0 ** (4 - size)
    signal = numbers.reshape(-1, channels).mean(1) / 2.0 ** (8 * size - 1)
    return signal.astype(np.float32), rate


def write_wav(path: str | os.PathLike[str], signal: Any, rate: int) -> None:
    """Write a signal between −1 and 1 as a WAV file with one channel of 16 bits.

    **Shapes**: signal (N).

    **Raises** `ShapeError` for more than one dimension, `ValueError` for samples beyond −1 and 1.
    """
    signal = as_array(signal)
    if signal.ndim != 1:
        raise ShapeError(f"write_wav: a signal has one dimension, its samples; this one has shape {signal.shape}")
    loudest = np.abs(signal).max(initial=0)
    if not loudest <= 1:
        raise ValueError(
            f"write_wav: samples lie between −1 and 1, and here is one of size {loudest:g}; "
            f"divide the signal by its greatest absolute value"
        )
    with wave.open(os.fspath(path), "wb") as sound:
        sound.setparams((1, 2, rate, len(signal), "NONE", "not compressed"))
        sound.writeframes(np.rint(signal * 32767).astype("<i2").tobytes())


# ---- frames ---------------------------------------------------------------------------------------------------------


def frames(signal: Any, rate: float, window: float = 0.025, hop: float = 0.010) -> np.ndarray:
    """Pieces of `window` seconds, one every `hop` seconds; samples at the end that fill no piece are left out.

        frame_t = signal[t · hop · rate : t · hop · rate + window · rate]

    **Shapes**: signal (…, N) → (…, T, W) with W = window · rate and T = 1 + ⌊(N − W) / (hop · rate)⌋, where window and
    hop are rounded to whole samples.

    **Raises** `ShapeError` if the signal is shorter than one window, `ValueError` if that or the hop is empty.

    >>> frames(np.arange(7.0), rate=1, window=3, hop=2)
    array([[0., 1., 2.],
           [2., 3., 4.],
           [4., 5., 6.]])
    >>> frames(np.zeros(16000), rate=16000).shape  # one second
    (98, 400)
    """
    signal = as_array(signal)
    size, step = round(window * rate), round(hop * rate)
    if size < 1 or step < 1:
        raise ValueError(
            f"frames: at {rate:g} Hz, a window of {window:g} s every {hop:g} s is {size} samples every {step}; "
            f"both must be at least 1"
        )
    if signal.ndim == 0 or signal.shape[-1] < size:
        raise ShapeError(
            f"frames: a signal of shape {signal.shape} does not fill one window of {size} samples "
            f"({window:g} s at {rate:g} Hz); add zeros at its end, or take a shorter window"
        )
    return np.lib.stride_tricks.sliding_window_view(signal, size, axis=-1)[..., ::step, :].copy()


# ---- frequencies ----------------------------------------------------------------------------------------------------


def hertz_to_mel(frequency: Any) -> Any:
    """Pitch as it is heard, in mel: equal steps sound equally wide; mel = 2595 log₁₀(1 + f / 700).

    Source: O'Shaughnessy, "Speech Communication: Human and Machine" (1987), page 150.

    >>> round(float(hertz_to_mel(1000.0)), 1)
    1000.0
    """
    return 2595 * np.log10(1 + np.asarray(frequency) / 700)


def mel_to_hertz(mel: Any) -> Any:
    """The frequency that is heard as this pitch, the inverse of `hertz_to_mel`: f = 700 (10^(mel / 2595) − 1)."""
    return 700 * (10 ** (np.asarray(mel) / 2595) - 1)


def mel_filters(bands: int, size: int, rate: float, low: float = 60.0, high: float | None = None) -> np.ndarray:
    """How much each frequency of a Fourier transform counts in each of `bands` overlapping bands, equally wide in mel.

    Band b is a triangle: it rises from 0 at the middle of band b − 1 to 1 at its own, and falls to 0 at that of b + 1.

    **Shapes**: (bands, size / 2 + 1), for the frequencies 0, rate / size, 2 rate / size … rate / 2 of `np.fft.rfft` of
    `size` samples. `high` is rate / 2 unless given.

    **Raises** `ValueError` for limits outside 0 … rate / 2, or a band so narrow that it has none of the frequencies.

    >>> mel_filters(2, 8, rate=8000, low=0).shape
    (2, 5)
    """
    high = rate / 2 if high is None else high
    if not 0 <= low < high <= rate / 2:
        raise ValueError(
            f"mel_filters: bands from {low:g} to {high:g} Hz, but a rate of {rate:g} Hz has frequencies from 0 to "
            f"{rate / 2:g}; choose low and high among them"
        )
    corners = mel_to_hertz(np.linspace(hertz_to_mel(low), hertz_to_mel(high), bands + 2))
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    frequency = np.fft.rfftfreq(size, 1 / rate)
    filters = np.minimum((frequency - left) / (middle - left), (right - frequency) / (right - middle)).clip(min=0)
    for b in np.flatnonzero(filters.sum(1) == 0):
        raise ValueError(
            f"mel_filters: band {b} of {bands}, from {left[b, 0]:.0f} to {right[b, 0]:.0f} Hz, has no frequency of a "
            f"transform of {size} samples, which come every {rate / size:.1f} Hz; take fewer bands or longer windows"
        )
    return filters


def log_mel(
    signal: Any,
    rate: float,
    bands: int = 24,
    window: float = 0.025,
    hop: float = 0.010,
    low: float = 60.0,
    high: float | None = None,
    emphasis: float = 0.97,
) -> np.ndarray:
    """The logarithm of the energy in each band of each frame: a spectrogram as coarse as hearing.

        s'_t = s_t − emphasis · s_{t−1}                     high frequencies are weak in speech
        energy = |Fourier transform(Hamming · frame)|²      of 2ⁿ samples, as many as a frame and zeros behind it
        y = log(mel filters · energy + 10⁻⁶)

    **Shapes**: signal (…, N), between −1 and 1, → (…, T, bands), in the signal's float type, frames as in `frames`,
    bands as in `mel_filters`.

    **Raises** `TypeError` for a signal of whole numbers, and what `frames` and `mel_filters` raise.

    Source: Davis and Mermelstein, "Comparison of Parametric Representations for Monosyllabic Word Recognition in
    Continuously Spoken Sentences" (1980), before their cosine transform.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)  # one second of 1000 Hz
    >>> y = log_mel(tone, 8000)
    >>> y.shape, int(y.mean(0).argmax())
    ((98, 24), 10)
    """
    signal = np.atleast_1d(as_array(signal))
    if signal.dtype.kind != "f":
        raise TypeError(
            f"log_mel: a signal has floats between −1 and 1, not {signal.dtype}; divide 16-bit samples by 32768.0"
        )
    emphasised = signal.copy()
    emphasised[..., 1:] -= signal.dtype.type(emphasis) * signal[..., :-1]
    pieces = frames(emphasised, rate, window, hop)  # (…, T, W)
    width = pieces.shape[-1]
    size = 1 << (width - 1).bit_length()  # the next power of 2
    filters = mel_filters(bands, size, rate, low, high)
    energy = np.abs(np.fft.rfft(pieces * np.hamming(width), size)) ** 2  # (…, T, size / 2 + 1)
    return np.log(energy @ filters.T + 1e-6).astype(signal.dtype)
