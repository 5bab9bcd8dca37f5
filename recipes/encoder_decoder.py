"""An encoder that reads a sentence and a decoder that writes one; the decoder serves captions too.

    h_j = [GRU(x_j, h_{j-1}); GRU(x_j, h_{j+1})]     the memory; c, the one vector: where both readings end
    s_0 = tanh(W c + b)
    s_t = GRU([E[y_{t-1}]; c], s_{t-1})              without attention, and h̃_t = tanh(V s_t + d)
    s_t = GRU([E[y_{t-1}]; h̃_{t-1}], s_{t-1})        with it: h̃_t looks h_1 … h_T up (layers/attention.py)
    P(y_t | y_1 … y_{t-1}) = softmax(F h̃_t + a)      F is E, unless untied

Sources: Cho et al. (2014) for c at every step; Bahdanau, Cho & Bengio (2015) and Luong, Pham & Manning (2015) for
attention; Press & Wolf (2017) for the shared matrix.
"""

import keras
import tensorflow as tf
from keras import ops

from layers import RNN, Attention, AttentionCell, Embedding
from recipes import common

SCORES = {  # what `Attention` takes, by the name of `--attention`
    "none": None,
    "additive": {"score": "additive"},
    "multiplicative": {"score": "general", "scaled": True},  # not scaled, it learns hardly more than "none"
}
READINGS = "bidirectional", "forward", "reversed"
TIES = "none", "two-way", "three-way"
WHOLE_WORDS = None, None, 1


