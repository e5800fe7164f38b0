"""Plain spectrum: amplitudes of tones, and what cannot be transformed."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.plain_spectrum import hann, plain_spectrum


@pytest.mark.parametrize("frequency_hz", [33.0, 33.11, 250.07])
def test_a_tone_has_its_amplitude(frequency_hz: float) -> None:
    rate_hz, n = 2_000.0, 8_000
    tone = 4.0 + 1.7 * np.sin(2 * np.pi * frequency_hz * np.arange(n) / rate_hz)
    found = plain_spectrum(tone.astype(np.float32), rate_hz)
    at = int(found.amplitude.argmax())
    assert at * found.step_hz == pytest.approx(frequency_hz, abs=found.step_hz)
    # Between two bins half the resolution apart a Hann window loses at most 0.4 dB.
    assert 1.7 * 0.95 < found.amplitude[at] < 1.7 * 1.01
    assert found.duration_s == pytest.approx(4.0)


def test_the_kept_window_cannot_be_written() -> None:
    np.testing.assert_allclose(hann(101), np.hanning(101), atol=1e-6)
    with pytest.raises(ValueError, match="read-only"):
        hann(101)[0] = 1.0


def test_a_sample_that_is_no_number_is_not_hidden() -> None:
    samples = np.ones(1000, np.float32)
    samples[3] = np.nan
    assert np.isnan(plain_spectrum(samples, 100.0).amplitude).all()


@pytest.mark.parametrize(("n", "rate_hz"), [(3, 100.0), (1000, 0.0), (1000, float("nan"))])
def test_what_cannot_be_is_refused(n: int, rate_hz: float) -> None:
    with pytest.raises(DspError):
        plain_spectrum(np.ones(n, np.float32), rate_hz)
