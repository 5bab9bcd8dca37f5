"""Networks in the formats of other runtimes: ONNX, SavedModel, LiteRT and OpenVINO."""

import importlib.util
import inspect
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

from toolkit import quiet

import keras
import numpy as np
import tensorflow as tf

# Loaders: from the path of a network without its ending to a function from arrays by the names of its inputs to a dict
# of arrays by the names of its outputs. Their source is in the README of every export.


def load_onnx(name):
    import onnxruntime

    session = onnxruntime.InferenceSession(f"{name}.onnx")
    outputs = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(outputs, session.run(outputs, inputs)))


def load_saved_model(name):
    import tensorflow as tf

    loaded = tf.saved_model.load(name)

    def run(**inputs):
        outputs = loaded.signatures["serving_default"](**{key: tf.constant(value) for key, value in inputs.items()})
        return {key: value.numpy() for key, value in outputs.items()}

    return run


def load_litert(name):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(f"{name}.tflite").get_signature_runner()


def load_openvino(name):
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors would take bfloat16
    network = openvino.Core().compile_model(f"{name}.xml", "CPU", exact)
    return lambda **inputs: {output.any_name: value for output, value in network(inputs).items()}


class Format(NamedTuple):
    """A format of exported networks."""

    title: str
    keras: str  # its name in Model.export
    ending: str  # of its file or folder
    load: callable
    needs: tuple  # modules, to write and to run it
    install: str  # packages, to run it elsewhere


FORMATS = {
    "onnx": Format("ONNX", "onnx", ".onnx", load_onnx, ("onnxruntime", "tf2onnx"), "onnxruntime"),
    "saved-model": Format("SavedModel", "tf_saved_model", "", load_saved_model, (), "tensorflow"),
    "litert": Format("LiteRT", "litert", ".tflite", load_litert, ("ai_edge_litert",), "ai-edge-litert"),
    "openvino": Format("OpenVINO", "openvino", ".xml", load_openvino, ("openvino",), "openvino"),
}


class Network(keras.Model):
    """A function with named inputs and outputs that uses the weights of models.

    Args:
        function: from a dict of tensors to a dict of tensors.
        inputs: a `tf.TensorSpec` for each input; None stands for sizes that may differ from call to call.
        parts: the models whose weights it uses, and look-up tables.
    """

    def __init__(self, function, inputs, parts):
        super().__init__()
        self.function, self.parts = function, parts
        self.signature = {spec.name: spec for spec in inputs}
        self.built = True  # it has no weights of its own
        for layer in [layer for part in parts if isinstance(part, keras.Model) for layer in part.layers]:
            if isinstance(layer, keras.layers.Normalization):  # tf2onnx would take its tensors for inputs
                layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)

    def call(self, inputs):
        return self.function(inputs)

    def output_specs(self):
        """A `tf.TensorSpec` for each output."""
        traced = tf.function(self.function, autograph=False).get_concrete_function(self.signature)
        return {name: tf.TensorSpec(x.shape, x.dtype, name) for name, x in traced.structured_outputs.items()}


def check(name):
    """Raises ValueError if this machine cannot write and run the format of this name."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Any run can be exported, but on TensorFlow alone: set KERAS_BACKEND=tensorflow. "
            f"Received: {keras.backend.backend()}"
        )
    missing = [module for module in FORMATS[name].needs if not importlib.util.find_spec(module)]
    if missing:
        raise ValueError(f"--format {name} needs {' and '.join(missing)}: pip install -e '.[export]'")


def write(network, name, format, folder):
    """Write a `Network` as `name`, with the format's ending, into a folder.

    Raises ValueError if the format does not have all of its operations.
    """
    path = str(folder / f"{name}{FORMATS[format].ending}")
    options = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}} if format == "litert" else {}
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporters, about their own future
            network.export(path, FORMATS[format].keras, False, [network.signature], **options)
            if format == "openvino":
                _name_outputs(path, sorted(network.output_specs()))
    except Exception as error:  # whatever the converters raise
        raise ValueError(
            f"--format {format} cannot hold this network ({str(error):.200} …): try another one."
        ) from error


def _name_outputs(path, names):
    """Name the outputs of an OpenVINO network, which Keras leaves without names; they are in alphabetical order."""
    import openvino

    network = openvino.Core().read_model(path)
    for output, name in zip(network.outputs, names, strict=True):
        output.tensor.set_names({name})
    with tempfile.TemporaryDirectory() as folder:  # the weights are read from the old file while the new one is written
        openvino.save_model(network, f"{folder}/named.xml", compress_to_fp16=False)
        del network, output
        for ending in (".xml", ".bin"):
            shutil.move(f"{folder}/named{ending}", Path(path).with_suffix(ending))


def source(format):
    """The source of the function that loads a format's networks."""
    return re.sub("load_\\w+", "load", inspect.getsource(FORMATS[format].load))
