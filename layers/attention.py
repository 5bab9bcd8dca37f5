"""Attention of a decoder to the states of an encoder, and a recurrent cell that uses it at every timestep."""

import keras
from keras import ops

SCORES = "additive", "dot", "general", "concat"


@keras.saving.register_keras_serializable("rnn_recipes")
class Attention(keras.layers.Layer):
    """Attention of a query s to a memory h_1 … h_T: a weight for each h_j, and their weighted mean.

        score_j = v · tanh(W s + U h_j)        additive
        score_j = s · h_j                      dot; needs states of the query's size
        score_j = s · W h_j                    general
        score_j = v · tanh([W U] [s; h_j])     concat: additive, its two matrices written as one
        α = softmax(score), 0 where h_j is masked
        c = Σ_j α_j h_j                        context

    Sources: additive: Bahdanau, Cho & Bengio (2015), "Neural Machine Translation by Jointly Learning to Align and
    Translate", appendix A.1.2. The others: Luong, Pham & Manning (2015), "Effective Approaches to Attention-based
    Neural Machine Translation", section 3.1.

    Args:
        score: "additive", "dot", "general" or "concat".
        units: the size of v, for "additive" and "concat"; by default the query's.
        scaled: whether "dot" and "general" are divided by the square root of the query's size (Vaswani et al. 2017,
            section 3.2.1). Without it, large products saturate the softmax, whose gradient then vanishes.

    Call arguments:
        query: (batch, features), or (batch, steps, features) for the states of a whole sequence at once.
        memory: (batch, timesteps, memory features).
        keys: the result of `keys(memory)`, if it is computed once for many calls; by default it is computed here.
        memory_mask: (batch, timesteps), False or 0 where memory is padding; by default Keras's mask of memory.

    Returns:
        The context, (batch, memory features) or (batch, steps, memory features), and the weights, (batch, timesteps) or
        (batch, steps, timesteps). If all of memory is masked, both are 0.

    Raises:
        ValueError: `score` is not one of these or cannot be scaled, or the memory's size does not suit it.
    """

    def __init__(self, score="additive", units=None, scaled=False, **kwargs):
        super().__init__(**kwargs)
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}. Received: score={score!r}")
        if units is not None and not (isinstance(units, int) and units > 0):
            raise ValueError(f"units must be a positive whole number or None. Received: units={units!r}")
        if scaled and score not in ("dot", "general"):
            raise ValueError(f'Only "dot" and "general" can be scaled. Received: scaled={scaled}, score={score!r}')
        self.score, self.units, self.scaled = score, units, scaled
        self.supports_masking = True

    def build(self, query_shape, memory_shape, keys_shape=None):
        query, memory = query_shape[-1], memory_shape[-1]
        if self.score == "dot":
            if query != memory:
                raise ValueError(
                    f'score="dot" needs a memory as wide as the query; "general" does not. Received: query of shape '
                    f"{tuple(query_shape)} and memory of shape {tuple(memory_shape)}"
                )
        elif self.score == "general":
            self.key_kernel = self.add_weight(name="key_kernel", shape=(memory, query))
        else:
            units = self.units or query
            self.query_kernel = self.add_weight(name="query_kernel", shape=(query, units))
            self.key_kernel = self.add_weight(name="key_kernel", shape=(memory, units))
            self.scale = self.add_weight(name="scale", shape=(units,), initializer="glorot_uniform")

    def keys(self, memory):
        """What the scores need of memory, U h_j, W h_j or h_j itself: (batch, timesteps, size)."""
        return memory if self.score == "dot" else ops.matmul(memory, self.key_kernel)

    def scores(self, query, keys):
        """(batch, steps, features) and (batch, timesteps, size) to (batch, steps, timesteps)."""
        if self.score in ("dot", "general"):
            scores = ops.matmul(query, ops.swapaxes(keys, 1, 2))
            return scores / query.shape[-1] ** 0.5 if self.scaled else scores
        wq = ops.matmul(query, self.query_kernel)
        return ops.matmul(ops.tanh(wq[:, :, None] + keys[:, None]), self.scale)

    def call(self, query, memory, keys=None, memory_mask=None):
        alone = len(query.shape) == 2
        scores = self.scores(query[:, None] if alone else query, self.keys(memory) if keys is None else keys)
        if memory_mask is None:
            weights = ops.softmax(scores, axis=-1)
        else:
            there = ops.cast(memory_mask, "bool")[:, None]
            # -30000 fits float16; the product makes the weights of a memory that is masked throughout 0, not equal
            weights = ops.softmax(ops.where(there, scores, ops.cast(-30000.0, scores.dtype)), axis=-1)
            weights = weights * ops.cast(there, weights.dtype)
        context = ops.matmul(weights, memory)
        return (context[:, 0], weights[:, 0]) if alone else (context, weights)

    def compute_mask(self, query, memory=None, keys=None, previous_mask=None):
        return None, None

    def compute_output_shape(self, query_shape, memory_shape, keys_shape=None):
        return (*query_shape[:-1], memory_shape[-1]), (*query_shape[:-1], memory_shape[1])

    def get_config(self):
        return super().get_config() | {"score": self.score, "units": self.units, "scaled": self.scaled}


