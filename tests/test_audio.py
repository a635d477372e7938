"""Sound: files there and back, framing arithmetic, mel bands by hand, and what each mistake is told."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError
from nn.audio import frames, hertz_to_mel, log_mel, mel_filters, mel_to_hertz, read_wav, write_wav


def tone(frequency: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


# ---- files ----------------------------------------------------------------------------------------------------------


def test_a_signal_comes_back_from_its_file(tmp_path: Path) -> None:
    signal = np.linspace(-1, 1, 101)
    write_wav(tmp_path / "a.wav", signal, 8000)
    back, rate = read_wav(tmp_path / "a.wav")
    assert rate == 8000
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, signal, atol=2 / 32768)


def wav(path: Path, size: int, data: bytes, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((channels, size, 11025, 0, "NONE", ""))
        sound.writeframes(data)
    return path


@pytest.mark.parametrize(
    ("size", "data"),
    [
        (1, bytes([0, 128, 192])),
        (2, struct.pack("<3h", -32768, 0, 16384)),
        (3, b"\x00\x00\x80" b"\x00\x00\x00" b"\x00\x00\x40"),
        (4, struct.pack("<3i", -(2**31), 0, 2**30)),
    ],
)  # fmt: skip
def test_every_width_of_sample_is_the_same_signal(tmp_path: Path, size: int, data: bytes) -> None:
    signal, rate = read_wav(wav(tmp_path / "a.wav", size, data))
    assert rate == 11025
    assert signal.tolist() == [-1.0, 0.0, 0.5]


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = wav(tmp_path / "a.wav", 2, struct.pack("<4h", 16384, 0, -16384, 16384), channels=2)
    assert read_wav(stereo)[0].tolist() == [0.25, 0.0]


def test_no_samples_are_an_empty_signal(tmp_path: Path) -> None:
    assert read_wav(wav(tmp_path / "a.wav", 2, b""))[0].shape == (0,)


def test_what_is_no_wav_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("not sound")
    with pytest.raises(ValueError, match=r"read_wav: .*a\.wav is not a WAV file.*16-bit PCM"):
        read_wav(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(b"")
    with pytest.raises(ValueError, match="it ends too early"):
        read_wav(tmp_path / "b.wav")
    floats = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36, b"WAVE", b"fmt ", 16, 3, 1, 8000, 32000, 4, 32, b"data", 0)
    (tmp_path / "c.wav").write_bytes(floats)
    with pytest.raises(ValueError, match=r"unknown format: 3.*16-bit PCM"):
        read_wav(tmp_path / "c.wav")
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")


def test_a_signal_that_no_file_can_hold(tmp_path: Path) -> None:
    for bad in ([0.0, 1.5], [float("nan")]):
        with pytest.raises(ValueError, match=r"between −1 and 1.*divide the signal"):
            write_wav(tmp_path / "a.wav", bad, 8000)
    with pytest.raises(ShapeError, match=r"\(2, 3\)"):
        write_wav(tmp_path / "a.wav", np.zeros((2, 3)), 8000)


# ---- frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "rate", "shape"),
    [(16000, 16000, (98, 400)), (8000, 8000, (98, 200)), (400, 16000, (1, 400)), (559, 16000, (1, 400)),
     (560, 16000, (2, 400)), (11025, 11025, (98, 276))],
)  # fmt: skip
def test_windows_of_25_ms_every_10_ms(samples: int, rate: int, shape: tuple[int, int]) -> None:
    assert frames(np.zeros(samples), rate).shape == shape


def test_frame_t_starts_t_hops_later() -> None:
    signal = np.arange(16000)
    cut = frames(signal, 16000)
    for t in (0, 1, 97):
        assert (cut[t] == signal[160 * t : 160 * t + 400]).all()
    assert cut.dtype == signal.dtype


def test_frames_are_a_copy_and_take_batches() -> None:
    signal = np.zeros((3, 7))
    cut = frames(signal, 1, window=3, hop=2)
    assert cut.shape == (3, 3, 3)
    cut += 1
    assert (signal == 0).all()
    assert (cut == 1).all()


def test_a_signal_without_a_whole_frame() -> None:
    with pytest.raises(ShapeError, match=r"\(399,\) does not fill one window of 400 samples"):
        frames(np.zeros(399), 16000)
    with pytest.raises(ShapeError, match=r"shape \(\)"):
        frames(np.array(3.0), 16000)
    with pytest.raises(ShapeError, match=r"\(1,\) does not fill"):
        log_mel(3.0, 16000)


def test_a_window_or_hop_of_nothing() -> None:
    with pytest.raises(ValueError, match="400 samples every 0"):
        frames(np.zeros(1600), 16000, hop=0.00001)


# ---- frequencies ----------------------------------------------------------------------------------------------------


def test_mel_there_and_back() -> None:
    f = np.array([0.0, 60.0, 700.0, 4000.0])
    np.testing.assert_allclose(hertz_to_mel(f), [0, 92.6, 2595 * np.log10(2), 2146.1], atol=0.1)
    np.testing.assert_allclose(mel_to_hertz(hertz_to_mel(f)), f, atol=1e-9)


def test_mel_filters_by_hand() -> None:
    """Two bands between corners chosen in hertz; on the frequencies 0, 700, 1400, 2100, 2800."""
    low, high = mel_to_hertz(np.array([0.0, 3 * 2595 * np.log10(2)]))  # corners 0, 700, 2100, 4900
    got = mel_filters(2, 14, rate=9800, low=low, high=high)
    assert got.shape == (2, 8)
    np.testing.assert_allclose(got[0], [0, 1, 0.5, 0, 0, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(got[1], [0, 0, 0.5, 1, 0.75, 0.5, 0.25, 0], atol=1e-12)


def test_inner_frequencies_belong_to_two_bands_wholly() -> None:
    filters = mel_filters(24, 256, 8000)
    f = np.fft.rfftfreq(256, 1 / 8000)
    corners = mel_to_hertz(np.linspace(hertz_to_mel(60.0), hertz_to_mel(4000.0), 26))
    inside = (f >= corners[1]) & (f <= corners[-2])
    np.testing.assert_allclose(filters.sum(0)[inside], 1)
    assert (filters >= 0).all()


def test_limits_that_the_rate_does_not_allow() -> None:
    with pytest.raises(ValueError, match=r"from 60 to 5000 Hz.*0 to 4000"):
        mel_filters(24, 256, 8000, high=5000)
    with pytest.raises(ValueError, match=r"band [0-9]+ of 200.*31\.2 Hz.*fewer bands"):
        mel_filters(200, 256, 8000)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_tone_is_loudest_in_its_band(rate: int) -> None:
    centres = mel_to_hertz(np.linspace(hertz_to_mel(60.0), hertz_to_mel(rate / 2), 26))[1:-1]
    for band in (3, 11, 20):
        y = log_mel(tone(centres[band], rate), rate)
        assert y.shape == (98, 24)
        assert (y.argmax(-1) == band).all()


def test_log_mel_is_what_its_formula_says() -> None:
    """One frame, transformed by the definition of a Fourier transform."""
    signal = np.random.default_rng(1).uniform(-1, 1, 5)
    s = [signal[0], *(signal[t] - 0.97 * signal[t - 1] for t in range(1, 5))]
    s = [v * (0.54 - 0.46 * np.cos(2 * np.pi * t / 4)) for t, v in enumerate(s)]
    energy = [abs(sum(v * np.exp(-2j * np.pi * k * t / 8) for t, v in enumerate(s))) ** 2 for k in range(5)]
    expected = np.log(mel_filters(2, 8, 5, low=0) @ energy + 1e-6)
    np.testing.assert_allclose(log_mel(signal, 5, bands=2, window=1, hop=1, low=0), [expected])


def test_twice_as_loud_is_the_same_step_everywhere() -> None:
    signal = np.random.default_rng(1).uniform(-0.5, 0.5, 4000)
    np.testing.assert_allclose(log_mel(2 * signal, 8000) - log_mel(signal, 8000), np.log(4), atol=1e-3)


def test_silence_is_the_floor_and_types_are_kept() -> None:
    y = log_mel(np.zeros((2, 800), np.float32), 8000)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, np.full((2, 8, 24), np.log(1e-6)), rtol=1e-6)
    assert log_mel(minigrad.zeros(800, dtype=minigrad.float64), 8000).dtype == np.float64


def test_the_signal_is_left_as_it_was() -> None:
    signal = np.ones(800)
    log_mel(signal, 8000)
    assert (signal == 1).all()


def test_whole_numbers_are_no_signal() -> None:
    with pytest.raises(TypeError, match=r"int16; divide 16-bit samples by 32768"):
        log_mel(np.zeros(800, np.int16), 8000)
