"""Exports of stateful networks that read characters: one step, with the states going in and coming out."""

from toolkit.export.bundle import Contents
from toolkit.export.formats import Network

import keras
import numpy as np
import tensorflow as tf

LENGTH = 300  # characters that are read at once to compare
CODE = """
with open("{file}", encoding="utf-8") as file:
    alphabet = json.load(file)  # the first character has the id 1; 0 stands for all others
step, rng, text = load("model"), np.random.default_rng(0), "\\n"
states = {{{zeros}}}
for _ in range(300):
    outputs = step(character=np.array([1 + alphabet.find(text[-1])], "int32"), **states)
    states = {{name: outputs[f"new_{{name}}"] for name in states}}
    p = np.exp(outputs["logits"][0, 1:].astype("float64"))
    text += alphabet[rng.choice(len(p), p=p / p.sum())]
print(text)"""


def contents(alphabet, model, read, ids):
    """The `Contents` of an export.

    Args:
        alphabet: the path of the alphabet's file.
        model: a stateful network with batch size 1: the layer "one_hot", recurrent layers, and at last the logits.
        read: a function from ids, (characters,), to the logits after each of them, from zero states on.
        ids: the characters to compare on, int32 (characters,).
    """
    cells = [layer.cell for layer in model.layers if isinstance(layer, keras.layers.RNN)]
    sizes = [size for cell in cells for size in keras.tree.flatten(cell.state_size)]
    states = {f"state_{i}": size for i, size in enumerate(sizes)}

    def step(given):
        x, before, after = model.get_layer("one_hot")(given["character"]), [given[name] for name in states], []
        for cell in cells:
            own = keras.tree.map_structure(lambda _: before.pop(0), cell.state_size)
            x, new = cell(x, own)
            after += keras.tree.flatten(new)
        return {"logits": model.layers[-1](x)} | {f"new_{name}": state for name, state in zip(states, after)}

    specs = [tf.TensorSpec((None, size), tf.float32, name) for name, size in states.items()]
    network = Network(step, [tf.TensorSpec((None,), tf.int32, "character"), *specs], [model])
    zeros = ", ".join(f'"{name}": np.zeros((1, {size}), "float32")' for name, size in states.items())
    return Contents(
        networks={"model": network},
        described={"character": "the id of a character", "logits": "of the next character; 0 is none"}
        | dict.fromkeys(states, "zeros at first, then the new state of the step before")
        | {f"new_{name}": "for the next step" for name in states},
        here=lambda chosen: {"logits": read(chosen)},
        there=lambda networks, chosen: {"logits": read_stepwise(networks["model"], states, chosen)},
        examples=[ids[:1], *np.split(ids, range(LENGTH, len(ids), LENGTH))],
        count=len(ids),
        thing="character",
        files={alphabet.name: alphabet},
        install=("numpy",),
        imports="import json\n\nimport numpy as np",
        code=CODE.format(file=alphabet.name, zeros=zeros),
    )


def read_stepwise(step, states, ids):
    """The logits after each character, by a step that is a function of arrays; `states` are their sizes by name."""
    carried, logits = {name: np.zeros((1, size), "float32") for name, size in states.items()}, []
    for i in ids:
        outputs = step(character=np.array([i], "int32"), **carried)
        carried = {name: outputs[f"new_{name}"] for name in states}
        logits.append(outputs["logits"][0])
    return np.stack(logits)
