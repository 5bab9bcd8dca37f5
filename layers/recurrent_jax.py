"""The fast path of layers.RNN on Keras's JAX backend: lax.scan with the same gradient of its own."""

import jax
import keras


def in_graph(x):
    return isinstance(x, jax.core.Tracer)


def run(cell, x, states, mask, mask_h, training, keep):
    """One cell over sequences, (batch, timesteps, features): its outputs, or None without `keep`, and final states.

    `mask` has shape (batch, timesteps, 1), `mask_h`, the recurrent dropout, that of the first state; both may be None.
    """
    variables = [v for v in cell.weights if "float" in v.dtype]

    def with_weights(function):
        def call(weights, *arguments):
            with keras.StatelessScope(state_mapping=list(zip(variables, weights))):
                return function(*arguments)

        return call

    project, step = with_weights(cell.project), with_weights(cell.step)
    recur = with_weights(lambda h, mask_h: cell.recur(h if mask_h is None else h * mask_h))

    def forward(wx, states, weights, mask, mask_h):
        def body(states, element):
            wx_t, valid = element
            uh_t = recur(weights, states[0], mask_h)
            new = step(weights, wx_t, uh_t, states)
            if valid is not None:
                new = [jax.numpy.where(valid, a, b) for a, b in zip(new, states)]
            return new, (new[0] if keep else None, (states, uh_t))

        finals, (outputs, saved) = jax.lax.scan(body, states, (wx, mask))
        return (outputs, finals), (wx, weights, mask, mask_h, *saved)

    def backward(residuals, d_results):
        wx, weights, mask, mask_h, previous, uh = residuals
        d_outputs, d_finals = d_results

        def body(carry, element):
            d_states, d_weights = carry
            wx_t, uh_t, states, d_out, valid = element
            if d_out is not None:
                d_states = [d_states[0] + d_out, *d_states[1:]]
            d_new = d_states if valid is None else [jax.numpy.where(valid, d, 0) for d in d_states]
            d_step, d_wx, d_uh, d_previous = jax.vjp(step, weights, wx_t, uh_t, states)[1](d_new)
            (d_h,) = jax.vjp(lambda h: recur(weights, h, mask_h), states[0])[1](d_uh)
            d_previous = [d_previous[0] + d_h, *d_previous[1:]]
            if valid is not None:
                d_previous = [jax.numpy.where(valid, d, old) for d, old in zip(d_previous, d_states)]
            return (d_previous, jax.tree.map(jax.numpy.add, d_weights, d_step)), (d_wx, d_uh)

        start = d_finals, jax.tree.map(jax.numpy.zeros_like, weights)
        elements = wx, uh, previous, d_outputs, mask
        (d_states, d_weights), (d_wx, d_uh) = jax.lax.scan(body, start, elements, reverse=True)
        h = previous[0] if mask_h is None else previous[0] * mask_h
        flat_h, flat_d = (a.reshape(-1, *a.shape[2:]) for a in (h, d_uh))
        (d_recur,) = jax.vjp(lambda weights: recur(weights, flat_h, None), weights)[1](flat_d)
        return d_wx, d_states, jax.tree.map(jax.numpy.add, d_weights, d_recur), None, None

    sequence = jax.custom_vjp(lambda *arguments: forward(*arguments)[0])
    sequence.defvjp(forward, backward)
    weights = [jax.numpy.asarray(v.value) for v in variables]
    mask = None if mask is None else mask.swapaxes(0, 1)
    outputs, finals = sequence(project(weights, x.swapaxes(0, 1)), states, weights, mask, mask_h)
    return outputs.swapaxes(0, 1) if keep else None, finals
