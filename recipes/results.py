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
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
SPEED_CELLS = ["lstm", "gru", "simple"]
MATRICES = {  # results that README shows as a table of their own: what stands in its lines, its columns and its cells
    "sequence_length.imdb": (["experiment", "cell"], "length", "accuracy"),
    "sequence_length.imdb-200-words": (["cell"], "length", "accuracy"),
    "relatives.tasks": (["cell"], "task", "reached"),
    "translation.grid": (["cell"], "attention", "bleu_lc_tok"),
    "image_captioning.grid": (["cell"], "enters", "cider"),
}
BEGIN, END = "<!-- {}: made by recipes/results.py -->\n", "<!-- end of {} -->\n"


def publish(
    recipe, variant, command, versions, runs, published, folder=ROOT / "results", intervals=None, once=(), **more
):
    """Write results/RECIPE.VARIANT.json.

    Args:
        command: the command line that makes this file.
        runs: one (seed, minutes, metrics) a training; metrics is a dict of numbers.
        published: dicts of name, metric, value and source, to stand beside.
        intervals: by metric, the two ends of a 95 % interval.
        once: metrics, by name, that belong to no one training.
        more: what else the file is to hold; "table", of records, for a file that MATRICES names.

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
    } | more
    path = Path(folder) / f"{recipe}.{variant}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def of_other_cells(recipe, variant, settings, cells, folder=ROOT / "results"):
    """The records that a published table holds of other cells than these, if all was set as now; else none."""
    path = Path(folder) / f"{recipe}.{variant}.json"
    published = json.loads(path.read_text()) if path.exists() else {}
    same = published.get("settings") == settings
    return [row for row in published["table"] if row["cell"] not in cells] if same else []


def grid_command(script, rows):
    """The command line that makes a grid's records, whether they were made at once or in parts."""
    return f"python recipes/{Path(script).name} --cells {','.join(dict.fromkeys(row['cell'] for row in rows))}"


def key(name):
    """A rival's name as a part of a metric's: "NBSVM, bigrams" is nbsvm_bigrams."""
    return name.lower().replace(",", "").replace(" ", "_")


def _summary(values):
    values = [round(float(v), 6) for v in values]
    spread = round(float(np.std(values, ddof=1)), 6) if len(values) > 1 else None
    return {"values": values, "mean": round(float(np.mean(values)), 6), "sd": spread}


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
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # what taskset left us
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cores": cores, "cpu": cpu, "memory_gib": round(memory)}


def table(folder=ROOT / "results"):
    """The Markdown table of the published results that have no table of their own."""
    lines = [
        "| recipe | variant | measure | reached: mean ± sd | published | seeds | minutes each | machine |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(Path(folder).glob("*.*.json")):
        if path.stem in MATRICES or path.stem.startswith("recurrent_speed."):
            continue
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
                _machine(**result["machine"]),
            ]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def _machine(cores, cpu, **_):
    return f"{cores} {'core' if cores == 1 else 'cores'}, {cpu}"


def _spread(metric):
    spread = "" if metric["sd"] is None else f" ± {metric['sd']:.2g}"
    return spread + (" [{:.3f}, {:.3f}]".format(*metric["interval"]) if "interval" in metric else "")


def matrix(name, folder=ROOT / "results"):
    """The Markdown table of a result that MATRICES names: means over the seeds, and standard deviations if several."""
    index, columns, value = MATRICES[name]
    records = pd.DataFrame(json.loads((Path(folder) / f"{name}.json").read_text())["table"])
    means, spreads = (records.pivot_table(value, index, columns, kind, sort=False) for kind in ("mean", "std"))
    lines = [f"| {', '.join(index)} | " + " | ".join(map(str, means)) + " |", "|---" * (1 + means.shape[1]) + "|"]
    for row, values in means.iterrows():
        cells = [_cell(mean, spreads.get(column, {}).get(row)) for column, mean in values.items()]
        lines.append(f"| {row if isinstance(row, str) else ', '.join(row)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(mean, spread):
    if np.isnan(mean):
        return "–"
    return f"{mean:.3g}" + ("" if spread is None or np.isnan(spread) else f" ± {spread:.2g}")


def speed_table(folder=ROOT / "results"):
    """The Markdown table of layers.RNN's times as ratios to the built-in layer's, by cell, measure and size."""
    results = {cell: json.loads((folder / f"recurrent_speed.{cell}.json").read_text()) for cell in SPEED_CELLS}
    sizes = list(results[SPEED_CELLS[0]]["sizes"])
    lines = ["| layers.RNN / keras.layers | " + " | ".join(sizes) + " |", "|---" * (1 + len(sizes)) + "|"]
    for cell, result in results.items():
        for measure in next(iter(result["metrics"].values())):
            measured = [result["metrics"].get(size, {}).get(measure) for size in sizes]
            ratios = [f"{entry['layers.RNN']['ratio']:.2f}" if entry else "–" for entry in measured]
            lines.append(f"| {cell}, {measure.replace('_', ' ')} | " + " | ".join(ratios) + " |")
    return "\n".join(lines) + "\n"


def readme_with(text, name, rows):
    """README's text with the table between the two marks of a name replaced."""
    before, _, rest = text.partition(BEGIN.format(name))
    _, _, after = rest.partition(END.format(name))
    return before + BEGIN.format(name) + rows + END.format(name) + after


def readme(text, folder=ROOT / "results"):
    """README's text with every table as the results have it."""
    text = readme_with(text, "results", table(folder))
    for name in MATRICES:
        if (Path(folder) / f"{name}.json").exists():
            text = readme_with(text, name, matrix(name, folder))
    return readme_with(text, "speed", speed_table())


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text()))