@keras.saving.register_keras_serializable("rnn_recipes")
class AttentionCell(keras.layers.Layer):
    """A recurrent cell that attends to a memory at every timestep; the attentional state h̃ is part of its next input.

        s_t = cell([x_t; h̃_{t-1}], s_{t-1})    input feeding
        c_t = attention(s_t, memory)
        h̃_t = tanh(W [c_t; s_t] + b)           the output

    Source: Luong, Pham & Manning (2015), eq. 5 and section 3.3.

    Use it in `keras.layers.RNN` or `layers.RNN` with `initial_state=cell.start(states, memory, mask)`. Memory, its keys
    and its mask are states that never change, because a cell has no other inputs.

    Args:
        cell: any cell, ours or Keras's.
        attention: an `Attention`.
        memory_features: the size of the memory's states.
        units: the size of h̃; by default the cell's output.

    Call arguments: inputs (batch, features); states as `start` returns them.
    Returns: h̃_t, (batch, units), and the new states.
    """

    def __init__(self, cell, attention, memory_features, units=None, **kwargs):
        super().__init__(**kwargs)
        self.cell, self.attention, self.memory_features = cell, attention, memory_features
        self.output_size = self.units = units or cell.output_size
        self.state_size = [
            *keras.tree.flatten(cell.state_size),
            self.units,
            (None, memory_features),
            (None, None),
            (None,),
        ]

    def build(self, input_shape):
        if not self.cell.built:  # it is, where it was loaded
            self.cell.build((None, input_shape[-1] + self.units))
        self._build_attention()
        width = self.memory_features + self.cell.output_size
        self.kernel = self.add_weight(name="kernel", shape=(width, self.units))
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def _build_attention(self):
        if not self.attention.built:  # `start` comes before the loop builds its cell
            self.attention.build((None, self.cell.output_size), (None, None, self.memory_features))

    def start(self, states, memory, memory_mask=None):
        """The initial state: the inner cell's states, a list of tensors (batch, units), the memory and its mask.

        Args:
            memory: (batch, timesteps, memory features).
            memory_mask: (batch, timesteps), False where it is padding.

        Raises ValueError where the memory has other than `memory_features` features.
        """
        if memory.shape[-1] != self.memory_features:
            raise ValueError(f"`memory` must have {self.memory_features} features. Received: shape {memory.shape}")
        self._build_attention()
        there = ops.ones_like(memory[:, :, 0]) if memory_mask is None else ops.cast(memory_mask, memory.dtype)
        nothing = ops.zeros_like(states[0][:, :1]) * ops.zeros((self.units,), states[0].dtype)
        return [*states, nothing, memory, self.attention.keys(memory), there]

    def look(self, inputs, states, training=False):
        """One step; returns h̃_t, the new states, and the weights of the memory, (batch, timesteps)."""
        *own, fed, memory, keys, there = states
        own = keras.tree.pack_sequence_as(self.cell.state_size, own)
        s, own = self.cell(ops.concatenate([inputs, fed], axis=-1), own, training=training)
        context, weights = self.attention(s, memory, keys, memory_mask=there)
        h = ops.tanh(ops.matmul(ops.concatenate([context, s], axis=-1), self.kernel) + self.bias)
        return h, [*keras.tree.flatten(own), h, memory, keys, there], weights

    def call(self, inputs, states, training=False):
        return self.look(inputs, states, training)[:2]

    def get_initial_state(self, batch_size=None):
        raise ValueError("An AttentionCell needs its memory: pass initial_state=cell.start(states, memory, mask).")

    def get_config(self):
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("cell", "attention")}
        return super().get_config() | parts | {"memory_features": self.memory_features, "units": self.units}

    @classmethod
    def from_config(cls, config):
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("cell", "attention")}
        return cls(**config | parts)


