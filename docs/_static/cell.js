/* Recurrent cells as their equations have them, and networks of characters made of them.

   The weights are in cells/NAME.js, which benchmarks/browser_weights.py writes; playground.js shows what goes on. */
"use strict";

window.recurrent = (() => {
  // ------------------------------------------------------------------------------------------------------ vectors

  const times = (a, b) => a.map((value, k) => value * b[k]);
  const oneMinus = (a) => a.map((value) => 1 - value);
  const sigmoid = (a) => a.map((value) => 1 / (1 + Math.exp(-value)));
  const tanh = (a) => a.map((value) => Math.tanh(value));

  function add(first, ...others) {
    const sum = Float64Array.from(first);
    for (const other of others) for (let k = 0; k < sum.length; k += 1) sum[k] += other[k];
    return sum;
  }

  function product(x, rows) { // of a vector and a matrix
    const y = new Float64Array(rows[0].length);
    for (let j = 0; j < x.length; j += 1) for (let k = 0, row = rows[j]; k < y.length; k += 1) y[k] += x[j] * row[k];
    return y;
  }

  function softmax(logits) {
    const largest = Math.max(...logits), powers = logits.map((value) => Math.exp(value - largest));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((value) => value / sum);
  }

  // -------------------------------------------------------------------------------------------------------- cells

  // The steps, as the equations have them: from x_t and the states before it to gates and new states. W.i(x) is the
  // product of x_t with the gate's block of the kernel, U.i(h) that of h_{t-1} with its block of the recurrent kernel.
  // `forced` is the gate as it is, or 0 or 1 where a switch on the page says so.
  const CELLS = {
    simple: {
      blocks: ["h"], states: ["h"], biases: 1,
      step({ W, U, b }, x, { h }) {
        return { h: tanh(add(W.h(x), U.h(h), b.h)) };
      },
    },
    gru: {
      blocks: ["z", "r", "h̃"], states: ["h"], biases: 2,
      step({ W, U, b, d }, x, { h }, forced) {
        const z = forced("z", sigmoid(add(W.z(x), b.z, U.z(h), d.z)));
        const r = forced("r", sigmoid(add(W.r(x), b.r, U.r(h), d.r)));
        const h̃ = tanh(add(W.h̃(x), b.h̃, times(r, add(U.h̃(h), d.h̃))));
        return { z, r, h̃, h: add(times(z, h), times(oneMinus(z), h̃)) };
      },
    },
    lstm: {
      blocks: ["i", "f", "c̃", "o"], states: ["h", "c"], biases: 1,
      step({ W, U, b }, x, { h, c }, forced) {
        const i = forced("i", sigmoid(add(W.i(x), U.i(h), b.i)));
        const f = forced("f", sigmoid(add(W.f(x), U.f(h), b.f)));
        const c̃ = tanh(add(W.c̃(x), U.c̃(h), b.c̃));
        const o = forced("o", sigmoid(add(W.o(x), U.o(h), b.o)));
        const c_t = add(times(f, c), times(i, c̃)), φ = tanh(c_t);
        return { i, f, c̃, o, "φ(c)": φ, c: c_t, h: times(o, φ) };
      },
    },
    "coupled-lstm": {
      blocks: ["f", "c̃", "o"], states: ["h", "c"], biases: 1,
      step({ W, U, b }, x, { h, c }, forced) {
        const f = forced("f", sigmoid(add(W.f(x), U.f(h), b.f)));
        const c̃ = tanh(add(W.c̃(x), U.c̃(h), b.c̃));
        const o = forced("o", sigmoid(add(W.o(x), U.o(h), b.o)));
        const c_t = add(times(f, c), times(oneMinus(f), c̃)), φ = tanh(c_t);
        return { f, c̃, o, "φ(c)": φ, c: c_t, h: times(o, φ) };
      },
    },
  };

  // ----------------------------------------------------------------------------------------------------- networks

  function float16s(base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return Float64Array.from(new Uint16Array(bytes.buffer), (half) => {
      const exponent = (half >> 10) & 31, fraction = (half & 1023) / 1024;
      return (half >> 15 ? -1 : 1) * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
    });
  }

  // From the weights in Keras's order: kernel, recurrent kernel, bias; kernel and bias of the output layer.
  function fromWeights(name, { alphabet, units, weights }) {
    const { blocks, biases, step } = CELLS[name], letters = [...alphabet], values = float16s(weights);
    let at = 0;
    const matrix = (rows, columns) => Array.from({ length: rows }, () => values.subarray(at, (at += columns)));
    const width = blocks.length * units, size = 1 + letters.length; // id 0 is a character not in the alphabet
    const kernel = matrix(size, width), recurrent = matrix(units, width), bias = matrix(biases, width);
    const V = matrix(units, size), [a] = matrix(1, size), cell = { W: {}, U: {}, b: {}, d: {} };
    blocks.forEach((gate, k) => {
      const block = (row) => row.subarray(k * units, (k + 1) * units);
      const rows = kernel.map(block), columns = recurrent.map(block);
      cell.W[gate] = (x) => rows[x]; // of a one-hot x: a row
      cell.U[gate] = (h) => product(h, columns);
      [cell.b[gate], cell.d[gate]] = bias.map(block);
    });
    return { name, letters, units, cell, step, output: (h) => add(product(h, V), a) };
  }

  const start = ({ units }) => ({ h: new Float64Array(units), c: new Float64Array(units) });

  // Every character with the gates and states at it and the probabilities of the next one.
  function read(net, text, forces = {}) {
    const forced = (gate, value) => (gate in forces ? value.fill(forces[gate]) : value);
    let before = start(net);
    return [...text].map((character) => {
      const x = 1 + net.letters.indexOf(character); // 0 if it is not in the alphabet
      before = net.step(net.cell, x, before, forced);
      const logits = net.output(before.h);
      return { character, x, values: before, logits, P: softmax(logits) };
    });
  }

  const atTemperature = (P, temperature) =>
    softmax(P.map((p, id) => (id ? Math.log(Math.max(p, 1e-300)) / temperature : -Infinity)));

  return { CELLS, add, times, oneMinus, tanh, product, fromWeights, start, read, atTemperature };
})();
