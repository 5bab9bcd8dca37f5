"""Why attention was invented: every cell with every kind of attention, trained alike, and scored by sentence length.

An encoder without attention hands the decoder one vector, however long the sentence. Cho et al. (2014, "On the
Properties of Neural Machine Translation") saw its translations get worse as sentences grow; Bahdanau, Cho & Bengio
(2015) let the decoder look back instead. This trains nine networks that differ in nothing else, one seed each: BLEU of
each, and a curve over the length of the source.

Takes an hour and a half on Multi30k with one core; after a stop the same command goes on. With --cells it can be
published in parts.
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
    cells: common.Cells = ",".join(common.BUILT_IN),
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Train every cell with every attention, draw and write results/; the default."""
    given = {"data": data, "direction": direction, "epochs": epochs, "units": units, "embedding": embedding}
    settings = common.defaults(translation.train) | given | {"data_dir": data_dir}
    language = translation.load_data(settings).languages[1]
    rows = results.of_other_cells(translation.RECIPE, "grid", given, cells, output)
    for cell in cells:
        for attention in encoder_decoder.SCORES:
            run, metrics = one(settings | {"cell": cell, "attention": attention}, given)
            curve = translation_report.curve(run, language).round(2).to_dict("index")
            rows.append({"cell": cell, "attention": attention} | metrics | {"by_length": curve})
    rows.sort(key=lambda row: [*common.BUILT_IN].index(row["cell"]))
    print(f"\n{pd.DataFrame(rows).drop(columns='by_length').to_string(index=False, float_format='{:.2f}'.format)}")
    draw(rows)
    runs = [(0, sum(row["minutes"] for row in rows), {})]
    command, kept = results.grid_command(__file__, rows), {"settings": given, "table": rows}
    print(results.publish(translation.RECIPE, "grid", command, common.versions(), runs, [], output, **kept))


def draw(rows):
    """BLEU by length, a picture for each cell."""
    panels = {row["cell"]: {} for row in rows}
    for row in rows:
        panels[row["cell"]][row["attention"]] = pd.DataFrame.from_dict(row["by_length"], orient="index")
    folder = common.Run(common.RUNS / translation.RECIPE)
    folder.save_figure(translation_report.plot_by_length(panels), "bleu_by_length.png")
    print(f"Drawn in {folder / 'bleu_by_length.png'}")


def one(settings, given):
    """The finished run of one cell with one attention, and its metrics."""
    complete = lambda seed, folder: translation.complete(*translation.begin(settings, folder, resume=True))
    name = f"grid-{settings['cell']}-{settings['attention']}"
    return common.once_a_seed(translation.RECIPE, name, 1, given, complete)[0]


if __name__ == "__main__":
    common.main(app)
