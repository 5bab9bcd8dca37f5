"""Simulated daily prices of many companies: nobody's property, so that what is trained on them may be passed on.

The log of the volatility of company i on day t is, with shocks ε of variance 1, and with parameters that are drawn for
every company where they have an index i:

    log σ_it = level_i + Σ_k sd_ik · a_ikt + announcement_it      k: days, weeks, months, as in HAR (Corsi 2009)
    a_ikt    = φ_ik · a_ik,t-1 + √(1 - φ_ik²) · ε_ikt             and a half-life of log ½ / log φ_ik days

Companies share a part of ε, and for days and weeks ε is high after a fall (the leverage effect). Announcements come
once a quarter. Within a day the price jumps, and then walks at random in steps of five minutes, so that range and
return belong together as in real prices: the log range is log σ with an error of about 0.3 (Alizadeh, Brandt & Diebold
2002, "Range-Based Estimation of Stochastic Volatility Models", Journal of Finance 57).
"""

import numpy as np
import pandas as pd
from scipy.signal import lfilter

COMPANIES = 40
DAYS = 5_000
WARM_UP = 1_000  # days before the first one that is kept
STEPS = 78  # of five minutes in a day of 6.5 hours
QUARTER = 63  # days
HALF_LIVES = (0.7, 3), (6, 20), (50, 250)  # days; here and below: from, to
DEVIATIONS = (0.05, 0.25), (0.12, 0.3), (0.2, 0.45)  # of the log volatility, for each half-life
LEVELS = 0.006, 0.025  # volatility of a usual day
SHARED = 0.3, 0.9  # of the variance of the shocks
OVERNIGHT = 0.0, 0.4  # of a day's variance
LEVERAGE = 0.05, 0.6  # correlation of the shocks with the fall of the day before
ANNOUNCED = 0.7  # of the companies
ANNOUNCEMENT = 0.2, 0.8  # added to the log volatility
AFTERWARDS = 0.45  # what is left of it each day after


def load(companies=COMPANIES, days=DAYS, seed=0):
    """Simulates prices: a DataFrame indexed by Date, with Ticker, Open, High, Low, Close and Volume.

    Args:
        companies, days: how many; the days are weekdays from 1999 on.
        seed: of all that is random.
    """
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(len(HALF_LIVES), WARM_UP + days))
    dates = pd.bdate_range("1999-01-04", periods=days, name="Date")
    frames = [_company(rng, shared).tail(days).set_index(dates) for _ in range(companies)]
    names = [f"S{i:02}" for i in range(companies)]
    return pd.concat(frames, keys=names, names=["Ticker"]).reset_index("Ticker")


def _company(rng, shared):
    days = shared.shape[1]
    gap, high, low, close = _walks(rng, days)
    fall = np.concatenate([[0], -(gap + close)[:-1]])
    varying = _announcements(rng, days) + sum(
        rng.uniform(*deviation) * _autoregression(_shocks(rng, common, fall * (k < 2)), rng.uniform(*half_life))
        for k, (half_life, deviation, common) in enumerate(zip(HALF_LIVES, DEVIATIONS, shared))
    )
    volatility = rng.uniform(*LEVELS) * np.exp(varying)
    before = np.concatenate([[0], np.cumsum(volatility * (gap + close))[:-1]])
    prices = {"Open": gap, "High": gap + high, "Low": gap + low, "Close": gap + close}
    frame = pd.DataFrame({name: 100 * np.exp(before + volatility * moved) for name, moved in prices.items()})
    busy = rng.uniform(0.2, 0.8) * varying + 0.5 * np.log(high - low)
    frame["Volume"] = np.exp(15 + busy + 0.25 * _autoregression(rng.normal(size=days), 3)).round()
    return frame


def _walks(rng, days):
    """Log prices of days of variance 1: the gap at the open and, from there, the highest, lowest and last, (days,)."""
    overnight = rng.uniform(*OVERNIGHT)
    walk = rng.normal(scale=np.sqrt((1 - overnight) / STEPS), size=(days, STEPS)).cumsum(axis=1)
    return rng.normal(scale=np.sqrt(overnight), size=days), walk.max(1).clip(0), walk.min(1).clip(None, 0), walk[:, -1]


def _shocks(rng, common, fall):
    """Shocks of variance 1 that are correlated with those of other companies and, where it is not 0, with a fall."""
    part = rng.uniform(*SHARED)
    shocks = np.sqrt(part) * common + np.sqrt(1 - part) * rng.normal(size=len(common))
    correlation = rng.uniform(*LEVERAGE) if fall.any() else 0.0
    return np.sqrt(1 - correlation**2) * shocks + correlation * fall


def _autoregression(shocks, half_life):
    """A first-order autoregression of variance 1, (days,)."""
    kept = 0.5 ** (1 / half_life)
    return np.sqrt(1 - kept**2) * lfilter([1], [1, -kept], shocks)


def _announcements(rng, days):
    """What announcements add to the log volatility, (days,)."""
    news = np.zeros(days)
    if rng.random() < ANNOUNCED:
        every = slice(rng.integers(QUARTER), None, QUARTER)
        news[every] = rng.uniform(*ANNOUNCEMENT) * rng.uniform(0.5, 1.5, size=len(news[every]))
    return lfilter([1], [1, -AFTERWARDS], news)
