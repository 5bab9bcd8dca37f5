"""Recurrent cells and layers for Keras, one idea a file."""

from layers.attention import Attention, AttentionCell, AttentionDecoder, VectorDecoder
from layers.cell import Cell, GatedCell, MemoryCell
from layers.convert import accelerate, to_builtin
from layers.convolutional import ConvLSTMCell, ConvRNN, ConvRNNCell
from layers.coupled_lstm_cell import CoupledLSTMCell
from layers.embedding import Embedding, TiedEmbedding
from layers.gru_cell import GRUCell
from layers.layer_norm_lstm_cell import LayerNormLSTMCell
from layers.layer_norm_rnn_cell import LayerNormRNNCell
from layers.lstm_cell import LSTMCell
from layers.minimal_gated_cell import MinimalGatedCell
from layers.ordinal import ProportionalOdds
from layers.peephole_lstm_cell import PeepholeLSTMCell
from layers.pooling import MaskedMaxPooling1D
from layers.recurrent import RNN, portable
from layers.simple_rnn_cell import SimpleRNNCell
from layers.torch_weights import from_torch

__all__ = [
    "Attention",
    "AttentionCell",
    "AttentionDecoder",
    "Cell",
    "ConvLSTMCell",
    "ConvRNN",
    "ConvRNNCell",
    "CoupledLSTMCell",
    "Embedding",
    "GatedCell",
    "GRUCell",
    "LayerNormLSTMCell",
    "LayerNormRNNCell",
    "LSTMCell",
    "MaskedMaxPooling1D",
    "MemoryCell",
    "MinimalGatedCell",
    "PeepholeLSTMCell",
    "ProportionalOdds",
    "RNN",
    "SimpleRNNCell",
    "TiedEmbedding",
    "VectorDecoder",
    "accelerate",
    "from_torch",
    "portable",
    "to_builtin",
]
