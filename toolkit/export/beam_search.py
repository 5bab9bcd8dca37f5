"""Beam search in NumPy around an exported encoder and an exported step, one example at a time. Needs NumPy alone.

    encode(**inputs)                              state_0, … and memory_0, …, each of shape (1, ...)
    step(token=…, state_0=…, …, memory_0=…, …)    logits, new_state_0, …, and weights if there is attention

Both return dicts of arrays. A step takes the last token of each hypothesis, int32 (hypotheses,), and returns the logits
of the next token, (hypotheses, vocabulary size), and the weights of the memory, (hypotheses, timesteps).
"""

import numpy as np


def beam_search(encode, step, inputs, longest, beam_width=5, length_penalty=1.0, coverage_penalty=0.0, start=2, end=3):
    """Keep the `beam_width` best unfinished hypotheses, until none of them can pass the best finished ones.

        score = log P / ((5 + length) / 6)^α + β Σ_j log min(1, Σ_t weight of j at t)

    Source: Wu et al. (2016), "Google's Neural Machine Translation System", section 7; α is `length_penalty`, β is
    `coverage_penalty`, which needs a network with attention.

    Args:
        inputs: what `encode` takes, by name, of one example.
        longest: tokens of a hypothesis, at most.
        start, end: the tokens before the first one and after the last one.

    Returns a list of (tokens, score), the best first; tokens is a list that ends before `end`.
    """

    def score(total, length, attended):
        attended = np.where(attended > 0, np.minimum(attended, 1), 1)  # padding is never attended to
        penalty = coverage_penalty * np.log(attended).sum(-1) if coverage_penalty else 0
        return total / ((5 + length) / 6) ** length_penalty + penalty

    encoded = {name: np.repeat(x, beam_width, axis=0) for name, x in encode(**inputs).items()}
    states = [name for name in encoded if name.startswith("state")]
    tokens, beam = np.full(beam_width, start, "int32"), np.zeros((beam_width, 0), "int32")
    total = np.where(np.arange(beam_width) == 0, 0, -np.inf).astype("float32")  # or all would be the same
    attended, finished = np.zeros((beam_width, 1), "float32"), []
    for length in range(1, longest + 1):
        outputs = step(token=tokens, **encoded)
        attended = attended + outputs.get("weights", 0)
        log_p = total[:, None] + log_softmax(outputs["logits"])
        chosen = largest(log_p.ravel(), 2 * beam_width)  # of these at most `beam_width` end
        parents, tokens = np.divmod(chosen, log_p.shape[1])
        total, attended = log_p.ravel()[chosen], attended[parents]
        beam, ends = np.concatenate([beam[parents], tokens[:, None]], axis=1), tokens == end
        for i in np.flatnonzero(ends[:beam_width]):  # so that a beam of 1 is greedy
            finished.append((beam[i, :-1].tolist(), float(score(total[i], length, attended[i]))))
        finished = best(finished, beam_width)
        kept = largest(np.where(ends, -np.inf, total), beam_width)
        total, attended, beam, parents, tokens = (x[kept] for x in (total, attended, beam, parents, tokens))
        encoded |= {name: outputs[f"new_{name}"][parents] for name in states}
        # No continuation scores better than the log-probability as it is now, at the full length.
        if len(finished) == beam_width and total[0] / ((5 + longest) / 6) ** length_penalty <= finished[-1][1]:
            return finished
        tokens = tokens.astype("int32")
    return best([*finished, *zip(beam.tolist(), map(float, score(total, longest, attended)))], beam_width)


def largest(values, count):
    """The indices of the largest values, the largest first; of equal ones the first."""
    return np.argsort(-values, kind="stable")[:count]


def best(hypotheses, count):
    """The hypotheses with the highest scores, of those that are possible at all."""
    ordered = sorted(hypotheses, key=lambda hypothesis: -hypothesis[1])[:count]
    return [hypothesis for hypothesis in ordered if np.isfinite(hypothesis[1])]


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
