"""Published results: one JSON a run under results/, and README's table made from them.

python recipes/results.py            put the tables into README.md
"""

import json
import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- {}: made by recipes/results.py -->\n", "<!-- end of {} -->\n"


def publish(
    recipe, variant, command, versions, runs, published, folder=ROOT / "results", intervals=None, once=(), details=None
):
    """Write results/RECIPE.VARIANT.json.

    Args:
        command: the command line that makes this file.
        runs: one (seed, minutes, metrics) a training; metrics is a dict of numbers.
        published: dicts of name, metric, value and source, to stand beside.
        intervals: by metric, the two ends of a 95 % interval.
        once: metrics, by name, that belong to no one training.
        details: what else the file is to hold, beside what README's table shows.

    Returns the path of the file.
    """
    seeds, minutes, metrics = zip(*runs)
    summaries = {name: _summary([m[name] for m in metrics]) for name in metrics[0]}
    summaries |= {
        name: {"values": [], "mean": round(float(value), 6), "sd": None} for name, value in dict(once).items()
    }
    for name, ends in (intervals or {}).items():
        summaries[name]["interval"] = [round(float(end), 6) for end in ends]
    content = {
        "recipe": recipe,
        "variant": variant,
        "command": command,
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions,
        "machine": machine(),
        "seeds": list(seeds),
        "minutes": [round(m, 2) for m in minutes],
        "metrics": summaries,
        "published": published,
    } | ({"details": details} if details else {})
    path = Path(folder) / f"{recipe}.{variant}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def key(name):
    """A rival's name as a part of a metric's: "NBSVM, bigrams" is nbsvm_bigrams."""
    return name.lower().replace(",", "").replace(" ", "_")


def _summary(values):
    values = [round(float(v), 6) for v in values]
    return {"values": values, "mean": round(float(np.mean(values)), 6), "sd": round(float(np.std(values, ddof=1)), 6)}


def commit():
    """The checkout's commit, with "+" after it where tracked files but results differ from it; None outside git."""
    git = lambda *arguments: subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    head = git("rev-parse", "HEAD")
    if head.returncode:
        return None
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results", ":!README.md").stdout
    return head.stdout.strip() + ("+" if changed else "")


def machine():
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cores": os.cpu_count(), "cpu": cpu, "memory_gib": round(memory)}


def table(folder=ROOT / "results"):
    """The Markdown table of every published result."""
    lines = [
        "| recipe | variant | measure | reached: mean ± sd | published | seeds | minutes each | machine |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(Path(folder).glob("*.*.json")):  # a recipe's; a benchmark's file has no variant
        result = json.loads(path.read_text())
        for name, metric in result["metrics"].items():
            beside = [f"{p['value']} ({p['name']}; {p['source']})" for p in result["published"] if p["metric"] == name]
            cells = [
                result["recipe"],
                result["variant"],
                name,
                f"{metric['mean']:.4g}" + _spread(metric),
                "<br>".join(beside) or "–",
                len(result["seeds"]),
                f"{np.mean(result['minutes']):.1f}",
                f"{result['machine']['cores']} cores, {result['machine']['cpu']}",
            ]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def _spread(metric):
    spread = "" if metric["sd"] is None else f" ± {metric['sd']:.2g}"
    return spread + (" [{:.3f}, {:.3f}]".format(*metric["interval"]) if "interval" in metric else "")


def speed_table(path=ROOT / "results" / "recurrent_speed.json"):
    """The Markdown table of layers.RNN's times as ratios to the built-in layer's, by cell, measure and size."""
    result = json.loads(Path(path).read_text())
    lines = [
        "| layers.RNN / keras.layers | " + " | ".join(result["sizes"]) + " |",
        "|---" * (1 + len(result["sizes"])) + "|",
    ]
    for cell, sizes in result["metrics"].items():
        for measure in next(iter(sizes.values())):
            ratios = [f"{size[measure]['layers.RNN']['ratio']:.2f}" for size in sizes.values()]
            lines.append(f"| {cell}, {measure.replace('_', ' ')} | " + " | ".join(ratios) + " |")
    return "\n".join(lines) + "\n"


def readme_with(text, name, rows):
    """README's text with the table between the two marks of a name replaced."""
    before, _, rest = text.partition(BEGIN.format(name))
    _, _, after = rest.partition(END.format(name))
    return before + BEGIN.format(name) + rows + END.format(name) + after


if __name__ == "__main__":
    readme = ROOT / "README.md"
    text = readme_with(readme.read_text(), "results", table())
    readme.write_text(readme_with(text, "speed", speed_table()))
