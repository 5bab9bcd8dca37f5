"""The files in results/: one JSON for each published result, with all that is needed to make it again."""

import json
import os
import platform
import subprocess
import time
from pathlib import Path

from toolkit import runs

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"


def write(recipe, variant, command, by_seed, published=(), folder=RESULTS, once=None, intervals=None, **more):
    """Write results/RECIPE.VARIANT.json and return its path.

    Args:
        command: the command that makes this file.
        by_seed: a tuple (seed, minutes of training, metrics) for each seed; metrics is a dict of numbers.
        published: the figures of others, dicts with name, metric, value and source.
        once: metrics that belong to no single seed, such as those of an ensemble or a baseline.
        intervals: both ends of a 95 % interval, by metric.
        more: further fields, such as "table", a list of records.
    """
    seeds, minutes, metrics = zip(*by_seed)
    summaries = {name: summary([m[name] for m in metrics]) for name in metrics[0]}
    summaries |= {
        name: {"values": [], "mean": round(float(value), 6), "sd": None} for name, value in (once or {}).items()
    }
    for name, ends in (intervals or {}).items():
        summaries[name]["interval"] = [round(float(end), 6) for end in ends]
    content = {
        "recipe": recipe,
        "variant": variant,
        "command": command,
        **provenance(),
        "seeds": list(seeds),
        "minutes": [round(m, 2) for m in minutes],
        "metrics": summaries,
        "published": list(published),
        **more,
    }
    path = Path(folder) / f"{recipe}.{variant}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with runs.replacing(path) as file:
        file.write(json.dumps(content, indent=2).encode() + b"\n")
    return path


def read(name, folder=RESULTS):
    """The result of a name such as "stock_prices.price"."""
    return json.loads((Path(folder) / f"{name}.json").read_text())


def summary(values):
    """The values with their mean and standard deviation; a single value has none."""
    values = [round(float(value), 6) for value in values]
    sd = round(float(np.std(values, ddof=1)), 6) if len(values) > 1 else None
    return {"values": values, "mean": round(float(np.mean(values)), 6), "sd": sd}


def provenance():
    """Where a result comes from: commit, date, versions and machine."""
    return {"commit": commit(), "date": time.strftime("%Y-%m-%d"), "versions": runs.versions(), "machine": machine()}


def commit():
    """The commit of the checkout, with "+" behind it where tracked code differs from it; None outside git."""
    git = lambda *arguments: subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    head = git("rev-parse", "HEAD")
    if head.returncode:
        return None
    made = ":!results", ":!docs", ":!README.md"  # what publishing itself changes
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *made).stdout
    return head.stdout.strip() + ("+" if changed else "")


def machine():
    """Processor, memory, and the number of cores that this process may use."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cores": cores, "cpu": cpu, "memory_gib": round(memory)}
