"""A TFDS builder for the Large Movie Review Dataset with its stars and its unlabelled reviews."""

import hashlib
import pathlib
import re
import tarfile

import numpy as np
import tensorflow_datasets as tfds

URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
SHA256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"
ARCHIVE, FOLDER = "aclImdb_v1.tar.gz", "aclImdb"
# aclImdb/train/pos/0_9.txt: the first review of the positive ones, with nine stars
MEMBER = re.compile(r"(?:^|/)(train|test)/(pos|neg|unsup)/(\d+_(\d+))\.txt$")
LABELS = {"neg": 0, "pos": 1, "unsup": -1}


class ImdbStars(tfds.core.GeneratorBasedBuilder):
    """`imdb_reviews` of TFDS has no stars: they stand in the names of the archive's files.

    Source: Maas et al. (2011), "Learning Word Vectors for Sentiment Analysis", ACL.
    """

    VERSION = tfds.core.Version("1.0.0")
    place = None  # the archive or the folder, where it is here already

    def _info(self):
        features = {"text": tfds.features.Text(), "label": tfds.features.Scalar(np.int64)}
        features |= {"rating": tfds.features.Scalar(np.int64), "id": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        place = self.place or _checked(dl_manager.download(URL))
        return {split: self._generate_examples(place, split) for split in ("train", "test", "unsupervised")}

    def _generate_examples(self, place, split):
        for name, data in members(place):
            part, kind, stem, stars = MEMBER.search(name).groups()
            if split == ("unsupervised" if kind == "unsup" else part):
                text = data().decode("utf-8")
                yield (
                    f"{kind}/{stem}",
                    {"text": text, "label": LABELS[kind], "rating": int(stars), "id": f"{kind}/{stem}"},
                )


def _checked(path):
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(f"{path} from {URL} should have the checksum {SHA256}. Received: {found}")
    return pathlib.Path(path)


def local_copy(folder):
    """The extracted folder or the archive that lies in `folder`, or None."""
    places = [pathlib.Path(folder) / name for name in (FOLDER, ARCHIVE)]
    return next((place for place in places if place.exists()), None)


def members(place):
    """Yields name and reader of every review in the extracted folder, or in the archive, which is never unpacked.

    So no name in it, whatever it holds, can write a file anywhere.
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
