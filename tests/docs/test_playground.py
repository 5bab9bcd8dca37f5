"""The cells of docs/playground.md in headless Chromium, compared with Keras on the same weights."""

import math
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from benchmarks import browser_weights
from datasets import characters
from layers.trace import trace
from recipes import next_character

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, STATIC = DOCS / "playground.md", DOCS / "_static"
SCRIPTS = [STATIC / "cell.js", STATIC / "playground.js", STATIC / "gradient.js"]
TEXT = 'My dog says: "The cats do not like 2 big apples." (Some birds'
FEW = TEXT[:16]  # of these even a GRU whose reset gate is forced, a chaotic system, has the same states in float32
TOLERANCE = 1e-4
NAMES = {"simple": ["h"], "gru": ["z", "r", "h̃", "h"]}
NAMES |= {"coupled-lstm": ["f", "c̃", "o", "φ(c)", "h", "c"], "lstm": ["i", "f", "c̃", "o", "φ(c)", "h", "c"]}
GATES = [(cell, gate) for cell, names in NAMES.items() for gate in names if gate in "ifozr"]


def markup():
    return "\n".join(re.findall(r"```\{raw\} html\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S))


@pytest.fixture
def page(browser, tmp_path):
    """The widgets of the page, freshly loaded from a file."""
    head = f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>t</title><base href="{DOCS.as_uri()}/">'
    path = tmp_path / "page.html"
    path.write_text(f"{head}<body>{markup()}</body></html>", encoding="utf-8")
    browser.get_log("browser")  # empties it
    browser.set_window_size(1200, 1000)
    browser.get(path.as_uri())
    wait_until(browser, "return window.playground?.gradient !== undefined")
    yield browser
    assert browser.get_log("browser") == []


def wait_until(browser, script):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(script))


def by(page, selector):
    return page.find_element("css selector", selector)


def type_text(page, cell, text):
    by(page, f"[name=pg-name][value={cell}]").click()
    by(page, "#pg-clear").click()
    by(page, "#pg-text").send_keys(text)


def traced(page):
    """What the page has computed: by name of a gate or state (characters, units), and probabilities."""
    script = "return playground.trace().steps.map(({ values, P }) => ({ P, values: Object.entries(values).map("
    steps = page.execute_script(script + "([name, v]) => [name, [...v]]) }))")
    values = [dict(step["values"]) for step in steps]
    return {n: np.array([v[n] for v in values]) for n in values[0]}, np.array([step["P"] for step in steps])


def choose(page, select, value):
    change = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event(arguments[2]))"
    page.execute_script(change, by(page, select), str(value), "input" if "#" in select else "change")


def unpacked(cell, text):
    """The network in Keras, the part of the page's data that holds it, and a text's ids."""
    content = browser_weights.read(cell)["text"]
    ids = next_character.Alphabet(content["alphabet"]).ids(text)[None]
    return browser_weights.unpacked(content, cell), content, ids


def in_keras(cell, text, forced=None):
    """The same from the cells of layers/, in which a gate is forced by its bias."""
    model, content, ids = unpacked(cell, text)
    if forced:
        gate, value = forced
        block = [name for name in NAMES[cell] if name not in ("φ(c)", "h", "c")].index(gate)
        *_, bias, _, _ = model.trainable_variables
        values = np.array(bias)
        values[..., block * content["units"] : (block + 1) * content["units"]] = 1e4 if value else -1e4
        bias.assign(values)
    (found,) = trace(model, ids).values()
    return {name: values[0] for name, values in found.items()}, ops.convert_to_numpy(ops.softmax(model(ids)))[0]


def assert_equal(page, keras_):
    (gates, probabilities), (expected, expected_probabilities) = traced(page), keras_
    assert gates.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(gates[name], values, rtol=0, atol=TOLERANCE, err_msg=name)
    np.testing.assert_allclose(probabilities, expected_probabilities, rtol=0, atol=TOLERANCE)


# ------------------------------------------------------------------------------------------------- without a browser


