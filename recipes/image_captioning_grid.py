"""How a picture should enter a network that writes: three ways, with every cell, trained alike.

Vinyals et al. (2015, "Show and Tell") let the picture enter once and found that showing it at every step did worse;
Xu et al. (2015, "Show, Attend and Tell") let the network look at a part of it for each word. This trains nine
networks that differ in nothing else, one seed each, and scores them on the same test pictures.

Takes about half an hour on Flickr8k with one core; after a stop the same command goes on. With --cells it can be
published in parts.
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import captioner, common, image_captioning, results  # isort: skip

import pandas as pd
import typer

app = common.command_line(__doc__)


@app.command()
def train(
    data: Annotated[str, typer.Option(help="As in image_captioning.py.")] = image_captioning.FLICKR["data"],
    data_dir: common.DataDir = None,
    encoder: image_captioning.Encoder = image_captioning.FLICKR["encoder"],
    weights: image_captioning.Weights = "imagenet",
    size: image_captioning.Size = image_captioning.FLICKR["size"],
    units: image_captioning.Units = 256,
    embedding: image_captioning.Embedding = 256,
    epochs: common.Epochs = 4,
    cells: common.Cells = ",".join(common.BUILT_IN),
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Train every cell with every way and write results/; the default."""
    given = {"data": data, "encoder": encoder, "size": size, "units": units, "embedding": embedding, "epochs": epochs}
    settings = common.defaults(image_captioning.train) | given | {"data_dir": data_dir, "weights": weights}
    rows = results.of_other_cells(image_captioning.RECIPE, "grid", given, cells, output)
    for cell in cells:
        for enters in captioner.ENTERS:
            metrics = one(settings | {"cell": cell, "enters": enters}, given)
            rows.append({"cell": cell, "enters": enters} | metrics)
    rows.sort(key=lambda row: [*common.BUILT_IN].index(row["cell"]))
    table = pd.DataFrame(rows)
    print(f"\n{table.to_string(index=False, float_format='{:.3f}'.format)}")
    command, kept = results.grid_command(__file__, rows), {"settings": given, "table": rows}
    runs = [(0, table["minutes"].sum(), {})]
    print(results.publish(image_captioning.RECIPE, "grid", command, common.versions(), runs, [], output, **kept))


def one(settings, given):
    """The metrics of one cell with one way for the picture to enter."""
    complete = lambda seed, folder: image_captioning.complete(*image_captioning.begin(settings, folder, resume=True))
    name = f"grid-{settings['cell']}-{settings['enters']}"
    return common.once_a_seed(image_captioning.RECIPE, name, 1, given, complete)[0][1]


if __name__ == "__main__":
    common.main(app)
