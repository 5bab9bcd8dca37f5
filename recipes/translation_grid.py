"""Why attention was invented: every cell with every kind of attention, trained alike, and scored by sentence length.

An encoder without attention hands the decoder one vector, however long the sentence. Cho et al. (2014, "On the
Properties of Neural Machine Translation") saw its translations get worse as sentences grow; Bahdanau, Cho & Bengio
(2015) let the decoder look back instead. This trains nine networks that differ in nothing else, one seed each: BLEU of
each, and a curve over the length of the source.

Takes an hour and a half on Multi30k with one core; after a stop the same command goes on.
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import common, encoder_decoder, results, translation, translation_report  # isort: skip

import pandas as pd
import typer

SAME = {"data": "multi30k", "direction": "de-en"}
app = common.command_line(__doc__)


@app.command()
def train(
    data: Annotated[str, typer.Option(help="As in translation.py.")] = SAME["data"],
    direction: Annotated[str | None, typer.Option(help="Such as de-en.")] = SAME["direction"],
    data_dir: common.DataDir = None,
    epochs: common.Epochs = 6,
    units: translation.Units = 256,
    embedding: translation.Embedding = 256,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Train all nine, draw and write results/; the default."""
    given = {"data": data, "direction": direction, "data_dir": data_dir, "epochs": epochs}
    settings = common.defaults(translation.train) | given | {"units": units, "embedding": embedding}
    language = translation.load_data(settings).languages[1]
    rows, curves = [], {cell: {} for cell in common.BUILT_IN}
    for cell in common.BUILT_IN:
        for attention in encoder_decoder.SCORES:
            run, metrics = one(settings | {"cell": cell, "attention": attention})
            rows.append({"cell": cell, "attention": attention} | metrics)
            curves[cell][attention] = translation.curve(run, language)
    folder = common.Run(common.RUNS / translation.RECIPE)
    folder.save_figure(translation_report.plot_by_length(curves), "bleu_by_length.png")
    table = pd.DataFrame(rows)
    print(f"\n{table.to_string(index=False, float_format='{:.2f}'.format)}\nDrawn in {folder / 'bleu_by_length.png'}")
    flat = {f"{cell}, {kind}": curve for cell, row in curves.items() for kind, curve in row.items()}
    kept = {"table": rows, "curves": {name: curve.round(2).to_dict("index") for name, curve in flat.items()}}
    runs = [(0, table["minutes"].sum(), {})]
    command = "python recipes/translation_grid.py"
    print(results.publish(translation.RECIPE, "grid", command, common.versions(), runs, [], output, **kept))


def one(settings):
    """The finished run of one cell with one attention, and its metrics."""
    complete = lambda seed, folder: translation.complete(*translation.begin(settings, folder, resume=True))
    name = f"grid-{settings['cell']}-{settings['attention']}"
    return common.once_a_seed(translation.RECIPE, name, 1, complete)[0]


if __name__ == "__main__":
    common.main(app)