@keras.saving.register_keras_serializable("rnn_recipes")
class AttentionDecoder(keras.layers.Layer):
    """A decoder with attention: `AttentionCell` in a loop, from an initial state and a memory to h̃ at every step.

        s_t = cell([x_t; h̃_{t-1}], s_{t-1})          input feeding; h̃_0 = 0
        h̃_t = tanh(W [attention(s_t, memory); s_t] + b)

    Source: Luong, Pham & Manning (2015), "Effective Approaches to Attention-based Neural Machine Translation".

    Args:
        cell: any cell, ours or Keras's.
        attention: an `Attention`.
        memory_features: the size of the memory's states.
        units: the size of h̃; by default the cell's output.

    Attributes:
        state_features: the sizes of the cell's states, added up.

    Call arguments:
        inputs: x, (batch, steps, features).
        initial_state: s_0, the cell's states side by side, (batch, state_features).
        memory: (batch, timesteps, memory_features).
        memory_mask: (batch, timesteps), False where memory is padding; by default Keras's mask of memory.

    Returns: h̃, (batch, steps, units).
    Raises ValueError where the memory has other than `memory_features` features.
    """

    def __init__(self, cell, attention, memory_features, units=None, **kwargs):
        super().__init__(**kwargs)
        attending = AttentionCell(cell, attention, memory_features, units)
        self.recurrent = keras.layers.RNN(attending, return_sequences=True, name="recurrent")
        self.sizes = keras.tree.flatten(cell.state_size)
        self.state_features = sum(self.sizes)
        self.supports_masking = True
        if keras.backend.backend() == "tensorflow":
            self.supports_jit = False  # Keras would compile whole steps, anew for each length of inputs and memory

    def build(self, inputs_shape, initial_state_shape, memory_shape, memory_mask_shape=None):
        self.recurrent.build(tuple(inputs_shape))

    def start(self, initial_state, memory, memory_mask=None):
        """What `step` needs for the first step, from the call's arguments: the states, and what no step changes."""
        states = _split(initial_state, self.sizes)
        *states, memory, keys, there = self.recurrent.cell.start(states, memory, memory_mask)
        return states, [memory, keys, there]

    def step(self, inputs, states, memory):
        """One step, from x_t, (batch, features); `states` and `memory` as `start` returns them.

        Returns h̃_t, (batch, units), the new states, and the weights of the memory's timesteps, (batch, timesteps).
        """
        h, states, weights = self.recurrent.cell.look(inputs, [*states, *memory])
        return h, states[: -len(memory)], weights

    def call(self, inputs, initial_state, memory, memory_mask=None, training=False):
        states, memory = self.start(initial_state, memory, memory_mask)
        return self.recurrent(inputs, initial_state=[*states, *memory], training=training)

    def compute_mask(self, inputs, *_):
        return None

    def compute_output_shape(self, inputs_shape, initial_state_shape, memory_shape, memory_mask_shape=None):
        return *inputs_shape[:-1], self.recurrent.cell.units

    def get_config(self):
        names = "cell", "attention", "memory_features", "units"
        cell = self.recurrent.cell.get_config()
        return super().get_config() | {name: cell[name] for name in names}

    @classmethod
    def from_config(cls, config):
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("cell", "attention")}
        return cls(**config | parts)


