"""Sentences from a decoder that gives the probability of each next token: greedy search, sampling and beam search.

All searches work on a batch at a time, with a function

    step(tokens, states, memory) -> logits, states, weights

    tokens      (batch,), the last token of each hypothesis
    states      a list of tensors (batch, ...), which every step replaces
    memory      a list of tensors (batch, ...), which no step changes, such as the encoder's states
    logits      (batch, vocabulary size), of the next token
    weights     (batch, timesteps), the attention weights of this step, or None

so that a step costs the same however long a hypothesis is. A sentence is finished when it has the token END, or
`longest` tokens.
"""

import functools

from toolkit import batches
from toolkit.text.subwords import END, PADDING, START

import keras
import numpy as np
from keras import ops

BLOCK = 64  # tokens that `sample` skips at once
IMPOSSIBLE = float("-inf")  # a log-probability


# -------------------------------------------------------------------------------------------------------- searches


def greedy(step, states, memory, longest, start=START, end=END):
    """Choose the most probable token at every step.

    Returns tokens, (batch, longest), padded with 0 after `end`, and their log-probabilities, (batch,).
    """
    return _one_by_one(step, states, memory, longest, start, end, lambda t, log_p: ops.argmax(log_p, axis=-1))


def sample(step, states, memory, uniform, start=START, end=END):
    """Sample every token from its distribution.

    Args:
        uniform: (batch, longest), uniform random numbers in [0, 1), one for each token.

    Returns: as `greedy`.
    """

    def skip(p, threshold):
        """How many leading entries sum up to at most the threshold, never all, (batch, 1); and their sum."""
        sums = ops.pad(ops.cumsum(p, axis=-1), [[0, 0], [1, 0]])
        count = ops.sum(ops.cast(sums[:, 1:-1] <= threshold, "int32"), axis=-1, keepdims=True)
        return count, ops.take_along_axis(sums, count, axis=-1)

    def choose(t, log_p):
        # First a block, then the token in it: cumulative sums over the whole vocabulary took a third of the time.
        padded = ops.pad(ops.exp(log_p), [[0, 0], [0, -log_p.shape[-1] % BLOCK]])
        blocks = ops.reshape(padded, (ops.shape(log_p)[0], -1, BLOCK))
        threshold = ops.take(uniform, t, axis=1)[:, None]
        block, below = skip(ops.sum(blocks, axis=-1), threshold)
        place, _ = skip(ops.take_along_axis(blocks, block[:, :, None], axis=1)[:, 0], threshold - below)
        return ops.minimum(block * BLOCK + place, log_p.shape[-1] - 1)[:, 0]  # rounding may lead into the padding

    return _one_by_one(step, states, memory, uniform.shape[1], start, end, choose)


def _one_by_one(step, states, memory, longest, start, end, choose):
    batch = ops.shape(states[0])[0]

    def unfinished(t, tokens, states, sentences, total, finished):
        return ops.logical_and(t < longest, ops.logical_not(ops.all(finished)))

    def extend(t, tokens, states, sentences, total, finished):
        logits, states, _ = step(tokens, states, memory)
        log_p = ops.log_softmax(ops.cast(logits, "float32"))
        chosen = ops.cast(choose(t, log_p), "int32")
        total = ops.where(finished, total, total + ops.take_along_axis(log_p, chosen[:, None], axis=-1)[:, 0])
        tokens = ops.where(finished, PADDING, chosen)
        sentences = _put(sentences, t, tokens)
        return t + 1, tokens, states, sentences, total, ops.logical_or(finished, tokens == end)

    tokens, sentences = ops.full((batch,), start, dtype="int32"), ops.zeros((batch, longest), "int32")
    total, finished = ops.zeros((batch,)), ops.zeros((batch,), "bool")
    *_, sentences, total, _ = ops.while_loop(unfinished, extend, (0, tokens, list(states), sentences, total, finished))
    return sentences, total


