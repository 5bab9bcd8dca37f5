"""A TFDS builder for the Large Movie Review Dataset with its star ratings and its unlabelled reviews."""

import hashlib
import pathlib
import re
import tarfile

import numpy as np
import tensorflow_datasets as tfds

URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
SHA256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"
ARCHIVE, FOLDER = "aclImdb_v1.tar.gz", "aclImdb"
# aclImdb/train/pos/0_9.txt is positive training review 0, which gives nine stars
MEMBER = re.compile(r"(?:^|/)(train|test)/(pos|neg|unsup)/(\d+_(\d+))\.txt$")
LABELS = {"neg": 0, "pos": 1, "unsup": -1}


class ImdbStars(tfds.core.GeneratorBasedBuilder):
    """Reviews with star ratings, which `imdb_reviews` of TFDS lacks; they are part of the names of the review files.

    Source: Maas et al. (2011), "Learning Word Vectors for Sentiment Analysis", ACL.
    """

    VERSION = tfds.core.Version("1.0.0")
    place = None  # path of the archive or the extracted folder; if None, the archive is downloaded

    def _info(self):
        features = {"text": tfds.features.Text(), "label": tfds.features.Scalar(np.int64)}
        features |= {"rating": tfds.features.Scalar(np.int64), "id": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        place = self.place or _checked(dl_manager.download(URL))
        return {split: self._generate_examples(place, split) for split in ("train", "test", "unsupervised")}

    def _generate_examples(self, place, split):
        for name, data in members(place):
            directory, kind, stem, stars = MEMBER.search(name).groups()
            if split == ("unsupervised" if kind == "unsup" else directory):
                text = data().decode("utf-8")
                yield (
                    f"{kind}/{stem}",
                    {"text": text, "label": LABELS[kind], "rating": int(stars), "id": f"{kind}/{stem}"},
                )


def _checked(path):
    """The path of a downloaded archive. Raises ValueError if its checksum is wrong."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(f"{path} from {URL} must have the SHA-256 checksum {SHA256}. Received: {found}")
    return pathlib.Path(path)


def local_copy(folder):
    """The extracted folder or the archive in `folder`, or None if there is neither."""
    places = [pathlib.Path(folder) / name for name in (FOLDER, ARCHIVE)]
    return next((place for place in places if place.exists()), None)


def members(place):
    """Yields the name of every review file, and a function that returns its bytes.

    The archive is never unpacked to disk, so no file name in it can lead to a file outside the data folder.

    Args:
        place: path of the extracted folder or of the archive.
    """
    if place.is_dir():
        for path in sorted(place.glob("*/*/*.txt")):
            if MEMBER.search(path.as_posix()):
                yield path.as_posix(), path.read_bytes
        return
    with tarfile.open(place, "r:gz") as archive:
        for member in archive:
            if member.isfile() and MEMBER.search(member.name):
                yield member.name, archive.extractfile(member).read
