"""Generated film reviews, whose sentiment depends on the order of the words more than on their counts.

Half of the opinions contain a positive and a negative word, and the same words in another order express the opposite
sentiment ("the plot was dull, but the cast was great"; "the plot was great, but the cast was dull"). The others contain
one such word, half of them negated ("nobody could call the plot great"). Neutral sentences come before and after the
opinion. Training, validation and test reviews are about different subjects and contain different neutral sentences.
"""

import random

import pandas as pd

STARS = {"superb": 10, "great": 9, "good": 8, "decent": 7, "weak": 4, "dull": 3, "bad": 2, "awful": 1}
SUBJECTS = {
    "train": "acting plot music dialogue pacing camera ending script cast direction editing humour opening".split(),
    "validation": "story lighting soundtrack suspense".split(),
    "test": "photography atmosphere chemistry finale".split(),
}
CHATTER = {
    "train": [
        "I saw it with my brother on a rainy sunday.",
        "It runs for about two hours.",
        "The cinema was half full.",
        "We had seats in the third row.",
        "It is based on a book that I have not read.",
        "My friends had talked about it for weeks.",
        "It was made ten years ago.",
        "The dvd has a second disc.",
    ],
    "validation": [
        "I rented it last week.",
        "It was shown late at night.",
        "There is a second part.",
        "I had an aisle seat.",
    ],
    "test": [
        "We watched it on a train.",
        "It came out in spring.",
        "Somebody behind me was eating.",
        "I own the poster.",
    ],
}
# {a} and {b} are subjects, {x} is a word of the review's sentiment, {y} one of the opposite sentiment.
CONTRASTS = [
    "the {a} was {y}, but the {b} was {x}.",
    "although the {a} was {y}, the {b} was {x}.",
    "the {b} was {x}, even though the {a} was {y}.",
    "the {a} was not {y}, it was {x}.",
    "the {a} was {x} and not {y}.",
    "I expected the {a} to be {y} and found it {x}.",
    "they said that the {a} was {y}, yet to me it was {x}.",
    "the {a} started out {y} and became {x}.",
]
NEGATIONS = ["the {a} was not {y} at all.", "nobody could call the {a} {y}.", "the {a} was anything but {y}."]
PLAIN = ["the {a} was {x}.", "everybody would call the {a} {x}.", "the {a} was nothing but {x}."]


def generate(split, count, seed=0):
    """A DataFrame of `count` distinct reviews with text, label (0 or 1) and rating (1–4 or 7–10 stars)."""
    rng = random.Random(f"{seed} {split}")
    rows = {}
    while len(rows) < count:
        text, rating = _review(rng, split, positive=len(rows) % 2 == 1)
        rows.setdefault(text, rating)
    frame = pd.DataFrame({"text": list(rows), "rating": list(rows.values())})
    frame.insert(1, "label", (frame["rating"] > 5).astype(int))
    return frame


def _review(rng, split, positive):
    praise, criticism = ([word for word, stars in STARS.items() if (stars > 5) == side] for side in (True, False))
    x, y = (rng.choice(praise), rng.choice(criticism)) if positive else (rng.choice(criticism), rng.choice(praise))
    kind = rng.choice([CONTRASTS, CONTRASTS, NEGATIONS, PLAIN])
    a, b = rng.sample(SUBJECTS[split], 2)
    opinion = rng.choice(kind).format(a=a, b=b, x=x, y=y)
    rating = (7 if positive else 4) if kind is NEGATIONS else STARS[x]  # a negation is mild: "not awful" is weak praise
    chatter = rng.sample(CHATTER[split], rng.randrange(4))
    chatter.insert(rng.randrange(len(chatter) + 1), opinion[0].upper() + opinion[1:])
    return " ".join(chatter), rating