@keras.saving.register_keras_serializable("rnn_recipes")
class VectorDecoder(keras.layers.Layer):
    """A decoder without attention: all it sees of the encoder is one vector, in its initial state or at every step too.

        s_t = cell([x_t; v], s_{t-1})
        h̃_t = tanh(W s_t + b)

    Source: Cho et al. (2014), "Learning Phrase Representations using RNN Encoder–Decoder", for v at every step;
    Sutskever, Vinyals & Le (2014), "Sequence to Sequence Learning with Neural Networks", for the initial state alone.

    Args:
        recurrent: a recurrent layer with `return_sequences=True`, such as `keras.layers.GRU` or `layers.RNN`.
        units: the size of h̃.
        repeat_vector: whether v is there at every step. If not, the decoder is called without it.

    Attributes:
        state_features: the sizes of the cell's states, added up.

    Call arguments:
        inputs: x, (batch, steps, features).
        initial_state: s_0, the cell's states side by side, (batch, state_features).
        vector: v, (batch, vector features).

    Returns: h̃, (batch, steps, units).
    Raises ValueError where `vector` does not go with `repeat_vector`.
    """

    def __init__(self, recurrent, units, repeat_vector=True, **kwargs):
        super().__init__(**kwargs)
        self.recurrent, self.units, self.repeat_vector = recurrent, units, repeat_vector
        self.dense = keras.layers.Dense(units, activation="tanh", name="dense")
        self.sizes = keras.tree.flatten(recurrent.cell.state_size)
        self.state_features = sum(self.sizes)
        self.supports_masking = True

    def build(self, inputs_shape, initial_state_shape, vector_shape=None):
        if (vector_shape is not None) != self.repeat_vector:
            raise ValueError(
                "`vector` is needed with repeat_vector=True and must not be passed otherwise. "
                f"Received: repeat_vector={self.repeat_vector}, vector of shape {vector_shape}"
            )
        features = inputs_shape[-1] + (vector_shape[-1] if self.repeat_vector else 0)
        if not self.recurrent.built:  # it is, where it was loaded
            self.recurrent.build((*inputs_shape[:-1], features))
        self.dense.build((None, None, self.recurrent.cell.output_size))

    def start(self, initial_state, vector=None):
        """What `step` needs for the first step, from the call's arguments: the states, and what no step changes."""
        return _split(initial_state, self.sizes), [vector] if self.repeat_vector else []

    def step(self, inputs, states, memory):
        """One step, from x_t, (batch, features); `states` and `memory` as `start` returns them.

        Returns h̃_t, (batch, units), the new states, and None, where a decoder with attention returns its weights.
        """
        states = keras.tree.pack_sequence_as(self.recurrent.cell.state_size, states)
        h, states = self.recurrent.cell(ops.concatenate([inputs, *memory], axis=-1), states)
        return self.dense(h), keras.tree.flatten(states), None

    def call(self, inputs, initial_state, vector=None, training=False):
        states, memory = self.start(initial_state, vector)
        repeated = [ops.repeat(v[:, None], ops.shape(inputs)[1], axis=1) for v in memory]
        x = ops.concatenate([inputs, *repeated], axis=-1)
        states = keras.tree.pack_sequence_as(self.recurrent.cell.state_size, states) if len(states) > 1 else states
        return self.dense(self.recurrent(x, initial_state=states, training=training))

    def compute_mask(self, inputs, *_):
        return None

    def compute_output_shape(self, inputs_shape, initial_state_shape, vector_shape=None):
        return *inputs_shape[:-1], self.units

    def get_config(self):
        recurrent = keras.saving.serialize_keras_object(self.recurrent)
        return super().get_config() | {
            "recurrent": recurrent,
            "units": self.units,
            "repeat_vector": self.repeat_vector,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config | {"recurrent": keras.saving.deserialize_keras_object(config["recurrent"])})


def _split(initial_state, sizes):
    """States, a list of (batch, units), from all of them side by side."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return list(ops.split(initial_state, ends, axis=-1)) if ends else [initial_state]