@keras.saving.register_keras_serializable("rnn_recipes")
class Decoder(keras.layers.Layer):
    """Writes tokens one after another, from one vector or with attention to a memory.

    Args:
        vocabulary: tokens it can write.
        cell: a `--cell` name.
        units, layers: size and number of its recurrent layers.
        embedding: size of E and of h̃.
        attention: "none", "additive" or "multiplicative" (Luong's "general", scaled).
        memory_features: size of the memory's states, where there is attention.
        dropout: share of the embeddings, of h̃, and of what enters the second layer and above, dropped.
        word_dropout: share of the tokens of which the whole embedding is dropped (Gal & Ghahramani 2016; Sennrich & Zhang
            2019 found it to matter most where there are few pairs).
        tied: whether F is E.
        fed: whether, without attention, c enters every step; else it enters s_0 alone.

    Call arguments:
        tokens: (batch, steps), what was written before each step.
        vector: (batch, features), the c of the equations.
        memory, mask: (batch, timesteps, memory features) and (batch, timesteps); not needed without attention.

    Returns: logits, (batch, steps, vocabulary).
    """

    def __init__(
        self,
        vocabulary,
        cell,
        units,
        layers,
        embedding,
        attention,
        memory_features,
        dropout,
        tied,
        seed,
        fed=True,
        word_dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.settings = {"vocabulary": vocabulary, "cell": cell, "units": units, "layers": layers, "tied": tied}
        self.settings |= {"embedding": embedding, "attention": attention, "memory_features": memory_features}
        self.settings |= {"dropout": dropout, "word_dropout": word_dropout, "seed": seed, "fed": fed}
        cells = [common.cell(cell, units, dropout=dropout if i else 0.0) for i in range(layers)]
        stack = cells[0] if layers == 1 else keras.layers.StackedRNNCells(cells)
        self.sizes = keras.tree.flatten(stack.state_size)
        self.attends, self.fed = attention != "none", fed
        if self.attends:
            stack = AttentionCell(stack, Attention(**SCORES[attention]), memory_features, embedding)
        layer = keras.layers.RNN if cell.startswith("builtin-") else RNN
        self.recurrent = layer(stack, return_sequences=True, name="recurrent")
        self.embedding = Embedding(vocabulary, embedding, embeddings_initializer="glorot_uniform", name="embedding")
        self.bridge = keras.layers.Dense(sum(self.sizes), activation="tanh", name="bridge")
        self.narrow = None if self.attends else keras.layers.Dense(embedding, activation="tanh", name="narrow")
        self.drop = [keras.layers.Dropout(dropout, seed=seed + i) for i in range(2)]
        self.drop_words = keras.layers.Dropout(word_dropout, noise_shape=WHOLE_WORDS, seed=seed)

    def build(self, tokens_shape, vector_shape, memory_shape=None, mask_shape=None):
        vocabulary, width = self.settings["vocabulary"], self.settings["embedding"]
        self.embedding.build((None, None))
        self.bridge.build(vector_shape)
        if not self.attends:
            self.narrow.build((None, self.settings["units"]))
            width += vector_shape[-1] if self.fed else 0
        self.recurrent.cell.build((None, width))
        if not self.settings["tied"]:
            shape = (vocabulary, self.settings["embedding"])
            self.output_kernel = self.add_weight(name="output_kernel", shape=shape)
        self.bias = self.add_weight(name="bias", shape=(vocabulary,), initializer="zeros")

    def begin(self, vector, memory=None, mask=None):
        """The first states, and what no step changes, as `recipes/decoding.py` takes them."""
        ends = [sum(self.sizes[: i + 1]) for i in range(len(self.sizes) - 1)]
        states = ops.split(self.bridge(vector), ends, axis=-1) if ends else [self.bridge(vector)]
        if not self.attends:
            return states, [vector] if self.fed else []
        *states, memory, keys, there = self.recurrent.cell.start(states, memory, mask)
        return states, [memory, keys, there]

    def step(self, tokens, states, memory):
        """One step; see `recipes/decoding.py`."""
        x = self.embedding(tokens)
        if self.attends:
            h, states, weights = self.recurrent.cell.look(x, [*states, *memory])
            return self.logits(h), states[:-3], weights
        h, states = self.recurrent.cell(ops.concatenate([x, *memory], axis=-1), self._packed(states))
        return self.logits(self.narrow(h)), keras.tree.flatten(states), None

    def call(self, tokens, vector, memory=None, mask=None, training=False):
        return self.logits(self.hidden(tokens, vector, memory, mask, training))

    def hidden(self, tokens, vector, memory=None, mask=None, training=False):
        """h̃ of every step, (batch, steps, embedding), from what `call` takes."""
        x = self.drop[0](self.drop_words(self.embedding(tokens), training=training), training=training)
        states, memory = self.begin(vector, memory, mask)
        if self.attends:
            h = self.recurrent(x, initial_state=[*states, *memory], training=training)
        else:
            along = [ops.repeat(c[:, None], ops.shape(x)[1], axis=1) for c in memory]
            x = ops.concatenate([x, *along], axis=-1)
            h = self.narrow(self.recurrent(x, initial_state=self._packed(states), training=training))
        return self.drop[1](h, training=training)

    def _packed(self, states):
        return keras.tree.pack_sequence_as(self.recurrent.cell.state_size, states) if len(states) > 1 else states

    def logits(self, h):
        matrix = self.embedding.embeddings * 1 if self.settings["tied"] else self.output_kernel
        return ops.matmul(h, ops.transpose(matrix)) + self.bias

    def compute_output_shape(self, tokens_shape, *_):
        return (*tokens_shape, self.settings["vocabulary"])

    def get_config(self):
        return super().get_config() | self.settings


@keras.saving.register_keras_serializable("rnn_recipes")
class EncoderDecoder(keras.Model):
    """From the tokens of a sentence and of its translation up to each step to the logits of the next token.

    Args:
        reading: "bidirectional", "forward", or "reversed": from the last word to the first (Sutskever et al. 2014).
        lexical: whether the source's embeddings stand behind the encoder's states in the memory, [h_j; e_j], so that what
            is attended to reaches the next word straight from the words of the source (after Nguyen & Chiang 2018,
            "Improving Lexical Choice in Neural Machine Translation", who add a layer of its own for that).
        tied: "none"; "two-way": the decoder's two matrices are one; "three-way": and the encoder's is the same.
        sampling: share of the tokens given to the decoder in training that are its own guess instead of the right one.
            The guesses come from a first pass over the right tokens, all at once (Duckworth et al. 2019, "Parallel
            Scheduled Sampling"), unlike in Bengio et al. (2015), where each follows from the guess before.
        The others are the decoder's.

    Call argument: (source, written), (batch, timesteps) and (batch, steps), padded on the right with 0.
    Returns: (batch, steps, vocabulary).
    """

    def __init__(
        self,
        vocabulary,
        cell,
        units,
        layers,
        embedding,
        attention,
        dropout,
        word_dropout,
        seed,
        reading,
        lexical,
        tied,
        sampling,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.settings = {"vocabulary": vocabulary, "cell": cell, "units": units, "layers": layers}
        self.settings |= {"embedding": embedding, "attention": attention, "dropout": dropout, "seed": seed}
        self.settings |= {"word_dropout": word_dropout}
        memory_features = units * (2 if reading == "bidirectional" else 1) + lexical * embedding
        self.decoder = Decoder(memory_features=memory_features, tied=tied != "none", name="decoder", **self.settings)
        self.settings |= {"reading": reading, "lexical": lexical, "tied": tied, "sampling": sampling}
        own = Embedding(vocabulary, embedding, embeddings_initializer="glorot_uniform", name="embedding")
        self.embedding = self.decoder.embedding if tied == "three-way" else own
        kind = {"return_sequences": True, "return_state": True, "go_backwards": reading == "reversed"}
        readers = [common.recurrent(cell, units, **kind) for _ in range(layers)]
        both = reading == "bidirectional"
        self.readers = [keras.layers.Bidirectional(reader) for reader in readers] if both else readers
        self.drop = [keras.layers.Dropout(dropout, seed=seed + 2 + i) for i in range(layers + 1)]
        self.drop_words = keras.layers.Dropout(word_dropout, noise_shape=WHOLE_WORDS, seed=seed + 1)
        self.guesses = keras.random.SeedGenerator(seed)

    def build(self, shapes):
        source, written = shapes
        self.embedding.build(source)
        width = self.settings["embedding"]
        for reader in self.readers:
            reader.build((*source, width))
            width = self.settings["units"] * (2 if self.settings["reading"] == "bidirectional" else 1)
        memory = width + self.settings["lexical"] * self.settings["embedding"]
        self.decoder.build(written, (None, width), (*source, memory), source)

    def encode(self, source, training=False):
        """Vector, memory and mask."""
        mask = ops.not_equal(source, 0)
        x = words = self.drop[0](self.drop_words(self.embedding(source), training=training), training=training)
        for reader, drop in zip(self.readers, self.drop[1:]):
            x, *states = reader(x, mask=mask, training=training)
            if self.settings["reading"] == "reversed":
                x = ops.flip(x, axis=1)
            x = drop(x, training=training)
        half = len(states) // 2
        ends = [states[0], states[half]] if self.settings["reading"] == "bidirectional" else states[:1]
        memory = ops.concatenate([x, words], axis=-1) if self.settings["lexical"] else x
        return ops.concatenate(ends, axis=-1), memory, mask

    def call(self, inputs, training=False):
        source, written = inputs
        encoded = self.encode(source, training)
        if training and self.settings["sampling"]:
            written = self._mixed(written, self.decoder(written, *encoded, training=training))
        return self.decoder(written, *encoded, training=training)

    def _mixed(self, written, logits):
        guessed = ops.cast(ops.argmax(logits[:, :-1], axis=-1), written.dtype)
        guessed = ops.concatenate([written[:, :1], guessed], axis=1)
        own = keras.random.uniform(ops.shape(written), seed=self.guesses) < self.settings["sampling"]
        return ops.where(ops.logical_and(own, ops.not_equal(written, 0)), guessed, written)

    def begin(self, source):
        """States and memory for `step`, as `recipes/decoding.py` takes them."""
        return self.decoder.begin(*self.encode(source))

    def step(self, tokens, states, memory):
        return self.decoder.step(tokens, states, memory)

    def get_config(self):
        return super().get_config() | self.settings


def cross_entropy(smoothing):
    """The loss: the mean over all tokens but padding of the cross-entropy to 1 - smoothing for the right token and the
    rest spread evenly over all (Szegedy et al. 2016), in nats."""

    def plain(tokens, logits):
        there = ops.cast(ops.not_equal(tokens, 0), "float32")
        right = ops.take_along_axis(logits, ops.cast(tokens, "int32")[..., None], axis=-1)[..., 0]
        wanted = (1 - smoothing) * right + smoothing * ops.mean(logits, axis=-1)
        return ops.sum((ops.logsumexp(logits, axis=-1) - wanted) * there) / ops.sum(there)

    compiled = tf.function(plain, jit_compile=True)

    def loss(tokens, logits):
        # XLA goes over the logits a few times where TensorFlow goes ten, 83 ms instead of 118 at 64 sentences of 20
        # tokens and 8,000 subwords, which half a second of compiling a length is worth where there are many subwords.
        return (compiled if logits.shape[-1] >= 2000 else plain)(tokens, logits)

    return loss
