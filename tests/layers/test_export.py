"""What is exported holds standard operations alone, runs elsewhere, and gives what the model gives."""

import itertools
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import layers

X = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
X[0, 4:] = 0  # padding


def recurrent(cell=layers.LSTMCell, **options):
    return layers.RNN(cell(5), **options)


STACKS = {
    "one": lambda: [recurrent()],
    "masked, bidirectional, stacked": lambda: [
        keras.layers.Masking(),
        keras.layers.Bidirectional(recurrent(return_sequences=True)),
        layers.RNN([layers.GRUCell(4), layers.SimpleRNNCell(3)]),
    ],
    "relatives": lambda: [
        recurrent(layers.PeepholeLSTMCell, return_sequences=True),
        recurrent(layers.LayerNormLSTMCell, return_sequences=True, go_backwards=True),
        recurrent(layers.CoupledLSTMCell),
    ],
}


def onnx(model, folder):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    model.export(folder / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]


def saved_model(model, folder):
    model.export(folder / "model", format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(folder / "model")
    definition = loaded.signatures["serving_default"].graph.as_graph_def()
    names = {node.op for function in definition.library.function for node in function.node_def}
    assert not any("Table" in name or "PyFunc" in name for name in names)
    assert not any("_XlaMustCompile" in function.attr for function in definition.library.function)
    return lambda x: loaded.serve(x).numpy()


def litert(model, folder):
    model.export(folder / "model.tflite", format="litert", verbose=False)
    interpreter = tf.lite.Interpreter(str(folder / "model.tflite"))  # without the Flex operations of TensorFlow

    def run(x):
        (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.resize_tensor_input(given["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return run


def openvino(model, folder):
    runtime = pytest.importorskip("openvino")
    model.export(str(folder / "model.xml"), format="openvino", verbose=False)
    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors would take bfloat16
    compiled = runtime.Core().compile_model(folder / "model.xml", "CPU", exact)
    return lambda x: compiled(x)[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the exporters, about their own future
@pytest.mark.parametrize(
    "export, stack, length",
    # OpenVINO takes ten times as long as the others, which get one layer as a part of the relatives
    [
        *itertools.product([onnx, saved_model, litert], [*STACKS][1:], [None]),
        *itertools.product([onnx, saved_model, litert], ["masked, bidirectional, stacked"], [6]),
        (openvino, "one", None),
        (openvino, "masked, bidirectional, stacked", 6),
        *[(openvino, "relatives", 6)] * ("EVERY_CELL" in os.environ),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_it_runs_elsewhere(export, stack, length, tmp_path):
    model = keras.Sequential([keras.Input((length, 4)), *STACKS[stack](), keras.layers.Dense(2)])
    model.predict(X, verbose=0)  # what it has compiled must not come along
    run = export(model, tmp_path)
    batches = [X, X[:2]] if length else [X, X[:1], X[:, :3]]
    for x in batches:
        np.testing.assert_allclose(run(x), model(x), atol=1e-5)


def test_a_graph_made_by_hand_is_portable_on_request():
    layer = recurrent()
    layer.build(X.shape)

    def operations():
        graph = tf.function(layer, autograph=False).get_concrete_function(tf.TensorSpec(X.shape)).graph
        return {operation.type for operation in graph.get_operations()}

    assert any("Table" in name for name in operations())
    with layers.portable():
        assert not any("Table" in name for name in operations())
