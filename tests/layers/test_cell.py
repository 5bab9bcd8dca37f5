"""What cells inherit: weights for any number of gates and states, the forget gate's bias, the seeds and the config.

Copied by `python -m layers copy`, this file and cell.py need no other file of this project.
"""

import keras
import numpy as np
import pytest
from keras import ops

from layers.cell import Cell, GatedCell, MemoryCell

X = np.random.default_rng(0).normal(size=(5, 6, 4)).astype("float32")


class LastStates(Cell):
    """Remembers the two states before the last one."""

    states = 3

    def step(self, wx, uh, states):
        return [self.activation(wx + uh), *states[:2]]


class ThreeGates(MemoryCell):
    """The gates i, o and f, of which the last is the forget gate."""

    gates = 3
    forget_gate = 2

    def step(self, wx, uh, states):
        i, o, f = ops.split(self.recurrent_activation(wx + uh), 3, axis=-1)
        c = f * states[1] + i
        return [o * self.activation(c), c]


def built(cell):
    cell.build((None, 4))
    return cell


def test_weights_have_a_block_of_units_for_each_gate():
    weights = built(ThreeGates(2)).weights
    assert [(w.name, tuple(w.shape)) for w in weights] == [
        ("kernel", (4, 6)),
        ("recurrent_kernel", (2, 6)),
        ("bias", (6,)),
    ]


def test_without_bias():
    cell = built(ThreeGates(2, use_bias=False))
    assert cell.bias is None
    assert [w.name for w in cell.weights] == ["kernel", "recurrent_kernel"]


def test_states_have_the_sizes_that_keras_asks_for():
    assert Cell(3).state_size == 3
    assert LastStates(3).state_size == [3, 3, 3]
    assert [tuple(state.shape) for state in LastStates(3).get_initial_state(5)] == [(5, 3)] * 3


def test_all_states_are_passed_on():
    layer = keras.layers.RNN(LastStates(3), return_sequences=True, return_state=True)
    outputs, *finals = layer(X)
    for t, final in zip((-1, -2, -3), finals, strict=True):
        np.testing.assert_array_equal(final, outputs[:, t])


@pytest.mark.parametrize("unit_forget_bias, value", [(True, 1), (False, 0.5)])
def test_only_the_bias_of_the_forget_gate_starts_at_1(unit_forget_bias, value):
    initializer = keras.initializers.Constant(0.5)
    cell = built(ThreeGates(2, unit_forget_bias=unit_forget_bias, bias_initializer=initializer))
    np.testing.assert_array_equal(cell.get_weights()[2], [0.5] * 4 + [value] * 2)


def test_a_cell_without_a_step_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="Cell must implement `step`"):
        keras.layers.RNN(Cell(3))(X)


def test_the_argument_implementation_of_built_in_cells_is_ignored():
    assert keras.layers.GRUCell(3, implementation=1).implementation == 1
    assert "implementation" not in GatedCell(3, implementation=1).get_config()


@pytest.mark.parametrize("make, shared", [(keras.layers.SimpleRNNCell, Cell), (keras.layers.LSTMCell, MemoryCell)])
def test_configs_have_the_keys_of_built_in_cells(make, shared):
    assert shared(3).get_config().keys() == make(3).get_config().keys() - {"implementation"}


def test_files_without_weights_for_the_cell_are_refused():
    with pytest.raises(ValueError, match="must have weights for a LastStates. Received: none at the place of 'cell'"):
        built(LastStates(3, name="cell")).load_own_variables({})
