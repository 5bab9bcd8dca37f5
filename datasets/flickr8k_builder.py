"""A TFDS builder for Flickr8k, which TFDS does not have: pictures, five captions each, in the official split."""

import tensorflow_datasets as tfds

from datasets import captions


class Flickr8k(tfds.core.GeneratorBasedBuilder):
    """The official files, from TFDS's manual folder; `captions.load("flickr8k")` reads them without a copy.

    Source: Hodosh, Young & Hockenmaier (2013), "Framing Image Description as a Ranking Task", JAIR 47.
    """

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Put the captions (Flickr8k.token.txt), the lists (Flickr_8k.trainImages.txt, devImages, testImages) and the "
        "pictures (a folder, zip or tar) there."
    )

    def _info(self):
        features = {"image": tfds.features.Image(shape=(None, None, 3), encoding_format="png")}
        features |= {"captions": tfds.features.Sequence(tfds.features.Text()), "name": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        found = captions.load("flickr8k", dl_manager.manual_dir)
        return {split: self._generate_examples(found, table) for split, table in found.splits.items()}

    def _generate_examples(self, found, table):
        texts = dict(zip(table["name"], table["captions"]))
        for name, array in found.pictures.arrays(texts):
            if isinstance(array, ValueError):
                raise array
            yield name, {"image": array, "captions": texts[name], "name": name}
