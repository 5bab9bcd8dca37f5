"""Self-critical training: a network writes sentences of its own, and learns from how good they are.

    loss = -mean_k (r_k - mean_{j≠k} r_j) log P(sentence k)

r is what sentences will be judged by, such as CIDEr, and k counts the sentences drawn for one input. Cross-entropy on
right words teaches what should follow what is right; this teaches what should follow what the network itself has said,
and does so by the measure that counts.

Sources: Rennie et al. (2017), "Self-Critical Sequence Training for Image Captioning"; Luo (2020), "A Better Variant of
Self-Critical Sequence Training", for the other sentences' mean, which takes the place of the greedy sentence's reward.
"""

import collections
import functools
import operator

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from recipes import decoding, training
from recipes.translation_text import END, PADDING, START

PART = "self-critical-"
RATE = 4e-4  # on Flickr8k better than 1e-4
INPUTS, SENTENCES = 32, 4  # in a batch; drawn for each input
NGRAMS = 4
SIGMA = 6.0  # words by which lengths may differ


def fit(network, run, inputs, numbers, subwords, reward, longest, epochs, **kept):
    """Go on with the training of a network that has learned by cross-entropy.

    Args:
        inputs: an array of what it is given, (inputs, ...).
        numbers: by which the reward knows each of them, (inputs,).
        reward: a function from inputs' numbers and as many texts to float32 rewards.
        longest: tokens in a sentence that is drawn, at most; few need be as long as the longest that is right.
        kept: options of `training.fit`.

    Returns: the minutes of training.
    """
    settings = run.settings
    judged = lambda numbers, tokens: reward(numbers, subwords.text(tokens))
    stream, steps = training.shuffled_batches((inputs, numbers), INPUTS, settings["seed"])
    rate = training.warmed_up(RATE, epochs, steps)
    with training.scope(network):
        writer = Writer(network, judged, longest, settings["seed"])
        writer.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), jit_compile=False)
    return training.fit(writer, run, (stream, steps), epochs, None, saved=network, part=PART, **kept)


