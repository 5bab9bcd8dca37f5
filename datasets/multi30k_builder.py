"""A TFDS builder for Multi30k, English and German descriptions of pictures, which TFDS lacks."""

import gzip
import hashlib

import tensorflow_datasets as tfds

from datasets import translation

HOST = "raw.githubusercontent.com"
URL = f"https://{HOST}/multi30k/dataset/master/data/task1/raw/"
# of the uncompressed text, because the same text can be compressed to other bytes
SHA256 = {
    "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    "test_2016_flickr.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    "test_2016_flickr.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
}


class Multi30k(tfds.core.GeneratorBasedBuilder):
    """The raw text of task 1 of the WMT16 shared task on multimodal translation.

    Source: Elliott, Frank, Sima'an & Specia (2016), "Multi30K: Multilingual English-German Image Descriptions".
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"en": tfds.features.Text(), "de": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        paths = dl_manager.download({name: f"{URL}{name}.gz" for name in SHA256})
        texts = {name: checked(name, path) for name, path in paths.items()}
        pairs = {
            split: [texts[f"{stem}.{language}"] for language in ("en", "de")]
            for split, stem in translation.MULTI30K.items()
        }
        return {split: self._generate_examples(*both) for split, both in pairs.items()}

    def _generate_examples(self, english, german):
        for number, (en, de) in enumerate(zip(english, german, strict=True)):
            yield number, {"en": en, "de": de}


def checked(name, path):
    """The lines of one file of the data set. Raises ValueError if its checksum is wrong."""
    with gzip.open(path) as file:
        text = file.read()
    if (found := hashlib.sha256(text).hexdigest()) != SHA256[name]:
        raise ValueError(
            f"The text of {name} must have the SHA-256 checksum {SHA256[name]}. Received: {found} from {path}"
        )
    return text.decode("utf-8").splitlines()
