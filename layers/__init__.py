"""Recurrent cells and layers for Keras, one idea a file."""

from layers.attention import Attention, AttentionCell
from layers.embedding import Embedding
from layers.gru_cell import GRUCell
from layers.lstm_cell import LSTMCell
from layers.recurrent import RNN
from layers.simple_rnn_cell import SimpleRNNCell

__all__ = ["Attention", "AttentionCell", "Embedding", "GRUCell", "LSTMCell", "RNN", "SimpleRNNCell"]