def beam_search(
    step, states, memory, longest, beam_width=5, length_penalty=1.0, coverage_penalty=0.0, start=START, end=END
):
    """Keep the `beam_width` best unfinished hypotheses, until none of them can pass the best finished ones.

        score = log P / ((5 + length) / 6)^α + β Σ_j log min(1, Σ_t weight of j at t)

    Source: Wu et al. (2016), "Google's Neural Machine Translation System", section 7; α is `length_penalty`, β is
    `coverage_penalty`, which needs a decoder with attention.

    Returns tokens, (batch, beam_width, longest), the best first, and their scores, (batch, beam_width); a score of
    negative infinity where there were no more hypotheses.
    """
    batch = ops.shape(states[0])[0]
    states, memory = ([ops.repeat(x, beam_width, axis=0) for x in xs] for xs in (states, memory))
    coverage = ops.zeros((batch, beam_width, 1))
    if coverage_penalty:
        weights = step(ops.full((batch * beam_width,), start, dtype="int32"), states, memory)[2]
        coverage = ops.zeros((batch, beam_width, ops.shape(weights)[1]))
    rows = ops.arange(batch)[:, None] * beam_width

    def score(total, length, coverage):
        attended = ops.where(coverage > 0, ops.minimum(coverage, 1.0), 1.0)  # padding is never attended to
        penalized = total / ((5.0 + ops.cast(length, "float32")) / 6.0) ** length_penalty
        return penalized + coverage_penalty * ops.sum(ops.log(attended), axis=-1)

    def can_improve(total, scores):
        # No continuation scores better than the log-probability as it is now, at the full length.
        return total[:, 0] / ((5.0 + longest) / 6.0) ** length_penalty > scores[:, -1]

    def unfinished(t, tokens, states, coverage, beam, total, finished, scores, improvable):
        return ops.logical_and(t < longest, ops.any(improvable))

    def extend(t, tokens, states, coverage, beam, total, finished, scores, improvable):
        logits, states, weights = step(ops.reshape(tokens, (-1,)), states, memory)
        vocabulary_size = logits.shape[-1]
        log_p = ops.reshape(ops.log_softmax(ops.cast(logits, "float32")), (batch, beam_width, vocabulary_size))
        log_p = ops.reshape(log_p + total[:, :, None], (batch, beam_width * vocabulary_size))
        total, chosen = ops.top_k(log_p, 2 * beam_width)  # of these at most `beam_width` end
        parents, tokens = chosen // vocabulary_size, chosen % vocabulary_size
        if coverage_penalty:
            coverage = coverage + ops.reshape(ops.cast(weights, "float32"), ops.shape(coverage))
        coverage, beam = _gather(coverage, parents), _put(_gather(beam, parents), t, tokens)
        ends = tokens == end
        counts = ops.logical_and(ends, ops.arange(2 * beam_width) < beam_width)  # so that a beam of 1 is greedy
        counts = ops.logical_and(counts, improvable[:, None])  # or a result would depend on the rest of its batch
        new_scores = ops.where(counts, score(total, t + 1, coverage), IMPOSSIBLE)
        scores, best = ops.top_k(ops.concatenate([scores, new_scores], axis=1), beam_width)
        finished = _gather(ops.concatenate([finished, beam], axis=1), best)
        total, best = ops.top_k(ops.where(ends, IMPOSSIBLE, total), beam_width)
        coverage, beam, parents, tokens = (_gather(x, best) for x in (coverage, beam, parents, tokens))
        states = [ops.take(x, ops.reshape(rows + parents, (-1,)), axis=0) for x in states]
        improvable = ops.logical_and(improvable, can_improve(total, scores))
        return t + 1, tokens, states, coverage, beam, total, finished, scores, improvable

    tokens, empty = (
        ops.full((batch, beam_width), start, dtype="int32"),
        ops.zeros((batch, beam_width, longest), "int32"),
    )
    total = ops.where(ops.arange(beam_width) == 0, 0.0, IMPOSSIBLE) + ops.zeros((batch, 1))  # or all would be the same
    scores, improvable = ops.full_like(total, IMPOSSIBLE), ops.ones((batch,), "bool")
    initial = (0, tokens, states, coverage, empty, total, empty, scores, improvable)
    t, _, _, coverage, beam, total, finished, scores, improvable = ops.while_loop(unfinished, extend, initial)
    cut_off = ops.logical_and(t >= longest, improvable[:, None])
    scores = ops.concatenate([scores, ops.where(cut_off, score(total, longest, coverage), IMPOSSIBLE)], axis=1)
    scores, best = ops.top_k(scores, beam_width)
    return _gather(ops.concatenate([finished, beam], axis=1), best), scores


def _gather(x, chosen):
    """Of each row of x, (batch, width, ...), the chosen entries, (batch, count)."""
    return ops.take_along_axis(x, ops.reshape(chosen, ops.shape(chosen) + (1,) * (len(x.shape) - 2)), axis=1)


def _put(sentences, t, tokens):
    """Sentences, (..., longest), with the tokens, (...), at place t."""
    return ops.where(ops.arange(sentences.shape[-1]) == t, tokens[..., None], sentences)


# -------------------------------------------------------------------------------------------------------- decoders


class StepwiseDecoder:
    """The encoder of a functional model, and its decoder a step at a time.

    Args:
        model: a functional `keras.Model([inputs, written], logits)` with layers of these names: "embedding", a
            `layers.TiedEmbedding`; "decoder", a `layers.AttentionDecoder` or `VectorDecoder`; "output_dropout", whose
            output the logits are made from.

    Attributes:
        models: a list of the model.
        encoder: a model from inputs to all that the decoder is called with after the embedded tokens.
    """

    def __init__(self, model):
        self.models = [model]
        self.embedding, self.decoder = model.get_layer("embedding"), model.get_layer("decoder")
        self.encoder = keras.Model(model.inputs[0], self.decoder.input[1:])

    @functools.cached_property
    def _teacher_forced_parts(self):
        # A single model from `written` and inner tensors would make the whole model unsavable, because Keras 3.15 moves
        # an input that stands beside inner tensors to another node of the graph.
        (model,) = self.models
        output = model.get_layer("output_dropout").output
        return keras.Model(model.inputs[1], self.decoder.input[0]), keras.Model(self.decoder.input, output)

    def teacher_forced(self, inputs, training=False):
        """From [written, *encoded] to h̃ of every step, (batch, steps, units), which `logits` takes."""
        embed, decode = self._teacher_forced_parts
        written, *encoded = inputs
        return decode([embed(written, training=training), *encoded], training=training)

    def encode(self, inputs, training=False):
        """A list of all that the decoder is called with after the embedded tokens."""
        return keras.tree.flatten(self.encoder(inputs, training=training))  # Keras returns one output without a list

    def start(self, inputs):
        """The states and the memory with which `step` starts on a batch of inputs."""
        return self.decoder.start(*self.encode(inputs))

    def step(self, tokens, states, memory):
        """One step, as all searches take it."""
        h, states, weights = self.decoder.step(self.embedding(tokens), states, memory)
        return self.logits(h), states, weights

    def logits(self, h):
        return self.embedding(h, reverse=True)


