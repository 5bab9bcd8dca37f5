"""Self-critical training: its gradient beside finite differences, and that it learns what is rewarded."""

from toolkit import decoding, self_critical
from toolkit.runs import Stop
from toolkit.text.subwords import END, START

import keras
import numpy as np
import pytest
from keras import ops

from layers import RNN, Attention, AttentionDecoder, GRUCell, TiedEmbedding, VectorDecoder

rng = np.random.default_rng(0)


def network(attention=True):
    """A small network from four vectors to logits, with random weights."""
    inputs, written = keras.Input((4, 5)), keras.Input((None,), dtype="int32")
    memory = keras.layers.Dense(8, activation="tanh")(inputs)  # smooth, for finite differences
    vector = keras.layers.GlobalAveragePooling1D()(memory)
    if attention:
        decoder = AttentionDecoder(GRUCell(8), Attention(), 8, 6, name="decoder")
    else:
        decoder = VectorDecoder(RNN(GRUCell(8), return_sequences=True), 6, name="decoder")
    state = keras.layers.Dense(decoder.state_features, activation="tanh")(vector)
    embed = TiedEmbedding(9, 6, name="embedding")
    h = decoder(embed(written), state, memory if attention else vector)
    h = keras.layers.Dropout(0.0, name="output_dropout")(h)
    model = keras.Model([inputs, written], embed(h, reverse=True))
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model


def compiled(reward, rate, attention=True):
    trainer = self_critical.SelfCriticalTrainer(network(attention), reward, longest=6, seed=0)
    trainer.compile(keras.optimizers.SGD(rate), jit_compile=False)
    return trainer


@pytest.mark.slow
@pytest.mark.parametrize("attention", [True, False])
def test_one_step_follows_the_gradient_of_the_loss(attention):
    inputs, numbers = rng.normal(size=(3, 4, 5)).astype("float32"), np.array([7, 8, 9])
    calls = []

    def reward(numbers, tokens):
        calls.append((numbers, tokens))
        return (numbers + np.sin(tokens.sum(axis=1))).astype("float32")

    trainer = compiled(reward, 1.0, attention)
    model, before = trainer.network, [w.numpy() for w in trainer.trainable_variables]
    trainer.train_on_batch(inputs, numbers)
    (rewarded, tokens), after = calls[0], [w.numpy() for w in trainer.trainable_variables]
    np.testing.assert_array_equal(rewarded, np.repeat(numbers, self_critical.SENTENCES))
    assert tokens.shape == (3 * self_critical.SENTENCES, 6) and len(np.unique(tokens, axis=0)) > 8

    rewards = reward(rewarded, tokens).reshape(3, -1)
    advantages = np.array([[r - np.delete(row, k).mean() for k, r in enumerate(row)] for row in rewards]).reshape(-1)

    def loss():
        written = np.concatenate([np.full((len(tokens), 1), START), tokens[:, :-1]], axis=1)
        logits = np.array(model([np.repeat(inputs, self_critical.SENTENCES, axis=0), written]))
        log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        chosen = np.take_along_axis(log_p, tokens[..., None], axis=-1)[..., 0] * (tokens != 0)
        return -(advantages[:, None] * chosen).sum() / (tokens != 0).sum()

    for place, weight in enumerate(trainer.trainable_variables):
        gradient = before[place] - after[place]
        direction = rng.normal(size=weight.shape)
        values = []
        for sign in (1, -1):
            for w, value in zip(trainer.trainable_variables, before):
                w.assign(value)
            weight.assign(before[place] + sign * 0.01 * direction)
            values.append(loss())
        assert (values[0] - values[1]) / 0.02 == pytest.approx((gradient * direction).sum(), abs=2e-3), weight.path


@pytest.mark.slow
def test_it_learns_what_is_rewarded():
    inputs, numbers = np.tile(2 * rng.normal(size=(2, 4, 5)), (8, 1, 1)).astype("float32"), np.arange(16)
    wanted = 4 + numbers % 2 * 3  # which token is rewarded depends on the input
    trainer = compiled(lambda numbers, tokens: (tokens == wanted[numbers][:, None]).sum(axis=1).astype("float32"), 1.0)
    trainer.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    rewards = [trainer.train_on_batch(inputs, numbers, return_dict=True)["reward"] for _ in range(150)]
    assert np.mean(rewards[:5]) < 1.5 and np.mean(rewards[-5:]) > 5
    tokens, _ = decoding.greedy(trainer.decoder.step, *trainer.decoder.start(inputs), 6)
    assert (np.array(tokens) == wanted[:, None]).mean() > 0.95


def test_on_another_backend_it_stops_before_training(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(Stop, match="needs the TensorFlow backend. Received: KERAS_BACKEND=jax"):
        self_critical.fit(None, None, None, None, None, None, 5, 1)


@pytest.mark.parametrize("block", [2, 4, 64])
def test_samples_follow_the_probabilities_and_the_random_numbers(block, monkeypatch):
    monkeypatch.setattr(decoding, "BLOCK", block)
    decoder = decoding.StepwiseDecoder(network())
    inputs = np.repeat(rng.normal(size=(1, 4, 5)), 4000, axis=0).astype("float32")
    uniform = rng.uniform(size=(4000, 3)).astype("float32")
    sample = lambda inputs, uniform: decoding.sample(decoder.step, *decoder.start(inputs), uniform)
    tokens, total = (np.array(x) for x in sample(inputs, uniform))
    logits, *_ = decoder.step(np.array([START]), *decoder.start(inputs[:1]))
    expected = np.array(ops.softmax(logits))[0]
    shares = np.bincount(tokens[:, 0], minlength=9) / 4000
    np.testing.assert_allclose(shares, expected, atol=4 * np.sqrt(expected.max() / 4000))
    one = tokens[:, 0] == 5
    assert total[tokens[:, 0] == END] == pytest.approx(np.log(expected[END]), abs=1e-4)
    assert one.any() and (total[one] < np.log(expected[5])).all()
    assert (tokens[tokens[:, 0] == END][:, 1:] == 0).all()
    np.testing.assert_array_equal(sample(inputs, uniform)[0], tokens)
    extremes = sample(inputs[:2], np.array([[0.0] * 3, [1.0] * 3], "float32"))
    assert np.array(extremes[0])[:, 0].tolist() == [0, 8]
