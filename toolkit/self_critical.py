"""Self-critical training: a network writes sentences of its own and learns from their rewards.

    loss = -mean_k (r_k - mean_{j≠k} r_j) log P(sentence k)

r is the measure by which sentences will be judged, such as CIDEr, and k counts the sentences sampled for one input.
Cross-entropy teaches what follows a correct beginning; this teaches what should follow the beginnings that the network
itself writes, and optimizes the measure itself.

Sources: Rennie et al. (2017), "Self-Critical Sequence Training for Image Captioning"; Luo (2020), "A Better Variant of
Self-Critical Sequence Training", for the mean of the other sentences' rewards as the baseline.

Only the TensorFlow backend is supported, because the training step and the compiled sampling are written for it.
"""

from toolkit import batches, decoding, training
from toolkit.runs import Stop
from toolkit.text.subwords import PADDING, START

import keras
import tensorflow as tf
from keras import ops

PHASE = "self-critical-"
LEARNING_RATE = 4e-4  # on Flickr8k better than 1e-4
BATCH_SIZE = 32  # inputs
SENTENCES = 4  # sampled for each input


def require_tensorflow():
    """Raises Stop on other backends."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise Stop(f"Self-critical training needs the TensorFlow backend. Received: KERAS_BACKEND={backend}")


def fit(model, run, inputs, numbers, subwords, reward, longest, epochs, seed=0, **options):
    """Continue the training of a network that was trained with cross-entropy.

    Args:
        model: a network as `decoding.StepwiseDecoder` takes it.
        inputs: an array of the network's inputs, (inputs, ...).
        numbers: (inputs,), by which the reward knows the inputs.
        reward: a function from inputs' numbers and as many texts to float32 rewards.
        longest: most tokens of a sampled sentence.
        options: those of `training.fit`.

    Returns the minutes of training.
    """
    require_tensorflow()
    stream, steps = batches.shuffled((inputs, numbers), BATCH_SIZE, seed)
    rate = training.warmed_up_cosine_decay(LEARNING_RATE, epochs, steps)
    token_reward = lambda numbers, tokens: reward(numbers, subwords.texts(tokens))
    with training.scope(model):
        trainer = SelfCriticalTrainer(model, token_reward, longest, seed)
        trainer.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), jit_compile=False)
    return training.fit(trainer, run, (stream, steps), epochs, None, saved=model, phase=PHASE, **options)


class SelfCriticalTrainer(keras.Model):
    """Trains a network on its own sentences; its data are pairs of inputs and their numbers.

    Args:
        network: a network as `decoding.StepwiseDecoder` takes it.
        reward: a function from inputs' numbers, (sentences,), and tokens, (sentences, steps), to (sentences,) floats.
        longest: most tokens of a sampled sentence.
        seed: of the sampling.
    """

    def __init__(self, network, reward, longest, seed=0):
        super().__init__()
        self.network, self.reward, self.longest = network, reward, longest
        self.decoder = decoding.StepwiseDecoder(network)
        self.seeds = keras.random.SeedGenerator(seed)
        self.built = True  # as the network is
        self.means = {name: keras.metrics.Mean(name) for name in ("loss", "reward")}

    def train_step(self, data):
        inputs, numbers, _ = keras.utils.unpack_x_y_sample_weight(data)
        tokens = self.sample(inputs)
        rewards = tf.numpy_function(self.reward, [ops.repeat(numbers, SENTENCES), tokens], "float32")
        rewards = ops.reshape(rewards, (-1, SENTENCES))
        baseline = (ops.sum(rewards, axis=1, keepdims=True) - rewards) / (SENTENCES - 1)
        advantages = ops.reshape(rewards - baseline, (-1,))
        with tf.GradientTape() as tape:
            encoded = self.decoder.encode(inputs, training=True)
            loss = policy_loss(*self.logits(encoded, tokens, advantages))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        for name, value in (("loss", loss), ("reward", ops.mean(rewards))):
            self.means[name].update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}

    def logits(self, encoded, tokens, advantages):
        """The tokens of all sentences, (tokens,), their logits, and their sentences' advantages, in no certain order.

        Sentences of similar lengths are processed together; otherwise half of the work would be on padding.
        """
        order, groups = ops.argsort(ops.sum(ops.cast(tokens != PADDING, "int32"), axis=1)), []
        for group in ops.split(order, SENTENCES):
            targets = ops.take(tokens, group, axis=0)
            places = tf.where(targets != PADDING)
            targets = targets[:, : ops.max(places[:, 1]) + 1]
            written = ops.pad(targets[:, :-1], [[0, 0], [1, 0]], constant_values=START)
            repeated = [ops.take(x, group // SENTENCES, axis=0) for x in encoded]
            h = tf.gather_nd(self.decoder.teacher_forced([written, *repeated], training=True), places)
            groups.append((tf.gather_nd(targets, places), h, tf.gather(advantages, tf.gather(group, places[:, 0]))))
        targets, h, advantages = (ops.concatenate(x, axis=0) for x in zip(*groups))
        return targets, self.decoder.logits(h), advantages

    @tf.function(jit_compile=True)
    def sample(self, inputs):
        """SENTENCES sentences for each input, one after another: tokens, (inputs * SENTENCES, longest)."""
        start = self.decoder.start(inputs)
        states, memory = ([ops.repeat(x, SENTENCES, axis=0) for x in tensors] for tensors in start)
        uniform = keras.random.uniform((ops.shape(states[0])[0], self.longest), seed=self.seeds)
        return decoding.sample(self.decoder.step, states, memory, uniform)[0]


def policy_loss(tokens, logits, advantages):
    """The mean over tokens, (tokens,), of their cross-entropy in nats, weighted by their sentences' advantages."""
    log_probabilities = ops.take_along_axis(logits, tokens[:, None], axis=-1)[:, 0] - ops.logsumexp(logits, axis=-1)
    return -ops.mean(advantages * log_probabilities)