class Writer(keras.Model):
    """A network that writes, to be trained on what it writes itself.

    Args:
        network: whatever has `encode(inputs, training)`, which returns what its `decoder`, a
            `recipes.encoder_decoder.Decoder`, takes behind the tokens.
        reward: a function from input numbers, (sentences,), and tokens, (sentences, steps), to (sentences,) floats.
        longest: tokens in a sentence, at most.
        seed: of the draws.

    Trained on pairs of an input and its number, both with the batch in front.
    """

    def __init__(self, network, reward, longest, seed):
        super().__init__()
        self.network, self.reward, self.longest = network, reward, longest
        self.settings, self.begin, self.step = network.settings, network.begin, network.step
        self.seeds = keras.random.SeedGenerator(seed)
        self.built = True  # as its network is
        self.means = {name: keras.metrics.Mean(name) for name in ("loss", "reward")}

    def train_step(self, data):
        inputs, numbers, _ = keras.utils.unpack_x_y_sample_weight(data)
        tokens = self.drawn(inputs)
        rewards = tf.numpy_function(self.reward, [ops.repeat(numbers, SENTENCES), tokens], "float32")
        rewards = ops.reshape(rewards, (-1, SENTENCES))
        others = (ops.sum(rewards, axis=1, keepdims=True) - rewards) / (SENTENCES - 1)
        advantage = ops.reshape(rewards - others, (-1,))
        with tf.GradientTape() as tape:
            loss = surprise(*self.said(self.network.encode(inputs, training=True), tokens, advantage))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        for name, value in (("loss", loss), ("reward", ops.mean(rewards))):
            self.means[name].update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}

    def said(self, encoded, tokens, advantage):
        """The tokens of all sentences, (tokens,), their logits and their sentences' advantage, in no certain order.

        Sentences of like lengths are gone through together, or half of the work would be on padding.
        """
        order, found = ops.argsort(ops.sum(ops.cast(tokens != PADDING, "int32"), axis=1)), []
        for part in ops.split(order, SENTENCES):
            written = ops.take(tokens, part, axis=0)
            there = tf.where(written != PADDING)
            written = written[:, : ops.max(there[:, 1]) + 1]
            before = ops.pad(written[:, :-1], [[0, 0], [1, 0]], constant_values=START)
            seen = [ops.take(x, part // SENTENCES, axis=0) for x in encoded]
            h = tf.gather_nd(self.network.decoder.hidden(before, *seen, training=True), there)
            found.append((tf.gather_nd(written, there), h, tf.gather(advantage, tf.gather(part, there[:, 0]))))
        right, h, advantage = (ops.concatenate(x, axis=0) for x in zip(*found))
        return right, self.network.decoder.logits(h), advantage

    @tf.function(jit_compile=True)
    def drawn(self, inputs):
        """SENTENCES sentences for each input, one after another: (inputs · SENTENCES, longest)."""
        states, memory = ([ops.repeat(x, SENTENCES, axis=0) for x in xs] for xs in self.network.begin(inputs))
        chances = keras.random.uniform((ops.shape(states[0])[0], self.longest), seed=self.seeds)
        return decoding.sampled(self.network.step, states, memory, START, END, chances)[0]


def surprise(tokens, logits, advantage):
    """The mean over tokens, (tokens,), of the surprise at them, in nats, weighted by their sentences' advantage."""
    right = ops.take_along_axis(logits, tokens[:, None], axis=-1)[:, 0] - ops.logsumexp(logits, axis=-1)
    return -ops.mean(advantage * right)


def judge(references, bleu_weight):
    """The reward of captions: `Cider`, and `Bleu` with a weight; from inputs' numbers and texts, as `fit` takes it."""
    cider = Cider(references)
    if not bleu_weight:
        return cider
    bleu = Bleu(references)
    return lambda numbers, texts: cider(numbers, texts) + bleu_weight * bleu(numbers, texts)


class Cider:
    """CIDEr-D of texts against fixed references (Vedantam et al. 2015), with the end of a text as a word of its own.

    Without the end, a text that breaks off after "in a" would gain from these words. In how many inputs' references an
    n-gram stands is counted once, so that a few texts can be scored at a time, which pycocoevalcap does not offer.

    Args:
        references: for each input a list of texts, words between spaces.
        end: the word behind each text; "" for none.
    """

    def __init__(self, references, end=" ."):
        self.end = end
        counted = [[_ngrams(text + end) for text in texts] for texts in references]
        known = collections.Counter(ngram for texts in counted for ngram in set().union(*texts))
        self.unknown = np.log(len(references))
        self.worth = {ngram: self.unknown - np.log(count) for ngram, count in known.items()}
        self.references = [[self._vector(counts) for counts in texts] for texts in counted]

    def __call__(self, numbers, texts):
        """The score of each text against the references of the input of that number, float32; 10 is the highest."""
        found = (
            self._score(self._vector(_ngrams(text + self.end)), self.references[n]) for n, text in zip(numbers, texts)
        )
        return np.fromiter(found, "float32", len(texts))

    def _vector(self, counts):
        """Weights of the n-grams, the length of each n's part, and the number of words."""
        weights, squares = {}, [0.0] * NGRAMS
        for ngram, count in counts.items():
            weights[ngram] = weight = count * self.worth.get(ngram, self.unknown)
            squares[len(ngram) - 1] += weight * weight
        words = sum(count for ngram, count in counts.items() if len(ngram) == 1)
        return weights, np.sqrt(squares), words

    @staticmethod
    def _score(text, references):
        weights, norms, words = text
        total = 0.0
        for others, other_norms, other_words in references:
            products = [0.0] * NGRAMS
            for ngram in weights.keys() & others.keys():
                products[len(ngram) - 1] += min(weights[ngram], others[ngram]) * others[ngram]
            norm = norms * other_norms
            cosines = np.divide(products, norm, out=np.zeros(NGRAMS), where=norm > 0)
            total += cosines.mean() * np.exp(-((words - other_words) ** 2) / (2 * SIGMA**2))
        return 10 * total / len(references)


class Bleu:
    """The mean of BLEU-1 to BLEU-4 of single texts against fixed references (Papineni et al. 2002).

    CIDEr cares little for common n-grams, and BLEU-4 alone little for single words. 1 is added to the numbers of right
    and of all n-grams but words, or a text without a right 4-gram would be worth nothing (Lin & Och 2004). A text loses
    where it is shorter than the lower quartile of the references. By the closest one, text by text, networks would come
    to write too short for BLEU of all texts together; by the mean length, so long that precision falls.

    Args:
        references: for each input a list of texts, words between spaces.
    """

    def __init__(self, references):
        self.references = []
        for texts in references:
            most = functools.reduce(operator.or_, map(_ngrams, texts))  # of each n-gram what one text has at most
            self.references.append((most, np.quantile([len(text.split()) for text in texts], 0.25)))

    def __call__(self, numbers, texts):
        """The score of each text against the references of the input of that number, float32, from 0 to 1."""
        found = (self._score(text, *self.references[n]) for n, text in zip(numbers, texts))
        return np.fromiter(found, "float32", len(texts))

    @staticmethod
    def _score(text, most, wanted):
        right, words = np.zeros(NGRAMS), len(text.split())
        for ngram, count in _ngrams(text).items():
            right[len(ngram) - 1] += min(count, most[ngram])
        if not right[0]:
            return 0.0
        added = np.arange(NGRAMS) > 0
        precisions = (right + added) / (np.maximum(words - np.arange(NGRAMS), 0) + added)
        up_to = np.exp(np.cumsum(np.log(precisions)) / np.arange(1, NGRAMS + 1))
        return up_to.mean() * np.exp(min(0.0, 1 - wanted / words))


def _ngrams(text):
    words = text.split()
    return collections.Counter(tuple(words[i : i + n]) for n in range(1, NGRAMS + 1) for i in range(len(words) - n + 1))