class Ensemble:
    """Several decoders as one: the probability of each next token is the mean of theirs.

    Args:
        decoders: whatever has `start`, `step` and `models` as `StepwiseDecoder` has; all with one vocabulary.
    """

    def __init__(self, decoders):
        self.decoders = decoders
        self.models = [model for decoder in decoders for model in decoder.models]

    def start(self, inputs):
        started = [decoder.start(inputs) for decoder in self.decoders]
        self.sizes = [(len(states), len(memory)) for states, memory in started]
        return [x for states, _ in started for x in states], [x for _, memory in started for x in memory]

    def step(self, tokens, states, memory):
        states, memory, new, p = [*states], [*memory], [], []
        for decoder, (own_states, own_memory) in zip(self.decoders, self.sizes):
            logits, after, _ = decoder.step(tokens, states[:own_states], memory[:own_memory])
            del states[:own_states], memory[:own_memory]
            new += after
            p.append(ops.softmax(ops.cast(logits, "float32")))
        return ops.log(sum(p) / len(p)), new, None


class Search(keras.Model):
    """A search as a model, so that `predict` compiles it, from inputs to what `beam_search` returns.

    Args:
        decoder: a `StepwiseDecoder` or an `Ensemble`.
        beam_width: hypotheses that are kept of each sentence; 1 is greedy search, with log-probabilities as scores.
        length_penalty, coverage_penalty: as in `beam_search`.
        longest: tokens of a sentence, at most.
    """

    def __init__(self, decoder, beam_width=5, length_penalty=1.0, coverage_penalty=0.0, longest=100):
        super().__init__()
        self.decoder, self.longest = decoder, longest
        self.models = decoder.models  # for Keras to know their weights
        penalties = {"length_penalty": length_penalty, "coverage_penalty": coverage_penalty}
        self.search = functools.partial(beam_search, beam_width=beam_width, **penalties) if beam_width > 1 else _greedy

    def call(self, inputs):
        return self.search(self.decoder.step, *self.decoder.start(inputs), self.longest)


def _greedy(step, states, memory, longest):
    tokens, scores = greedy(step, states, memory, longest)
    return tokens[:, None], scores[:, None]


# ----------------------------------------------------------------------------------------------------------- texts


def hypotheses(search, subwords, inputs):
    """For each example of batches of inputs a list of (text, score), the best first."""
    tokens, scores = search.predict(inputs, verbose=0)
    possible = [(beam[np.isfinite(row)], row[np.isfinite(row)]) for beam, row in zip(tokens, scores)]
    return [list(zip(subwords.texts(beam), map(float, row))) for beam, row in possible]


def translate(search, subwords, sentences, batch_size=100):
    """For each sentence its hypotheses as `hypotheses` returns them."""
    sources, order = batches.by_length([subwords.ids(sentences)], batch_size)
    found = hypotheses(search, subwords, sources)
    return [found[i] for i in np.argsort(order)]


def attention_weights(decoder, inputs, tokens):
    """The attention weights of each step that writes `tokens`, a list, for one example: (steps, timesteps)."""
    states, memory = decoder.start(np.asarray(inputs)[None])
    rows = []
    for token in [START, *tokens[:-1]]:
        _, states, weights = decoder.step(np.array([token]), states, memory)
        rows.append(ops.convert_to_numpy(weights)[0])
    return np.array(rows)


class FreeDecoding(keras.callbacks.Callback):
    """Adds `val_NAME` to the logs of every epoch: a score of what the model in training writes by itself.

    Args:
        name: what the score is called.
        search: a `Search` with the model's `StepwiseDecoder`.
        subwords: a `toolkit.text.subwords.Subwords`.
        inputs: batches of inputs.
        score: a function from a list of texts, one for each example, to a number.
    """

    def __init__(self, name, search, subwords, inputs, score):
        super().__init__()
        self.name, self.search, self.subwords, self.inputs, self.score = name, search, subwords, inputs, score

    def on_epoch_end(self, epoch, logs):
        written = hypotheses(self.search, self.subwords, self.inputs)
        logs[f"val_{self.name}"] = self.score([beam[0][0] for beam in written])
