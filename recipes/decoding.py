"""From a decoder that says how likely each next token is, to sentences: greedy and beam search, in batches.

A decoder is a function

    step(tokens, states, memory) -> logits, states, weights

    tokens      (batch,), the last tokens
    states      a list of tensors (batch, ...), which every step replaces
    memory      a list of tensors (batch, ...), which no step changes, such as the encoder's states
    logits      (batch, vocabulary), of the next token
    weights     (batch, timesteps), what the step attended to, or None

so that a step costs one step, whatever came before. Sentences end with the token `end`, or at `longest` tokens.
"""

import keras
from keras import ops

PADDING = 0
BLOCK = 64  # of tokens, to draw one
NEVER = float("-inf")


def greedy(step, states, memory, start, end, longest):
    """Take the likeliest token at every step.

    Returns tokens, (batch, longest), padded with 0 behind `end`, and their log-probabilities, (batch,).
    """
    return _one_by_one(step, states, memory, start, end, longest, lambda t, logs: ops.argmax(logs, axis=-1))


def sampled(step, states, memory, start, end, chances):
    """Draw every token by its probability.

    Args:
        chances: (batch, longest), even between 0 and 1; they decide what is drawn.

    Returns: as `greedy`.
    """

    def passed(parts, chance):
        """How many parts in front lie whole below the chance, but never all, (batch, 1); and their sum."""
        sums = ops.pad(ops.cumsum(parts, axis=-1), [[0, 0], [1, 0]])
        count = ops.sum(ops.cast(sums[:, 1:-1] <= chance, "int32"), axis=-1, keepdims=True)
        return count, ops.take_along_axis(sums, count, axis=-1)

    def draw(t, logs):
        # First the block, then the token in it: a sum along the whole vocabulary took a third of the time.
        padded = ops.pad(ops.exp(logs), [[0, 0], [0, -logs.shape[-1] % BLOCK]])
        blocks = ops.reshape(padded, (ops.shape(logs)[0], -1, BLOCK))
        chance = ops.take(chances, t, axis=1)[:, None]
        block, below = passed(ops.sum(blocks, axis=-1), chance)
        place, _ = passed(ops.take_along_axis(blocks, block[:, :, None], axis=1)[:, 0], chance - below)
        return ops.minimum(block * BLOCK + place, logs.shape[-1] - 1)[:, 0]  # rounding may lead into the padding

    return _one_by_one(step, states, memory, start, end, chances.shape[1], draw)


def _one_by_one(step, states, memory, start, end, longest, choose):
    batch = ops.shape(states[0])[0]
    tokens = ops.full((batch,), start, dtype="int32")
    sentences, total = ops.zeros((batch, longest), "int32"), ops.zeros((batch,))

    def going(t, tokens, states, sentences, total, ended):
        return ops.logical_and(t < longest, ops.logical_not(ops.all(ended)))

    def turn(t, tokens, states, sentences, total, ended):
        logits, states, _ = step(tokens, states, memory)
        logs = ops.log_softmax(ops.cast(logits, "float32"))
        chosen = ops.cast(choose(t, logs), "int32")
        gained = ops.take_along_axis(logs, chosen[:, None], axis=-1)[:, 0]
        total = ops.where(ended, total, total + gained)
        tokens = ops.where(ended, PADDING, chosen)
        sentences = _written(sentences, t, tokens)
        return t + 1, tokens, states, sentences, total, ops.logical_or(ended, tokens == end)

    ended = ops.zeros((batch,), "bool")
    *_, sentences, total, _ = ops.while_loop(going, turn, (0, tokens, list(states), sentences, total, ended))
    return sentences, total


