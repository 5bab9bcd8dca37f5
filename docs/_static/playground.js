/* The widgets of docs/playground.md that show a trained network: as one types, and at the letters h, e, l, p. */
"use strict";

window.playground = (() => {
  const { CELLS, add, times, oneMinus, fromWeights, start, read, atTemperature } = window.recurrent;
  const GATES = { i: "input gate", f: "forget gate", o: "output gate", z: "update gate", r: "reset gate" };
  const NAMES = { ...GATES, "c̃": "candidate", "h̃": "candidate", c: "cell state", h: "hidden state" };
  const LINES = { f: 0, z: 0, i: 1, r: 1, o: 2, "c̃": 3, "h̃": 3, c: 4, h: 5 }; // of the style sheet, by name
  const COLUMN = 11, ROW = 3, LETTERS = 16, CURVES = 150; // pixels: of maps and curves
  const LIKELIEST = 8; // characters in the list of the next one
  const WORD = "help", CONTEXT = "hel";

  // What the page shows: the chosen cell, unit and character, the gates that are forced, and what the network computed.
  const p = { cell: "", unit: 0, at: 0, forces: {}, seed: 1, steps: [], net: null };

  // ----------------------------------------------------------------------------------------------------- helpers

  const $ = (id) => document.getElementById(id);
  const style = (name) => getComputedStyle($("pg-cell")).getPropertyValue(name).trim();
  const shown = (character) => ({ " ": "␣", "\n": "⏎" })[character] ?? character;
  const number = (value, digits = 3) => value.toFixed(digits).replace("-", "−");
  const between = (value, lowest, highest) => Math.max(lowest, Math.min(highest, value));
  const isGate = (name) => name in GATES;

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function button(action, ...children) {
    const made = element("button", { type: "button" }, ...children);
    made.addEventListener("click", action);
    return made;
  }

  function labelled(color, dashed, label) { // the head of a row, with the line that stands for it in a figure
    const line = element("span", { className: "pg-line" });
    line.style.borderTop = `3px ${dashed ? "dashed" : "solid"} var(${color})`;
    return element("th", { scope: "row" }, line, ` ${label}`);
  }

  function context(canvas, height) { // of a canvas as wide as its place, in CSS pixels
    const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    canvas.style.height = `${height}px`;
    const c = canvas.getContext("2d");
    c.scale(ratio, ratio);
    c.font = "11px monospace";
    return { c, width };
  }

  function whenLooksChange(draw) {
    new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    window.addEventListener("resize", draw);
  }

  // ---------------------------------------------------------------------------------------------- maps and curves

  const drawn = () => [...CELLS[p.cell].blocks.filter((name) => name !== "h"), ...CELLS[p.cell].states.toReversed()];
  const columns = (width) => Math.max(1, Math.floor(width / COLUMN));
  const first = (width) => between(p.at - (columns(width) >> 1), 0, Math.max(0, p.steps.length - columns(width)));

  function scale(name) { // the largest value, or 1
    return Math.max(1, ...p.steps.map(({ values }) => Math.max(...values[name].map(Math.abs))));
  }

  function visible(width, visit) { // the steps for which there is room, and the left edges of their columns
    const from = first(width);
    p.steps.slice(from, from + columns(width)).forEach((step, k) => visit(step, COLUMN * k, from + k));
  }

  function letters(c, width) {
    c.textAlign = "center";
    visible(width, ({ character }, x, t) => {
      c.fillStyle = style(t === p.at ? "--color-brand-content" : "--color-foreground-secondary");
      c.fillText(shown(character), x + COLUMN / 2, 11);
    });
  }

  function drawMap(canvas) {
    const { name } = canvas.dataset, { c, width } = context(canvas, LETTERS + ROW * p.net.units + 1);
    const color = (variable) => style(variable).match(/\w\w/g).map((digits) => parseInt(digits, 16));
    const zero = color("--pg-zero"), plus = color("--pg-plus"), minus = color("--pg-minus"), largest = scale(name);
    const from = first(width), steps = p.steps.slice(from, from + columns(width)), { units } = p.net;
    const small = element("canvas", { width: steps.length, height: units }), pixels = new ImageData(steps.length, units);
    steps.forEach(({ values }, t) => values[name].forEach((value, unit) => {
      const part = Math.abs(value) / largest, end = value < 0 ? minus : plus;
      pixels.data.set([...zero.map((z, k) => z + part * (end[k] - z)), 255], 4 * (steps.length * unit + t));
    }));
    small.getContext("2d").putImageData(pixels, 0, 0);
    c.imageSmoothingEnabled = false;
    c.drawImage(small, 0, LETTERS, COLUMN * steps.length, ROW * units);
    letters(c, width);
    c.strokeStyle = style("--color-foreground-primary");
    c.strokeRect(0.5, LETTERS + ROW * p.unit - 0.5, COLUMN * steps.length - 1, ROW + 1);
    c.strokeRect(COLUMN * (p.at - from) + 0.5, LETTERS - 0.5, COLUMN - 1, ROW * units + 1);
  }

  function drawCurves() {
    const { c, width } = context($("pg-curve"), LETTERS + CURVES + 8), top = Math.max(...drawn().map(scale));
    const y = (value) => LETTERS + 4 + (CURVES / 2) * (1 - value / top);
    letters(c, width);
    c.fillStyle = style("--pg-picked");
    c.fillRect(COLUMN * (p.at - first(width)), LETTERS, COLUMN, CURVES + 8);
    c.strokeStyle = style("--color-background-border");
    for (const value of [-1, 0, 1]) c.strokeRect(0, y(value), width, 0);
    for (const name of drawn()) {
      c.beginPath();
      visible(width, ({ values }, x) => c.lineTo(x + COLUMN / 2, y(values[name][p.unit])));
      Object.assign(c, { strokeStyle: style(`--pg-line-${LINES[name]}`), lineWidth: isGate(name) ? 1.5 : 2.5 });
      c.setLineDash(isGate(name) ? [5, 2] : []);
      c.stroke();
    }
  }

  function fillValues() {
    const { character, values } = p.steps[p.at], table = $("pg-values");
    table.caption.textContent = `Unit ${p.unit} at character ${p.at + 1}, ${shown(character)}`;
    table.tBodies[0].replaceChildren(...drawn().map((name) => element("tr", {},
      labelled(`--pg-line-${LINES[name]}`, isGate(name), `${name} ${NAMES[name]}`),
      element("td", {}, number(values[name][p.unit])))));
  }

  function fillNext() {
    const P = atTemperature(p.steps[p.at].P, temperature());
    const ids = [...P.keys()].sort((a, b) => P[b] - P[a]).slice(0, LIKELIEST);
    $("pg-next").replaceChildren(...ids.map((id) => {
      const character = p.net.letters[id - 1], bar = element("span", { className: "pg-bar" });
      bar.style.width = `${60 * P[id]}%`;
      const name = element("code", {}, shown(character));
      return element("li", {}, button(() => append(character), name, bar, `${number(100 * P[id], 1)} %`));
    }));
    $("pg-after").textContent = p.steps.slice(0, p.at + 1).slice(-12).map((step) => shown(step.character)).join("");
  }

  function draw() {
    $("pg-maps").querySelectorAll("canvas").forEach(drawMap);
    drawCurves();
    fillValues();
    fillNext();
    Object.assign($("pg-unit"), { max: p.net.units - 1, value: p.unit });
    Object.assign($("pg-at"), { max: p.steps.length, value: p.at + 1 });
    $("pg-unit-shown").textContent = p.unit;
    $("pg-at-shown").textContent = p.at + 1;
  }

  // ------------------------------------------------------------------------------------- reading, drawing, picking

  const temperature = () => Number($("pg-temperature").value);

  function update() { // after a change of the text, the cell or a gate
    p.steps = read(p.net, $("pg-text").value || "\n", p.forces);
    p.at = p.steps.length - 1;
    const bits = p.steps.slice(1).reduce((sum, { x }, t) => sum - Math.log2(p.steps[t].P[x]), 0);
    const unknown = new Set(p.steps.filter(({ x }) => x === 0).map(({ character }) => character));
    $("pg-bits").textContent = p.at ? `${number(bits / p.at, 2)} bits per character of this text` : "";
    $("pg-unknown").textContent = unknown.size ? `Not in its alphabet: ${[...unknown].join(" ")}` : "";
    draw();
  }

  function append(character) {
    const text = $("pg-text");
    if (text.value.length >= text.maxLength) return run(false);
    text.value += character;
    text.scrollTop = text.scrollHeight;
    update();
  }

  function random() { // mulberry32: the same numbers again whenever the page is loaded
    let a = (p.seed = (p.seed + 0x6d2b79f5) | 0);
    a = Math.imul(a ^ (a >>> 15), a | 1);
    a ^= a + Math.imul(a ^ (a >>> 7), a | 61);
    return ((a ^ (a >>> 14)) >>> 0) / 2 ** 32;
  }

  function sample() {
    const P = atTemperature(p.steps.at(-1).P, temperature());
    let rest = random(), id = 1; // 0 is no character
    while (id < P.length - 1 && (rest -= P[id]) >= 0) id += 1;
    append(p.net.letters[id - 1]);
  }

  function run(on) {
    clearInterval(p.timer);
    p.timer = on ? setInterval(sample, 120) : 0;
    $("pg-run").textContent = on ? "Stop" : "Run";
  }

  function pick(unit, at) {
    p.unit = between(unit, 0, p.net.units - 1);
    p.at = between(at, 0, p.steps.length - 1);
    draw();
  }

  function pointed(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const unit = event.offsetY < LETTERS ? p.unit : Math.floor((event.offsetY - LETTERS) / ROW);
    pick(unit, first(event.target.clientWidth) + Math.floor(event.offsetX / COLUMN));
  }

  function keyed(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [down, right] = moves[event.key];
    pick(p.unit + down, p.at + right);
  }

  function switchOf(gate) {
    const select = element("select", { name: gate });
    for (const value of ["as learned", "0", "1"]) select.append(element("option", {}, value));
    select.addEventListener("change", () => {
      delete p.forces[gate];
      if (select.selectedIndex) p.forces[gate] = Number(select.value);
      update();
    });
    return element("label", {}, `${gate} ${GATES[gate]} `, select);
  }

  function mapOf(name) {
    const label = `Heat map of the ${NAMES[name]} ${name}: every unit at every character`;
    const canvas = element("canvas", { role: "img", ariaLabel: label });
    canvas.dataset.name = name;
    for (const type of ["pointerdown", "pointermove"]) canvas.addEventListener(type, pointed);
    return element("figure", {}, element("figcaption", {}, `${name} ${NAMES[name]}`), canvas);
  }

  function choose(cell) {
    const { text, trackers } = window.cells[cell], gates = CELLS[cell].blocks.filter(isGate);
    Object.assign(p, { cell, forces: {}, unit: trackers[0].unit, net: fromWeights(cell, text) });
    $("pg-gates").replaceChildren(...(gates.length ? gates.map(switchOf) : ["A simple cell has none."]));
    $("pg-maps").replaceChildren(...drawn().map(mapOf));
    $("pg-trackers").replaceChildren(...trackers.map(({ series, gate, unit, correlation }) => {
      const label = `${series}: ${gate} of unit ${unit} (${number(correlation, 2)})`;
      return element("li", {}, button(() => pick(unit, p.at), label));
    }));
    update();
    word();
  }

  // ------------------------------------------------------------------------------- every number of a step of h-e-l-p

  function table(title, heads, rows) { // rows by name: vectors, or lists of strings
    const shownAs = (value) => (typeof value === "number" ? number(value, 4) : value);
    const line = ([name, values]) => element("tr", {}, element("th", { scope: "row" }, name),
      ...Array.from(values, (value) => element("td", {}, shownAs(value))));
    const top = element("tr", {}, ...["", ...heads].map((name) => element("th", { scope: "col" }, name)));
    const body = element("tbody", {}, ...Object.entries(rows).map(line));
    return element("table", {}, element("caption", {}, title), element("thead", {}, top), body);
  }

  function gateRows({ W, U, b, d }, gate, x, before, values) { // how a gate comes about, term by term
    const rows = { "W xₜ": W[gate](x), "U hₜ₋₁": U[gate](before.h), "b": b[gate] };
    if (d[gate]) rows.d = d[gate];
    if (gate === "h̃") rows["r ⊙ (U hₜ₋₁ + d)"] = times(values.r, add(rows["U hₜ₋₁"], rows.d));
    rows.sum = gate === "h̃" ? add(rows["W xₜ"], rows.b, rows["r ⊙ (U hₜ₋₁ + d)"]) : add(...Object.values(rows));
    return { ...rows, [isGate(gate) ? `${gate}ₜ = σ(sum)` : `${gate}ₜ = tanh(sum)`]: values[gate] };
  }

  function stateRows({ i, f, z, "c̃": c̃, "h̃": h̃, c, h, "φ(c)": φ }, before) { // and how the new states do
    if (z) return { "z ⊙ hₜ₋₁": times(z, before.h), "(1 − z) ⊙ h̃": times(oneMinus(z), h̃), "hₜ": h };
    const added = i ? { "i ⊙ c̃": times(i, c̃) } : { "(1 − f) ⊙ c̃": times(oneMinus(f), c̃) };
    return { "f ⊙ cₜ₋₁": times(f, before.c), ...added, "cₜ": c, "tanh cₜ": φ, "hₜ = o ⊙ tanh cₜ": h };
  }

  function word() {
    const net = fromWeights(p.cell, window.cells[p.cell].word), steps = read(net, CONTEXT);
    const t = Number($("pg-step").value) - 1, { x, character, values, logits, P } = steps[t];
    const before = t ? steps[t - 1].values : start(net), { blocks, states } = CELLS[p.cell];
    const units = Array.from({ length: net.units }, (_, k) => `unit ${k}`);
    const given = { "xₜ (h e l p)": Array.from(WORD, (letter) => (letter === character ? "1" : "0")) };
    for (const state of states) given[`${state}ₜ₋₁`] = before[state];
    const tables = [table("Before", units, given)];
    for (const gate of blocks) {
      tables.push(table(`${gate}ₜ, ${NAMES[gate]}`, units, gateRows(net.cell, gate, x, before, values)));
    }
    if (p.cell !== "simple") tables.push(table("New states", units, stateRows(values, before)));
    tables.push(table("The next letter", net.letters, { "V hₜ + a": logits.slice(1), "softmax": P.slice(1) }));
    $("pg-word").replaceChildren(...tables);
    $("pg-step-shown").textContent = `reads ${character}, after ${CONTEXT.slice(0, t) || "nothing"}`;
  }

  // ------------------------------------------------------------------------------------------------- on the page

  function begin() {
    const radios = [...document.getElementsByName("pg-name")];
    const on = (id, type, action) => $(id).addEventListener(type, action);
    const stopped = (action) => () => { run(false); action(); };
    for (const radio of radios) radio.addEventListener("change", stopped(() => choose(radio.value)));
    on("pg-text", "input", stopped(update));
    on("pg-one", "click", stopped(sample));
    on("pg-run", "click", () => run(!p.timer));
    on("pg-clear", "click", stopped(() => { $("pg-text").value = ""; update(); }));
    on("pg-temperature", "input", () => { $("pg-temperature-shown").textContent = number(temperature(), 1); fillNext(); });
    on("pg-unit", "input", () => pick(Number($("pg-unit").value), p.at));
    on("pg-at", "input", () => pick(p.unit, Number($("pg-at").value) - 1));
    on("pg-step", "input", word);
    on("pg-maps", "keydown", keyed);
    choose(radios.find((radio) => radio.checked).value);
    whenLooksChange(draw);
  }

  document.addEventListener("DOMContentLoaded", begin);
  const trace = () => ({ cell: p.cell, text: $("pg-text").value, forces: p.forces, steps: p.steps });
  return { $, style, number, element, labelled, context, whenLooksChange, trace };
})();
