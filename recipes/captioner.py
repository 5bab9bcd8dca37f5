"""A network that looks at a picture and one that writes what it shows: the model of recipes/image_captioning.py."""

import keras
import tensorflow as tf
from keras import ops

from recipes import caption_inputs, common, decoding, picture_features, training, translation_text
from recipes.encoder_decoder import Decoder, cross_entropy

BEAM, LENGTH_PENALTY = 3, 1.0
# by the name of `--enters`: the decoder's attention, and whether c enters its every step
ENTERS = {"same-vector": ("none", True), "initial-state": ("none", False), "attention": ("additive", False)}


@keras.saving.register_keras_serializable("rnn_recipes")
class Captioner(keras.Model):
    """From a picture, or its features, and the caption up to each step to the logits of the next subword.

    Args:
        looks: whether it is given pictures, and has the network that looks at them; or features.
        encoder, size: that network's name, and the pictures' width and height.
        The others are the decoder's.
    """

    def __init__(
        self, vocabulary, enters, cell, units, layers, embedding, dropout, seed, looks, encoder, size, **kwargs
    ):
        super().__init__(**kwargs)
        self.settings = {"vocabulary": vocabulary, "cell": cell, "units": units, "layers": layers}
        self.settings |= {"embedding": embedding, "dropout": dropout, "seed": seed}
        attention, fed = ENTERS[enters]
        kind = {"attention": attention, "fed": fed, "memory_features": units, "tied": True}
        self.decoder = Decoder(name="decoder", **kind, **self.settings)
        self.settings |= {"enters": enters, "looks": looks, "encoder": encoder, "size": size}
        own = encoder == picture_features.CNN
        network = picture_features.small_network if own else picture_features.network
        self.backbone = (network(size) if own else network(encoder, size)) if looks else None
        # two maps of a trained network have scales of their own
        self.scale = None if own else keras.layers.BatchNormalization(name="scale")
        self.project = keras.layers.Dense(units, activation="relu", name="project")
        # Whole channels of a trained network, which says the same at neighbouring positions; on Flickr8k's validation
        # part this was better, on scenes, whose network has few channels, worse.
        drop = keras.layers.Dropout if own else keras.layers.SpatialDropout1D
        self.drop = drop(dropout, seed=seed + 2)

    def build(self, shapes):
        seen, written = shapes
        channels = self.backbone.output_shape[-1] if self.backbone else seen[-1]
        units = self.settings["units"]
        if self.scale:
            self.scale.build((None, None, channels))
        self.project.build((None, None, channels))
        self.decoder.build(written, (None, units), (None, None, units))

    def encode(self, seen, training=False):
        """Vector and memory."""
        x = ops.cast(seen, "float32")
        if self.backbone:
            x = self.backbone(x, training=training)
            x = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
        if self.scale:
            x = self.scale(x, training=training)
        memory = self.project(self.drop(x, training=training))
        return ops.mean(memory, axis=1), memory

    def call(self, inputs, training=False):
        seen, written = inputs
        return self.decoder(written, *self.encode(seen, training), training=training)

    def begin(self, seen):
        """States and memory for `step`, as `recipes/decoding.py` takes them."""
        return self.decoder.begin(*self.encode(seen))

    def step(self, tokens, states, memory):
        return self.decoder.step(tokens, states, memory)

    def get_config(self):
        return super().get_config() | self.settings


def build(vocabulary, settings, looks):
    """The model that a recipe's settings ask for."""
    names = "enters", "cell", "units", "layers", "embedding", "dropout", "seed", "encoder", "size"
    return Captioner(vocabulary, looks=looks, **{name: settings[name] for name in names})


def compiled(vocabulary, settings, shape, steps):
    """The model for inputs of a shape, from a trained network's weights where that one is to be trained on."""
    model = build(vocabulary, settings, caption_inputs.looks(settings))
    model.build(((None, *shape), (None, None)))
    if settings["fine_tune"] and settings["encoder"] != picture_features.CNN:
        with common.user_errors():
            start = picture_features.network(settings["encoder"], settings["size"], settings["weights"])
        model.backbone.set_weights(start.get_weights())
        for layer in model.backbone.layers:  # Keras 3.15 does not pass it on from the model around them
            layer.trainable = True
    rate = training.warmed_up(settings["learning_rate"], settings["epochs"], steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), cross_entropy(settings["label_smoothing"]))
    return model


class View:
    """A network that is given one of the views of each picture, (batch, views, ...), as `decoding.Ensemble` takes it."""

    def __init__(self, network, number):
        self.network, self.number, self.settings, self.step = network, number, network.settings, network.step

    def begin(self, inputs):
        return self.network.begin(inputs[:, self.number])


def written(network, subwords, settings, views, beam=BEAM, length_penalty=LENGTH_PENALTY):
    """The beams of each picture, as `translation_text.translate` returns them.

    The views of a picture, (pictures, views, ...), are captioned together, with the mean of their probabilities.
    """
    together = decoding.Ensemble([View(network, number) for number in range(views.shape[1])])
    search = translation_text.search(together, beam, length_penalty, longest=settings["longest"])
    return translation_text.written(search, subwords, tf.data.Dataset.from_tensor_slices(views).batch(100))
