"""The benchmark of other backends: what needs neither of them."""

import pytest

from benchmarks import backend_speed


def test_ratios_are_those_of_the_same_round():
    """Times that rise in both from round to round leave a ratio that does not."""
    found = backend_speed.summary([1.0, 2.0, 30.0], [2.0, 4.0, 40.0])
    assert found == {"ms": 2.0, "ratio": 0.5, "ratio_low": 0.5, "ratio_high": 0.75}
    assert backend_speed.summary([1.0, 2.0], None) == {"ms": 1.5}


def test_another_backend_is_one_line():
    with pytest.raises(SystemExit, match="KERAS_BACKEND must be jax or torch.*Received: tensorflow"):
        backend_speed.main()


def test_an_unknown_size_is_one_line(monkeypatch):
    monkeypatch.setattr(backend_speed.keras.backend, "backend", lambda: "torch")
    with pytest.raises(SystemExit, match="Choose from s20, .*Received: huge"):
        backend_speed.main(sizes="s20,huge")