@pytest.mark.parametrize("cell", browser_weights.CELLS)
def test_weights_are_small_and_their_run_is_known(cell):
    content = browser_weights.read(cell)
    assert (STATIC / "cells" / f"{cell}.js").stat().st_size < 100_000
    assert content["settings"]["cell"] == content["cell"] == cell
    assert {"command", "commit", "date", "versions", "machine"} <= content.keys()
    metrics = content["metrics"]
    assert metrics["bits_per_character_float16"] == pytest.approx(metrics["bits_per_character"], abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("cell", browser_weights.CELLS)
def test_weights_are_those_of_a_trained_network(cell):
    model, _, ids = unpacked(cell, characters.load().splits["test"][:600])
    probabilities = ops.convert_to_numpy(ops.softmax(model(ids)))[0]
    bits = -np.log2(probabilities[np.arange(ids.size - 1), ids[0, 1:]]).mean()
    assert bits == pytest.approx(browser_weights.read(cell)["metrics"]["bits_per_character"], abs=0.2)


def test_the_table_of_the_page_is_that_of_the_runs():
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ((?:coupled )?\w+) \| (0\.\d+ \| −?0\.\d+) \|$", text, re.M))
    for cell in browser_weights.CELLS:
        content = browser_weights.read(cell)
        quotation = next(row for row in content["trackers"] if row["series"] == "inside quotation marks")
        bits, correlation = content["metrics"]["bits_per_character_float16"], quotation["correlation"]
        name = cell.replace("-", " ").replace("lstm", "LSTM").replace("gru", "GRU")
        assert rows[name] == f"{bits:.3f} | {correlation:.2f}".replace("-", "−")


def test_packed_weights_are_unpacked_as_they_were():
    keras.utils.set_random_seed(0)
    model = browser_weights.rounded(next_character.build_model(5, "gru", 3))
    again = browser_weights.unpacked(browser_weights.packed(model, "help"), "gru")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_scripts_find_what_they_look_for_in_the_page():
    used = {name for script in SCRIPTS for name in re.findall(r'\$\("([\w-]+)"\)', script.read_text(encoding="utf-8"))}
    assert used - {*re.findall(r'\bid="([\w-]+)"', markup())} == set()


def test_nothing_is_loaded_from_elsewhere():
    for path in [PAGE, *STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        text = markup() if path == PAGE else path.read_text(encoding="utf-8")
        assert not re.search(r"https?:|\bimport\b|fetch\(|XMLHttpRequest|src=\"/|url\(", text), path


def test_every_canvas_and_control_has_a_name():
    for tag in re.findall(r"<(?:canvas|section)[^>]*>", markup()):
        assert "aria-label=" in tag, tag
    unlabelled = re.sub(r"<label>.*?</label>", "", markup(), flags=re.S)
    controls = re.findall(r'<(?:input|select|textarea)[^>]*\bid="([\w-]+)"', unlabelled)
    assert [name for name in controls if f'<label for="{name}"' not in markup()] == []


# ---------------------------------------------------------------------------------------------------- in the browser


@pytest.mark.parametrize("cell", NAMES)
def test_every_gate_is_that_of_keras(page, cell):
    type_text(page, cell, TEXT)
    assert_equal(page, in_keras(cell, TEXT))


@pytest.mark.parametrize("cell, gate", GATES)
def test_a_forced_gate_is_forced(page, cell, gate):
    type_text(page, cell, FEW)
    for value in (0, 1):
        choose(page, f"[name={gate}]", value)
        assert np.all(traced(page)[0][gate] == value)
        assert_equal(page, in_keras(cell, FEW, (gate, value)))


def test_an_empty_text_is_a_new_line(page):
    type_text(page, "lstm", "")
    assert_equal(page, in_keras("lstm", "\n"))


@pytest.mark.parametrize("cell", NAMES)
def test_the_numbers_of_a_word_are_those_of_keras(page, cell):
    by(page, f"[name=pg-name][value={cell}]").click()
    content = browser_weights.read(cell)["word"]
    model, ids = browser_weights.unpacked(content, cell), next_character.Alphabet("help").ids("hel")[None]
    (expected,) = trace(model, ids).values()
    probabilities = ops.convert_to_numpy(ops.softmax(model(ids)))[0, :, 1:]
    assert probabilities[2, 3] > 0.9
    for t in range(3):
        choose(page, "#pg-step", t + 1)
        rows = [row.text.replace("−", "-") for row in page.find_elements("css selector", "#pg-word tbody tr")]
        numbers = [[*map(float, re.findall(r"-?\d+\.\d{4}", row))] for row in rows]
        for name, values in expected.items():
            assert any(np.allclose(n, values[0, t], atol=6e-5) for n in numbers if len(n) == 4), (name, t)
        np.testing.assert_allclose(numbers[-1], probabilities[t], atol=6e-5)


def test_the_likeliest_character_is_drawn_at_a_low_temperature(page):
    type_text(page, "coupled-lstm", TEXT)
    choose(page, "#pg-temperature", 0.1)
    _, probabilities = in_keras("coupled-lstm", TEXT)
    assert probabilities[-1].max() > 0.5
    by(page, "#pg-one").click()
    likeliest = browser_weights.read("coupled-lstm")["text"]["alphabet"][probabilities[-1].argmax() - 1]
    assert by(page, "#pg-text").get_property("value") == TEXT + likeliest


def test_a_run_stops_at_the_limit_and_a_character_can_be_pressed(page):
    page.execute_script("document.getElementById('pg-text').maxLength = 10")
    type_text(page, "gru", "The do")
    by(page, "#pg-next button").click()
    assert len(by(page, "#pg-text").get_property("value")) == 7
    by(page, "#pg-run").click()
    wait_until(page, "return document.getElementById('pg-run').textContent === 'Run'")
    assert len(by(page, "#pg-text").get_property("value")) == 10


def test_keys_pick_a_unit_and_a_character(page):
    type_text(page, "lstm", "The dog")
    choose(page, "#pg-unit", 5)
    by(page, "#pg-maps").send_keys("\ue015\ue015\ue012")  # down, down, left
    assert by(page, "#pg-values caption").text == "Unit 7 at character 6, o"


def test_an_unknown_character_is_named(page):
    type_text(page, "lstm", "Dog 7")
    assert "7" in by(page, "#pg-unknown").text


def test_a_phone_has_room_for_everything(page):
    page.set_window_size(500, 900)  # the narrowest window of Chromium
    page.execute_script("document.body.style.width = '340px'; window.dispatchEvent(new Event('resize'))")
    script = (
        "return Math.max(...[...document.querySelectorAll('.playground *')].map(e => e.getBoundingClientRect().right))"
    )
    assert page.execute_script(script) <= 350


# ------------------------------------------------------------------------------------------- the gradients, likewise


def lists(page, expression):
    script = "const plain = (a) => a instanceof Float64Array ? [...a] : Array.isArray(a) ? a.map(plain) : a && typeof a"
    script += " === 'object' ? Object.fromEntries(Object.entries(a).map(([k, v]) => [k, plain(v)])) : a; return plain("
    return page.execute_script(script + expression + ")")


def norms_by_differentiation(cell, weights, x, mix, radius, bias):
    """‖∂L/∂h_t‖ and ‖∂L/∂c_t‖ relative to the last ∂L/∂h, from TensorFlow's tape; a state's successors are watched."""
    gates, units = [*weights], len(mix[0])
    W, U = (tf.concat([np.array(weights[g][name]) for g in gates], axis=1) for name in ("W", "U"))
    b = tf.concat([tf.fill([units], tf.constant(bias if g in "fz" else 0.0, "float64")) for g in gates], axis=0)
    part = lambda a, g: tf.split(a, len(gates), axis=-1)[gates.index(g)]
    batch, timesteps = np.shape(x)[:2]
    n, m = (tf.zeros([timesteps, batch, units], "float64") for _ in range(2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([n, m])
        h = c = tf.zeros([batch, units], "float64")
        for t in range(timesteps):
            wx, uh = np.array(x)[:, t] @ W + b, radius * (h @ U)
            a, σ = wx + uh, tf.sigmoid
            if cell == "simple":
                h = tf.tanh(a)
            elif cell == "gru":
                z, r = σ(part(a, "z")), σ(part(a, "r"))
                h = z * h + (1 - z) * tf.tanh(part(wx, "h̃") + r * part(uh, "h̃"))
            else:
                c = σ(part(a, "f")) * c + σ(part(a, "i")) * tf.tanh(part(a, "c̃")) + m[t]
                h = σ(part(a, "o")) * tf.tanh(c)
            h = h + n[t]
        loss = tf.reduce_sum(np.array(mix) * h)
    dh, dc = (np.linalg.norm(g, axis=(1, 2)) if g is not None else None for g in tape.gradient(loss, [n, m]))
    return {f"{cell} h": dh / dh[-1]} | ({f"{cell} c": dc / dh[-1]} if cell == "lstm" else {})


@pytest.mark.parametrize("radius, bias", [(1.0, 1.0), (1.7, -2.0)])
def test_gradients_are_those_of_automatic_differentiation(page, radius, bias):
    choose(page, "#pg-radius", radius)
    choose(page, "#pg-bias", bias)
    page.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    state = lists(page, "playground.gradient()")
    assert (state["radius"], state["bias"]) == (radius, bias)
    drawing = state["drawing"]
    for cell, weights in drawing["weights"].items():
        expected = norms_by_differentiation(cell, weights, drawing["x"], drawing["mix"], radius, bias)
        for name, values in expected.items():
            np.testing.assert_allclose(state["norms"][name], values, rtol=1e-6, err_msg=name)


def test_the_spectral_radius_is_what_it_says(page):
    weights = lists(page, "playground.gradient().drawing.weights")
    for gates in weights.values():
        for gate in gates.values():
            assert math.isclose(np.abs(np.linalg.eigvals(np.array(gate["U"]))).max(), 1, rel_tol=1e-3)
