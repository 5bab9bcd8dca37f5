"""What networks on reviews are compared with: constants and linear models, made of scikit-learn's parts."""

import re

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

WORD = r"\w+(?:'\w+)?|[^\w\s]"  # as in toolkit.text.words: punctuation marks count as words
STRENGTHS = 0.03, 0.3, 3.0  # of the regularisation, as C; chosen by accuracy on the validation split
SMOOTHING, INTERPOLATION = 1.0, 0.25  # α and β of Wang & Manning (2012), section 2


def tokens(text):
    return re.findall(WORD, re.sub(r"<br */?>|[\x00-\x1f\x7f-\x9f]", " ", text.lower()))


def majority(train, validation, test):
    """The commonest label of the training split, always."""
    return np.full(len(test), int(train["label"].mean() > 0.5))


def bag_of_words(train, validation, test):
    """Logistic regression on which words occur, whatever their order."""
    return _linear(train, validation, test, ngrams=1)


def nbsvm(train, validation, test):
    """A linear classifier on words and pairs of words weighted by their naive Bayes log-count ratios.

    Source: Wang & Manning (2012), "Baselines and Bigrams", ACL; here with logistic regression for the SVM.
    """
    return _linear(train, validation, test, ngrams=2)


def commonest_rating(train, validation, test, classes):
    return np.full(len(test), train["rating"].mode()[0])


def middle_rating(train, validation, test, classes):
    """The median of the training split: the constant with the smallest absolute error there."""
    return np.full(len(test), np.quantile(train["rating"], 0.5, method="lower"))


def ridge(train, validation, test, classes):
    """Ridge regression on words and pairs of words (tf-idf), rounded to the nearest rating."""
    counter = TfidfVectorizer(
        tokenizer=tokens, token_pattern=None, lowercase=False, sublinear_tf=True, ngram_range=(1, 2)
    )
    seen = counter.fit_transform(train["text"])
    held_out, unseen = (counter.transform(part["text"]) for part in (validation, test))
    models = [Ridge(1 / c, solver="sparse_cg", tol=1e-3).fit(seen, train["rating"]) for c in STRENGTHS]
    best = min(models, key=lambda model: np.mean(np.abs(model.predict(held_out) - validation["rating"])))
    return classes[np.argmin(np.abs(best.predict(unseen)[:, None] - classes), axis=1)]


BASELINES = {"majority": majority, "bag of words": bag_of_words, "NBSVM, bigrams": nbsvm}
STAR_BASELINES = {"commonest rating": commonest_rating, "middle rating": middle_rating, "ridge, bigrams": ridge}


def _linear(train, validation, test, ngrams):
    counter = CountVectorizer(
        tokenizer=tokens, token_pattern=None, lowercase=False, binary=True, ngram_range=(1, ngrams)
    )
    seen = counter.fit_transform(train["text"]).astype("float64")
    unseen = [counter.transform(part["text"]).astype("float64") for part in (validation, test)]
    label = train["label"].to_numpy()
    if ngrams > 1:
        weights = sparse.diags(_log_count_ratio(seen, label))
        seen, unseen = seen @ weights, [part @ weights for part in unseen]
    models = [LogisticRegression(C=c, solver="liblinear").fit(seen, label) for c in STRENGTHS]
    if ngrams > 1:
        for model in models:  # β: between the weights and their mean size, NBSVM's guard against trust in rare words
            size = np.abs(model.coef_).mean()
            model.coef_ = (1 - INTERPOLATION) * size * np.ones_like(model.coef_) + INTERPOLATION * model.coef_
    best = max(models, key=lambda model: model.score(unseen[0], validation["label"]))
    return best.predict(unseen[1])


def _log_count_ratio(seen, label):
    """r = log((p / |p|) / (q / |q|)), p and q the smoothed counts of each feature in positive and negative reviews."""
    p, q = (SMOOTHING + np.asarray(seen[label == side].sum(0)).ravel() for side in (1, 0))
    return np.log(p / p.sum()) - np.log(q / q.sum())
