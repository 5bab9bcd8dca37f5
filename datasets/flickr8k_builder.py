"""A TFDS builder for Flickr8k, which TFDS lacks: pictures with five captions each, in the official split."""

import tensorflow_datasets as tfds

from datasets import captions


class Flickr8k(tfds.core.GeneratorBasedBuilder):
    """Flickr8k from its official files in TFDS's manual folder; `captions.load("flickr8k")` reads them directly.

    Source: Hodosh, Young & Hockenmaier (2013), "Framing Image Description as a Ranking Task", JAIR 47.
    """

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Put the captions (Flickr8k.token.txt), the three lists (Flickr_8k.trainImages.txt, Flickr_8k.devImages.txt, "
        "Flickr_8k.testImages.txt) and the pictures (a folder, or a zip or tar archive) into this folder."
    )

    def _info(self):
        features = {"image": tfds.features.Image(shape=(None, None, 3), encoding_format="png")}
        features |= {"captions": tfds.features.Sequence(tfds.features.Text()), "name": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        data = captions.load("flickr8k", dl_manager.manual_dir)
        return {split: self._generate_examples(data.pictures, table) for split, table in data.splits.items()}

    def _generate_examples(self, pictures, table):
        texts = dict(zip(table["name"], table["captions"]))
        for name, array in pictures.arrays(texts):
            if isinstance(array, ValueError):
                raise array
            yield name, {"image": array, "captions": texts[name], "name": name}
