"""A pytest plugin that puts our cells where Keras's own tests look for Keras's."""

import keras
from keras.src import layers as keras_layers

import layers

MADE = []


def layer_around(cell_class, name):
    """What keras.layers.LSTM is to keras.layers.LSTMCell: a layer that takes the arguments of its cell."""
    cell_arguments = cell_class(1).get_config().keys() - {"name", "trainable", "dtype"}

    def __init__(self, units, **arguments):
        arguments.pop("implementation", None)
        ours = {key: arguments.pop(key) for key in cell_arguments if key in arguments}
        policy = {"dtype": arguments["dtype"]} if "dtype" in arguments else {}
        keras.layers.RNN.__init__(self, cell_class(units, **ours, **policy), **arguments)
        MADE.append(name)

    def get_config(self):
        config, cell = keras.layers.RNN.get_config(self), self.cell.get_config()
        del config["cell"]
        return config | {key: cell[key] for key in cell_arguments}

    from_config = classmethod(lambda cls, config: cls(**config))
    members = {"__init__": __init__, "get_config": get_config, "from_config": from_config}
    made = type(name, (keras.layers.RNN,), members)
    return keras.saving.register_keras_serializable("keras_own")(made)


for cell_name, layer_name in {"SimpleRNNCell": "SimpleRNN", "LSTMCell": "LSTM", "GRUCell": "GRU"}.items():
    cell_class = getattr(layers, cell_name)
    for namespace in (keras_layers, keras.layers):
        setattr(namespace, cell_name, cell_class)
        setattr(namespace, layer_name, layer_around(cell_class, layer_name))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"{len(MADE)} layers were made of our cells")