def beam_search(
    step,
    states,
    memory,
    start,
    end,
    longest,
    width=5,
    length_penalty=1.0,
    coverage_penalty=0.0,
    length_reward=0.0,
):
    """Keep the `width` best beginnings of each sentence, until none can pass the best that ended.

        score = log P / ((5 + length) / 6)^α + β Σ_j log min(1, Σ_t weight of j at t) + γ length

    Sources: Wu et al. (2016), "Google's Neural Machine Translation System", section 7; α is the length penalty and β the
    coverage penalty, which needs a decoder with attention. Murray & Chiang (2018), "Correcting Length Bias in Neural
    Machine Translation"; γ is the length reward, with which a beginning is given up when it would not pass if it ended
    here: there is no bound on what longer ones may still gain.

    Returns tokens, (batch, width, longest), the best first, and their scores, (batch, width).
    """
    batch = ops.shape(states[0])[0]
    states, memory = ([ops.repeat(x, width, axis=0) for x in xs] for xs in (states, memory))
    covered = ops.zeros((batch, width, 1))
    if coverage_penalty:
        weights = step(ops.full((batch * width,), start, dtype="int32"), states, memory)[2]
        covered = ops.zeros((batch, width, ops.shape(weights)[1]))
    rows = ops.arange(batch)[:, None] * width
    first = ops.where(ops.arange(width) == 0, 0.0, NEVER) + ops.zeros((batch, 1))  # or the beams would be copies

    def worth(total, length, covered):
        seen = ops.where(covered > 0, ops.minimum(covered, 1.0), 1.0)  # padding is never attended to
        score = total / ((5.0 + ops.cast(length, "float32")) / 6.0) ** length_penalty
        score = score + length_reward * ops.cast(length, "float32")
        return score + coverage_penalty * ops.sum(ops.log(seen), axis=-1)

    def hope(t, total, scores):
        # No continuation scores better than log P as it is now, at the full length; of rewards see above.
        most = total[:, 0] / ((5.0 + longest) / 6.0) ** length_penalty + length_reward * ops.cast(t, "float32")
        return most > scores[:, -1]

    def going(t, last, states, covered, alive, total, done, scores, hopeful):
        return ops.logical_and(t < longest, ops.any(hopeful))

    def turn(t, last, states, covered, alive, total, done, scores, hopeful):
        logits, states, weights = step(ops.reshape(last, (-1,)), states, memory)
        vocabulary = logits.shape[-1]
        chances = ops.reshape(ops.log_softmax(ops.cast(logits, "float32")), (batch, width, vocabulary))
        chances = ops.reshape(chances + total[:, :, None], (batch, width * vocabulary))
        total, chosen = ops.top_k(chances, 2 * width)  # of which at most `width` end
        parents, tokens = chosen // vocabulary, chosen % vocabulary
        if coverage_penalty:
            covered = covered + ops.reshape(ops.cast(weights, "float32"), ops.shape(covered))
        covered, alive = _of(covered, parents), _written(_of(alive, parents), t, tokens)
        ends = tokens == end
        among_best = ops.logical_and(ends, ops.arange(2 * width) < width)  # so that width 1 is greedy
        among_best = ops.logical_and(among_best, hopeful[:, None])  # or others in the batch would decide
        finals = ops.where(among_best, worth(total, t + 1, covered), NEVER)
        scores, best = ops.top_k(ops.concatenate([scores, finals], axis=1), width)
        done = _of(ops.concatenate([done, alive], axis=1), best)
        total, best = ops.top_k(ops.where(ends, NEVER, total), width)
        covered, alive, parents, last = (_of(x, best) for x in (covered, alive, parents, tokens))
        chosen = ops.reshape(rows + parents, (-1,))
        states = [ops.take(x, chosen, axis=0) for x in states]
        hopeful = ops.logical_and(hopeful, hope(t + 1, total, scores))
        return t + 1, last, states, covered, alive, total, done, scores, hopeful

    last = ops.full((batch, width), start, dtype="int32")
    nothing = ops.zeros((batch, width, longest), "int32")
    begin = (0, last, states, covered, nothing, first, nothing, ops.full_like(first, NEVER), ops.ones((batch,), "bool"))
    t, _, _, covered, alive, total, done, scores, hopeful = ops.while_loop(going, turn, begin)
    unfinished = ops.where(ops.logical_and(t >= longest, hopeful[:, None]), worth(total, longest, covered), NEVER)
    scores, best = ops.top_k(ops.concatenate([scores, unfinished], axis=1), width)
    return _of(ops.concatenate([done, alive], axis=1), best), scores


def _of(x, chosen):
    """Of each row, (batch, width, ...), the chosen ones, (batch, count)."""
    return ops.take_along_axis(x, ops.reshape(chosen, ops.shape(chosen) + (1,) * (len(x.shape) - 2)), axis=1)


def _written(sentences, t, tokens):
    """Sentences, (..., longest), with the tokens, (...), at place t."""
    return ops.where(ops.arange(sentences.shape[-1]) == t, tokens[..., None], sentences)


class Ensemble:
    """Several networks that write one sentence together: each next token's probability is the mean of theirs.

    Args:
        members: whatever has `begin` and `step` as `Search` takes them, and `settings`; all with one vocabulary.
    """

    def __init__(self, members):
        self.members, self.settings = members, members[0].settings

    def begin(self, inputs):
        begun = [member.begin(inputs) for member in self.members]
        self.sizes = [(len(states), len(memory)) for states, memory in begun]
        return [x for states, _ in begun for x in states], [x for _, memory in begun for x in memory]

    def step(self, tokens, states, memory):
        states, memory, new, chances = [*states], [*memory], [], []
        for member, (own, seen) in zip(self.members, self.sizes):
            logits, after, _ = member.step(tokens, states[:own], memory[:seen])
            del states[:own], memory[:seen]
            new += after
            chances.append(ops.softmax(ops.cast(logits, "float32")))
        return ops.log(sum(chances) / len(chances)), new, None


class Search(keras.Model):
    """A decoder's search as a model, so that `predict` compiles it and goes through batches.

    Args:
        translator: whatever has `begin(inputs)`, which returns states and memory, and `step`.
        searching: a function from (step, states, memory) to tokens and scores.
    """

    def __init__(self, translator, searching):
        super().__init__()
        self.translator, self.searching = translator, searching

    def call(self, inputs):
        return self.searching(self.translator.step, *self.translator.begin(inputs))
