"""Exports of networks that write sentences: encoder and step, and a beam search around them."""

from pathlib import Path

from toolkit.export import beam_search
from toolkit.export.bundle import Contents
from toolkit.export.formats import Network
from toolkit.text.subwords import END, FILE, START

import keras
import numpy as np
import tensorflow as tf

DESCRIBED = {
    "token": f"the last token of each hypothesis, at first {START}",
    "logits": f"of the next token; {END} ends a sentence",
    "weights": "of the memory, what the step attends to",
}
IMPORTS = """
import numpy as np
import sentencepiece
from beam_search import beam_search
"""
CODE = """
encode, step = load("encoder"), load("step")
subwords = sentencepiece.SentencePieceProcessor(model_file="{file}")
{example}
for tokens, score in beam_search(encode, step, {{"{name}": {name}}}, {options}):
    print(f"{{score:.2f}}", subwords.decode([token for token in tokens if token > {end}]))
"""


def networks(decoder, inputs, features=None):
    """Encoder and step of a `toolkit.decoding.StepwiseDecoder`, a dict of `Network`s.

    Args:
        inputs: the `tf.TensorSpec` of the encoder's input.
        features: a model from that to the input of the decoder's model; by default they are the same.
    """
    numbered = lambda kind, tensors: {f"{kind}_{i}": tensor for i, tensor in enumerate(tensors)}
    listed = lambda kind, given: [given[f"{kind}_{i}"] for i in range(sum(name.startswith(kind) for name in given))]

    def encode(given):
        x = given[inputs.name]
        states, memory = decoder.start(x if features is None else features(x))
        return numbered("state", states) | numbered("memory", memory)

    def step(given):
        logits, states, weights = decoder.step(given["token"], listed("state", given), listed("memory", given))
        outputs = {"logits": logits} | numbered("new_state", states)
        return outputs if weights is None else outputs | {"weights": weights}

    encoder = Network(encode, [inputs], [*decoder.models, *([] if features is None else [features])])
    token = tf.TensorSpec((None,), tf.int32, "token")
    return {"encoder": encoder, "step": Network(step, [token, *encoder.output_specs().values()], decoder.models)}


def contents(run, decoder, write, inputs, meaning, arrays, thing, subwords, options, example, features=None, **more):
    """The `Contents` of an export.

    Args:
        run: the `toolkit.runs.Run` of the subwords.
        decoder, inputs, features: as in `networks`.
        write: a function from an array, (1, ...), to the hypotheses that Keras finds, pairs of text and score.
        meaning: what the encoder's input is.
        arrays: those to compare on; one of them is called `thing`.
        options: arguments of `beam_search`: longest, beam_width, length_penalty.
        example: code that makes a variable with the name of the input.
        more: install, imports and files, added to what all have.
    """

    def there(networks, x):
        found = beam_search.beam_search(networks["encoder"], networks["step"], {inputs.name: x}, **options)
        texts = subwords.texts([tokens for tokens, _ in found])
        return as_arrays([(text, score) for text, (_, score) in zip(texts, found)])

    made = networks(decoder, inputs, features)
    carried = dict.fromkeys(made["step"].signature, "as the encoder returns it, or the step before")
    carried |= {f"new_{name}": "for the next step" for name in carried}
    written = ", ".join(f"{name}={value}" for name, value in options.items())
    return Contents(
        networks=made,
        described=carried | DESCRIBED | {inputs.name: meaning},
        here=lambda x: as_arrays(write(x if features is None else features.predict_on_batch(x))),
        there=there,
        examples=arrays,
        count=len(arrays),
        thing=thing,
        files={FILE: run / FILE, "beam_search.py": Path(beam_search.__file__)} | more.get("files", {}),
        install=("numpy", "sentencepiece", *more.get("install", ())),
        imports="\n".join([IMPORTS.strip(), *more.get("imports", ())]),
        code=CODE.format(file=FILE, example=example, name=inputs.name, options=written, end=END),
    )


class ResizingByMatrices(keras.layers.Layer):
    """A `keras.layers.Resizing` with antialiasing, as two products of matrices: ONNX has no operation for it."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.size = layer.height, layer.width

    def call(self, x):
        matrices = [self.matrix(before, after) for before, after in zip(x.shape[1:3], self.size)]
        return keras.ops.einsum("ih,bhwc,jw->bijc", matrices[0], x, matrices[1])

    @staticmethod
    def matrix(before, after):
        """What resizes a column of `before` pixels to `after`, (after, before)."""
        columns = np.eye(before, dtype="float32")[None, :, :, None]
        with tf.init_scope():
            return keras.ops.image.resize(columns, (after, before), antialias=True).numpy()[0, :, :, 0]


def portable(model):
    """The same model with `ResizingByMatrices` in place of `keras.layers.Resizing`, also in models within it."""

    def copy(layer):
        if isinstance(layer, keras.Model):
            return portable(layer)
        return ResizingByMatrices(layer, name=layer.name) if isinstance(layer, keras.layers.Resizing) else layer

    return keras.models.clone_model(model, clone_function=copy)


def as_arrays(found):
    """Hypotheses, pairs of text and score, as arrays."""
    return {"texts": np.array([text for text, _ in found]), "scores": np.array([score for _, score in found])}
