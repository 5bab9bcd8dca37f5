/* How much of an error arrives k timesteps back: forward pass and back-propagation through time, computed as one drags.

   The cells' forward steps are those of cell.js. Weights are drawn as Keras initializes them, but each gate's block of
   the recurrent kernel is scaled to the spectral radius that is asked for, as in recipes/gradient_flow.py. */
"use strict";

(() => {
  const { CELLS, add, times, oneMinus, product } = window.recurrent;
  const { $, context, style, number, element, labelled, whenLooksChange } = window.playground;
  const TIMESTEPS = 100, FEATURES = 8, UNITS = 32, BATCH = 2, LOWEST = -12, HIGHEST = 8, HEIGHT = 300;
  const CURVES = {
    "simple h": "∂L/∂h, simple cell",
    "gru h": "∂L/∂h, GRU",
    "lstm h": "∂L/∂h, LSTM",
    "lstm c": "∂L/∂c, LSTM",
  };
  const range = (length, make) => Array.from({ length }, (_, k) => make(k));
  const zeros = () => new Float64Array(UNITS);

  // ------------------------------------------------------------------------------------------------------ weights

  function generator(seed) { // mulberry32
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let a = Math.imul(seed ^ (seed >>> 15), seed | 1);
      a ^= a + Math.imul(a ^ (a >>> 7), a | 61);
      return ((a ^ (a >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
  const transposed = (rows) => range(rows[0].length, (k) => Float64Array.from(rows, (row) => row[k]));

  function orthogonal(rows, columns, random) { // Gram and Schmidt
    const made = [];
    for (let k = 0; k < rows; k += 1) {
      let row = Float64Array.from({ length: columns }, () => normal(random));
      for (const other of made) { const part = dot(row, other); row = row.map((value, j) => value - part * other[j]); }
      const size = Math.sqrt(dot(row, row));
      made.push(row.map((value) => value / size));
    }
    return made;
  }

  function spectralRadius(rows) { // Gelfand: the limit of the k-th root of the norm of the k-th power
    let power = rows, logarithm = 0;
    const size = (matrix) => Math.sqrt(matrix.reduce((sum, row) => sum + dot(row, row), 0));
    for (let k = 0; k < 14; k += 1) {
      power = power.map((row) => product(row, power));
      const norm = size(power);
      power = power.map((row) => row.map((value) => value / norm));
      logarithm = 2 * logarithm + Math.log(norm);
    }
    return Math.exp(logarithm / 2 ** 14);
  }

  function drawn(name, random) { // a cell's weights by gate, before they are scaled
    const { blocks } = CELLS[name], columns = blocks.length * UNITS, limit = Math.sqrt(6 / (FEATURES + columns));
    const kernel = range(FEATURES, () => Float64Array.from({ length: columns }, () => limit * (2 * random() - 1)));
    const recurrent = orthogonal(UNITS, columns, random), weights = {};
    blocks.forEach((gate, k) => {
      const block = (row) => row.slice(k * UNITS, (k + 1) * UNITS);
      const U = recurrent.map(block), radius = spectralRadius(U);
      weights[gate] = { W: kernel.map(block), U: U.map((row) => row.map((value) => value / radius)) };
    });
    return weights;
  }

  // ------------------------------------------------------------------------------- forward and back through time

  function cellOf(name, weights, radius, bias) {
    const cell = { W: {}, U: {}, b: {}, d: {}, back: {} };
    for (const gate of CELLS[name].blocks) {
      const U = weights[gate].U.map((row) => row.map((value) => radius * value)), columns = transposed(U);
      cell.W[gate] = (x) => product(x, weights[gate].W);
      cell.U[gate] = (h) => product(h, U);
      cell.back[gate] = (δ) => product(δ, columns); // U δ
      cell.b[gate] = zeros().fill(gate === "f" || gate === "z" ? bias : 0);
      cell.d[gate] = zeros();
    }
    return cell;
  }

  // From the errors ∂L/∂h_t, and ∂L/∂c_t from later timesteps, to those of the timestep before.
  const slope = (gate) => times(gate, oneMinus(gate)); // of σ
  const curved = (a) => a.map((value) => 1 - value * value); // the slope of tanh
  const minus = (a) => a.map((value) => -value);
  const BACK = {
    simple({ back }, s, before, { h }) {
      return { h: back.h(times(h, curved(s.h))) };
    },
    gru({ back, U, d }, { z, r, h̃ }, before, { h }) {
      const candidate = times(times(h, oneMinus(z)), curved(h̃)); // the error of h̃ before its tanh
      const δz = times(times(h, add(before.h, minus(h̃))), slope(z));
      const δr = times(times(candidate, add(U.h̃(before.h), d.h̃)), slope(r));
      return { h: add(times(h, z), back.z(δz), back.r(δr), back.h̃(times(candidate, r))) };
    },
    lstm({ back }, { i, f, c̃, o, "φ(c)": φ }, before, { h, c }) { // c is already the whole error of the cell state
      const δi = times(times(c, c̃), slope(i)), δf = times(times(c, before.c), slope(f));
      const δc̃ = times(times(c, i), curved(c̃)), δo = times(times(h, φ), slope(o));
      return { h: add(back.i(δi), back.f(δf), back.c̃(δc̃), back.o(δo)), c: times(c, f) };
    },
  };

  // The sums of squares of ∂L/∂h_t and ∂L/∂c_t, first timestep first, of one sequence.
  function errors(name, cell, sequence, mix) {
    const states = [{ h: zeros(), c: zeros() }], squares = { h: [], c: [] };
    for (const x of sequence) states.push(CELLS[name].step(cell, x, states.at(-1), (_, value) => value));
    let error = { h: mix, c: zeros() };
    for (let t = TIMESTEPS; t > 0; t -= 1) {
      const s = states[t];
      squares.h.unshift(dot(error.h, error.h));
      if (s.c) {
        error.c = add(error.c, times(times(error.h, s.o), curved(s["φ(c)"])));
        squares.c.unshift(dot(error.c, error.c));
      }
      error = BACK[name](cell, s, states[t - 1], error);
    }
    return squares;
  }

  function norms(drawing, radius, bias) { // relative to ∂L/∂h at the last timestep
    const found = {};
    for (const name of ["simple", "gru", "lstm"]) {
      const cell = cellOf(name, drawing.weights[name], radius, bias);
      const each = drawing.x.map((sequence, k) => errors(name, cell, sequence, drawing.mix[k]));
      const sums = (state) => each[0][state].map((_, t) => Math.sqrt(each.reduce((sum, e) => sum + e[state][t], 0)));
      const last = sums("h").at(-1);
      found[`${name} h`] = sums("h").map((value) => value / last);
      if (name === "lstm") found["lstm c"] = sums("c").map((value) => value / last);
    }
    return found;
  }

  // -------------------------------------------------------------------------------------------------- on the page

  const state = { seed: 0 };

  function redraw(seed) {
    const random = generator(seed), weights = {};
    for (const name of ["simple", "gru", "lstm"]) weights[name] = drawn(name, random);
    const vector = (length) => Float64Array.from({ length }, () => normal(random));
    const x = range(BATCH, () => range(TIMESTEPS, () => vector(FEATURES)));
    Object.assign(state, { seed, drawing: { weights, x, mix: range(BATCH, () => vector(UNITS)) } });
    compute();
  }

  function power(value) { // 3.2 · 10⁻⁷, as a reader of formulas expects it
    if (value >= 0.001 && value < 1000) return number(value, 3);
    const [digits, exponent] = value.toExponential(1).replace("+", "").split("e");
    return `${digits} · 10${[...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("")}`;
  }

  function compute() {
    Object.assign(state, { radius: Number($("pg-radius").value), bias: Number($("pg-bias").value) });
    state.norms = norms(state.drawing, state.radius, state.bias);
    $("pg-radius-shown").textContent = number(state.radius, 2);
    $("pg-bias-shown").textContent = number(state.bias, 1);
    $("pg-arrives").tBodies[0].replaceChildren(...Object.entries(CURVES).map(([key, label], k) => {
      const cells = [50, 99].map((back) => element("td", {}, power(state.norms[key].at(-1 - back))));
      return element("tr", {}, labelled(`--pg-curve-${k}`, k === 3, label), ...cells);
    }));
    draw();
  }

  function draw() {
    const { c, width } = context($("pg-gradient"), HEIGHT), left = 46, bottom = HEIGHT - 34;
    const x = (back) => left + ((width - left - 8) * back) / (TIMESTEPS - 1);
    const y = (value) => 8 + ((bottom - 8) * (HIGHEST - Math.log10(value))) / (HIGHEST - LOWEST);
    c.fillStyle = style("--color-foreground-secondary");
    c.strokeStyle = style("--color-background-border");
    c.textAlign = "right";
    for (let exponent = LOWEST; exponent <= HIGHEST; exponent += 4) {
      c.strokeRect(left, y(10 ** exponent), width - left - 8, 0);
      c.fillText(exponent ? `1e${exponent}` : "1", left - 6, y(10 ** exponent) + 4);
    }
    c.textAlign = "center";
    for (let back = 0; back < TIMESTEPS; back += 20) c.fillText(back, x(back), bottom + 14);
    c.fillText("timesteps back from the end", x(TIMESTEPS / 2), bottom + 30);
    c.beginPath();
    c.rect(left, 8, width, bottom - 8);
    c.clip();
    Object.keys(CURVES).forEach((key, k) => {
      c.beginPath();
      state.norms[key].forEach((value, t) => c.lineTo(x(TIMESTEPS - 1 - t), y(Math.max(value, 1e-300))));
      Object.assign(c, { strokeStyle: style(`--pg-curve-${k}`), lineWidth: 2 });
      c.setLineDash(k === 3 ? [6, 3] : []);
      c.stroke();
    });
  }

  function later() { // at most once for each picture of the screen
    cancelAnimationFrame(state.frame);
    state.frame = requestAnimationFrame(compute);
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const id of ["pg-radius", "pg-bias"]) $(id).addEventListener("input", later);
    $("pg-others").addEventListener("click", () => redraw(state.seed + 1));
    redraw(0);
    whenLooksChange(draw);
  });

  window.playground.gradient = () => state;
})();
