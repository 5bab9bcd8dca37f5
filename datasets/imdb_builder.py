"""A TFDS builder that downloads the Large Movie Review Dataset with its star ratings and its unlabelled reviews."""

import hashlib
import pathlib
import re

import numpy as np
import tensorflow_datasets as tfds

from datasets import review_folders

URL = f"https://ai.stanford.edu/~amaas/data/sentiment/{review_folders.ARCHIVE}"
SHA256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"
# aclImdb/train/pos/0_9.txt is positive training review 0, which gives nine stars
MEMBER = re.compile(r"(?:^|/)(train|test)/(pos|neg|unsup)/(\d+_(\d+))\.txt$")


class ImdbStars(tfds.core.GeneratorBasedBuilder):
    """Reviews with star ratings, which `imdb_reviews` of TFDS lacks; they are part of the names of the review files.

    Source: Maas et al. (2011), "Learning Word Vectors for Sentiment Analysis", ACL.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"text": tfds.features.Text(), "label": tfds.features.Scalar(np.int64)}
        features |= {"rating": tfds.features.Scalar(np.int64), "id": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        place = _checked(dl_manager.download(URL))
        return {split: self._generate_examples(place, split) for split in ("train", "test", "unsupervised")}

    def _generate_examples(self, place, split):
        for name, data in review_folders.members(place):
            directory, kind, stem, stars = MEMBER.search(name).groups()
            if split == ("unsupervised" if kind == "unsup" else directory):
                text, label = data.decode("utf-8"), review_folders.KINDS[kind]
                yield f"{kind}/{stem}", {"text": text, "label": label, "rating": int(stars), "id": f"{kind}/{stem}"}


def _checked(path):
    """The path of a downloaded archive. Raises ValueError if its checksum is wrong."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(f"{path} from {URL} must have the SHA-256 checksum {SHA256}. Received: {found}")
    return pathlib.Path(path)
