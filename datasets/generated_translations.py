"""English sentences and their French, out of a small grammar in which a word for a word is wrong.

French agrees in gender and number, puts most adjectives behind the noun, wraps its negation around the verb, says "de"
for "a" behind it and for "some" before an adjective, and drops vowels before vowels: "a small girl does not eat an old
orange" is "une petite fille ne mange pas de vieille orange".
"""

import random

import pandas as pd

VOWELS = "aeiouyéèêâîô"
# English singular and plural, French singular and plural, gender
NOUNS = [
    ("cat", "cats", "chat", "chats", "m"),
    ("dog", "dogs", "chien", "chiens", "m"),
    ("boy", "boys", "garçon", "garçons", "m"),
    ("girl", "girls", "fille", "filles", "f"),
    ("woman", "women", "femme", "femmes", "f"),
    ("man", "men", "homme", "hommes", "m"),
    ("child", "children", "enfant", "enfants", "m"),
    ("teacher", "teachers", "professeur", "professeurs", "m"),
    ("friend", "friends", "ami", "amis", "m"),
    ("student", "students", "étudiante", "étudiantes", "f"),
    ("horse", "horses", "cheval", "chevaux", "m"),
    ("bird", "birds", "oiseau", "oiseaux", "m"),
    ("house", "houses", "maison", "maisons", "f"),
    ("car", "cars", "voiture", "voitures", "f"),
    ("book", "books", "livre", "livres", "m"),
    ("letter", "letters", "lettre", "lettres", "f"),
    ("apple", "apples", "pomme", "pommes", "f"),
    ("orange", "oranges", "orange", "oranges", "f"),
    ("tree", "trees", "arbre", "arbres", "m"),
    ("flower", "flowers", "fleur", "fleurs", "f"),
    ("table", "tables", "table", "tables", "f"),
    ("school", "schools", "école", "écoles", "f"),
    ("hat", "hats", "chapeau", "chapeaux", "m"),
    ("shoe", "shoes", "chaussure", "chaussures", "f"),
]
# English, French masculine and feminine singular, masculine and feminine plural, before a vowel, stands in front
ADJECTIVES = [
    ("small", "petit", "petite", "petits", "petites", "petit", True),
    ("big", "grand", "grande", "grands", "grandes", "grand", True),
    ("old", "vieux", "vieille", "vieux", "vieilles", "vieil", True),
    ("beautiful", "beau", "belle", "beaux", "belles", "bel", True),
    ("good", "bon", "bonne", "bons", "bonnes", "bon", True),
    ("red", "rouge", "rouge", "rouges", "rouges", "rouge", False),
    ("green", "vert", "verte", "verts", "vertes", "vert", False),
    ("white", "blanc", "blanche", "blancs", "blanches", "blanc", False),
    ("black", "noir", "noire", "noirs", "noires", "noir", False),
    ("strange", "étrange", "étrange", "étranges", "étranges", "étrange", False),
    ("dry", "sec", "sèche", "secs", "sèches", "sec", False),
]
# English with a singular and a plural subject and after "not", French singular and plural
VERBS = [
    ("sees", "see", "voit", "voient"),
    ("eats", "eat", "mange", "mangent"),
    ("likes", "like", "aime", "aiment"),
    ("wants", "want", "veut", "veulent"),
    ("finds", "find", "trouve", "trouvent"),
    ("draws", "draw", "dessine", "dessinent"),
    ("listens to", "listen to", "écoute", "écoutent"),
    ("looks for", "look for", "cherche", "cherchent"),
    ("waits for", "wait for", "attend", "attendent"),
    ("buys", "buy", "achète", "achètent"),
]
# English; French masculine, feminine and plural, masculine and feminine before a vowel; None where there is none
DETERMINERS = {
    "the": ("le ", "la ", "les ", "l'", "l'"),
    "a": ("un ", "une ", None, "un ", "une "),
    "some": (None, None, "des ", None, None),
    "this": ("ce ", "cette ", None, "cet ", "cette "),
    "these": (None, None, "ces ", None, None),
    "my": ("mon ", "ma ", "mes ", "mon ", "mon "),
    "our": ("notre ", "notre ", "nos ", "notre ", "notre "),
}


def _starts_with_vowel(text):
    return text[0] in VOWELS or text.startswith("homme")


def _of(text):
    return ("d'" if _starts_with_vowel(text) else "de ") + text


def _phrase(rng, plural, denied=False):
    """A noun with its article and perhaps an adjective, in both languages; `denied`: the object of a negated verb."""
    singular, many, one, several, gender = rng.choice(NOUNS)
    french, english = (several, many) if plural else (one, singular)
    in_front = False
    if rng.random() < 0.6:
        adjective, *forms, before_vowel, in_front = rng.choice(ADJECTIVES)
        form = forms[2 * plural + (gender == "f")]
        if in_front and not plural and gender == "m" and _starts_with_vowel(french):
            form = before_vowel
        french = f"{form} {french}" if in_front else f"{french} {form}"
        english = f"{adjective} {english}"
    fits = [name for name, forms in DETERMINERS.items() if forms[2 if plural else 0]]
    name = rng.choice(fits)
    vowel = _starts_with_vowel(french)
    if denied and name in ("a", "some") or name == "some" and in_front:
        french = _of(french)
    else:
        masculine, feminine, plurals, masculine_vowel, feminine_vowel = DETERMINERS[name]
        singulars = (
            (feminine_vowel if vowel else feminine) if gender == "f" else masculine_vowel if vowel else masculine
        )
        french = (plurals if plural else singulars) + french
    if name == "a" and english[0] in "aeiou":
        name = "an"
    return f"{name} {english}", french


def _sentence(rng):
    plural, negated = rng.random() < 0.4, rng.random() < 0.4
    subject = _phrase(rng, plural)
    objects = _phrase(rng, rng.random() < 0.4, denied=negated)
    sees, see, voit, voient = rng.choice(VERBS)
    verb, verbe = (see, voient) if plural else (sees, voit)
    if negated:
        verb = ("do not " if plural else "does not ") + see
        verbe = ("n'" if _starts_with_vowel(verbe) else "ne ") + verbe + " pas"
    english, french = (f"{a} {b} {c}." for a, b, c in zip(subject, (verb, verbe), objects))
    return english[0].upper() + english[1:], french[0].upper() + french[1:]


def generate(sizes, seed=0):
    """Sentence pairs, no English one twice.

    Args:
        sizes: how many, by split.

    Returns DataFrames with english and french, by split.
    """
    rng, pairs = random.Random(seed), {}
    while len(pairs) < sum(sizes.values()):
        pairs.setdefault(*_sentence(rng))
    frame = pd.DataFrame({"english": list(pairs), "french": list(pairs.values())})
    ends = pd.Series(sizes).cumsum()
    return {name: frame[ends[name] - size : ends[name]].reset_index(drop=True) for name, size in sizes.items()}
