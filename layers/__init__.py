"""Recurrent cells and layers for Keras, one idea a file."""

from layers.attention import Attention, AttentionCell
from layers.convert import accelerate, to_builtin
from layers.convolutional import ConvLSTMCell, ConvRNN, ConvRNNCell
from layers.coupled_lstm_cell import CoupledLSTMCell
from layers.embedding import Embedding
from layers.gru_cell import GRUCell
from layers.layer_norm_lstm_cell import LayerNormLSTMCell
from layers.layer_norm_rnn_cell import LayerNormRNNCell
from layers.lstm_cell import LSTMCell
from layers.minimal_gated_cell import MinimalGatedCell
from layers.peephole_lstm_cell import PeepholeLSTMCell
from layers.recurrent import RNN, portable
from layers.simple_rnn_cell import SimpleRNNCell
from layers.torch_weights import from_torch

__all__ = [
    "Attention",
    "AttentionCell",
    "ConvLSTMCell",
    "ConvRNN",
    "ConvRNNCell",
    "CoupledLSTMCell",
    "Embedding",
    "GRUCell",
    "LayerNormLSTMCell",
    "LayerNormRNNCell",
    "LSTMCell",
    "MinimalGatedCell",
    "PeepholeLSTMCell",
    "RNN",
    "SimpleRNNCell",
    "accelerate",
    "from_torch",
    "portable",
    "to_builtin",
]
