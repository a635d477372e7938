// The page on which a reader steps through a run. What it shows is in the element #run, as JSON, and in one SVG per
// level of detail: see html.py for both. A step is a number from 0 (the whole run) to run.steps.length.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const run = JSON.parse($("run").textContent);
  const canvas = $("canvas"), panel = $("panel");
  const count = run.steps.length;
  const state = { step: 0, level: -1, chosen: null, query: "", timer: 0 };

  // ---- words and numbers ------------------------------------------------------------------------------------------

  const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const shape = (s) => (s.length === 1 ? `(${s[0]},)` : `(${s.join(", ")})`);

  const signs = (text) => text.replace(/-/g, "−").replace("e+", "e").replace("Infinity", "∞").replace("inf", "∞");

  // Four digits, as many as a reader can compare.
  function number(x, digits = 4) {
    if (typeof x !== "number") return signs(String(x)); // what JSON has no number for
    const size = Math.abs(x);
    if (Number.isInteger(x) && size < 1e6) return signs(String(x));
    if (size < 1e-3 || size >= 1e6) return signs(x.toExponential(digits - 2));
    return signs(size >= 10 ** digits ? x.toFixed(0) : String(Number(x.toPrecision(digits))));
  }

  const flat = (entries) => [entries].flat(Infinity);
  const isScalar = (value) => value && value.shape && value.entries !== undefined && flat(value.entries).length === 1;

  // How the entries of one value are written: all with as many decimals, a common power of ten before them, and on a
  // colour that says how large an entry is beside the others.
  function style(entries, columns) {
    const numbers = entries.filter((x) => typeof x === "number");
    const greatest = Math.max(0, ...numbers.map(Math.abs));
    const order = greatest ? Math.floor(Math.log10(greatest)) : 0;
    const power = order < -2 || order > 4 ? order : 0;
    const decimals = numbers.every(Number.isInteger) ? 0 : Math.max(0, (columns > 4 ? 2 : 3) - order + power);
    const write = (x) => (typeof x === "number" ? signs((x / 10 ** power).toFixed(x === 0 ? 0 : decimals)) : number(x));
    return { greatest, power, write };
  }

  function cell(x, { greatest, write }) {
    if (x === "NaN") return `<td class="bad">NaN</td>`;
    const part = typeof x === "number" && greatest > 0 ? Math.round(Math.abs(x) / greatest * 45) : 0;
    return `<td style="--part:${part}%" class="${x < 0 ? "minus" : "plus"}" title="${number(x, 6)}">${write(x)}</td>`;
  }

  function matrix(rows, look) {
    const lines = rows.map((row) => `<tr>${row.map((x) => cell(x, look)).join("")}</tr>`);
    return `<div class="scroll"><table class="matrix"><tbody>${lines.join("")}</tbody></table></div>`;
  }

  function matrices(entries, rank, look, index) {
    if (rank > 2) return entries.map((part, i) => matrices(part, rank - 1, look, `${index}${i}, `)).join("");
    const label = index ? `<span class="index">[${index}…]</span>` : "";
    return label + matrix(rank === 2 ? entries : [entries], look);
  }

  // A value, in full if it is small.
  function show(i) {
    const value = run.values[i];
    if (!value.shape) return `<span class="plain">${escape(value.text)}</span>`;
    const size = value.shape.length ? `<span class="shape">${shape(value.shape)}</span>` : "";
    const bad = value.nan ? `<span class="warning">⚠ ${value.nan} NaN</span>` : value.infinite ? `<span class="facts">${value.infinite} infinite</span>` : "";
    if (value.text) return `${size} <span class="plain">${escape(value.text)}</span>`;
    if (value.entries === undefined) {
      const facts = [["norm", value.norm], ["min", value.least], ["max", value.greatest]];
      return `${size} <span class="facts">${facts.map(([name, x]) => `${name} ${number(x)}`).join(" · ")}</span> ${bad}`;
    }
    if (!value.shape.length) return `<b class="number${value.nan ? " bad" : ""}">${number(value.entries)}</b> ${bad}`;
    const entries = flat(value.entries);
    if (!entries.length) return `${size} <span class="plain">empty</span>`;
    const look = style(entries, value.shape[value.shape.length - 1]);
    const power = look.power ? `<span class="facts">in units of 10<sup>${signs(String(look.power))}</sup></span> ` : "";
    return `${size} ${power}${bad}${matrices(value.entries, value.shape.length, look, "")}`;
  }

  const calls = (name, operation) => (name ? `<i>${escape(name)}</i>` : `<span class="unnamed">${escape(operation)}</span>`);
  const derivative = (below) => `<span class="frac"><span>∂<i>${escape(run.name)}</i></span><span>∂${below}</span></span>`;

  // The formula with numbers in the places of its names; nothing unless all of them are single numbers.
  function inNumbers(flow, g) {
    const numbers = { g: run.values[g] };
    for (const [name, i] of flow.reads) numbers[name] = run.values[i];
    const box = document.createElement("div");
    box.innerHTML = run.formulas[flow.formula].lines.join("");
    const names = [...box.querySelectorAll("[data-n]")];
    if (!names.length || box.querySelector("code, .says, .assign") || !names.every((n) => isScalar(numbers[n.dataset.n]))) return "";
    for (const name of names) {
      const x = flat(numbers[name.dataset.n].entries)[0];
      const text = number(x);
      name.outerHTML = `<span class="value" title="${escape(name.dataset.n)}">${text[0] === "−" ? `(${text})` : text}</span>`;
    }
    return box.innerHTML;
  }

  // ---- the panel --------------------------------------------------------------------------------------------------

  const row = (name, content, kind = "") => `<div class="row ${kind}"><div class="name">${name}</div><div>${content}</div></div>`;

  function heading(step) {
    const where = step.scope ? `<p class="scope">in ${escape(step.scope)}</p>` : "";
    const code = step.line ? `<p class="line"><code>${escape(step.line)}</code></p><p class="place">${escape(step.place)}</p>` : "";
    const title = step.title.startsWith(step.operation) ? escape(step.title)
      : `${escape(step.operation)} <small>${escape(step.title)}</small>`;
    const what = step.phase === "start" ? `start at ${calls(step.name, step.operation)}`
      : `${title}${step.name ? ` → <i>${escape(step.name)}</i>` : ""}`;
    return `<p class="phase ${step.phase}">${step.phase}</p><h2>${what}</h2>${where}${code}`;
  }

  // None and False are what most arguments are left at; they say nothing.
  const isUsual = (value) => value.text === "None" || value.entries === false;

  // An argument as the operation calls it, and as the program does.
  function argument({ argument, name, operation }) {
    const source = name || operation ? ` = ${calls(name, operation)}` : "";
    return `<code>${escape(argument)}</code>${source}`;
  }

  function forward(step) {
    const takes = step.takes.filter((take) => !isUsual(run.values[take.value])).map((take) => row(`${argument(take)} =`, show(take.value)));
    const gives = row(`${calls(step.name, "result")} =`, show(step.value), "result");
    return `<h3>it is given</h3>${takes.join("")}<h3>it computes</h3>${gives}`;
  }

  function start(step) {
    const itself = row(`${derivative(calls(step.name, step.operation))} =`, show(step.value), "result");
    const sum = isScalar(run.values[step.value]) ? ""
      : "<p>It has several entries; what is differentiated is their sum, and each of them counts 1 there.</p>";
    return `<p>The backward pass begins at the end: how much does <i>${escape(run.name)}</i> change with itself?</p>${itself}${sum}
      <p>From here on every operation is asked in turn, the last one first. It receives the gradient of its result,
      <i>g</i>, and hands each of its arguments its share: the rule stands in the table of derivatives.</p>`;
  }

  function card(step, flow) {
    const formula = run.formulas[flow.formula];
    const target = derivative(calls(flow.name, flow.operation));
    const numbers = inNumbers(flow, step.value);
    const written = formula.lines.length ? formula.lines : ["<span class=\"plain\">(a rule without source)</span>"];
    const lines = written.map((line) => (/^<\w+ class="assign"/.test(line) ? line : `= ${line}`));
    if (numbers) lines.push(`= ${numbers}`);
    const alone = isScalar(run.values[flow.value]) && !flow.summed;
    if (alone) lines.push(`= <span class="row result">${show(flow.value)}</span>`);
    const html = lines.join("");
    const reads = flow.reads.filter(([name]) => html.includes(`data-n="${name}"`) || !html.includes("data-n"));
    const facts = reads.map(([name, i]) => row(`<i>${escape(name)}</i> =`, show(i), "read"));
    const source = formula.source ? `<details><summary>source</summary><pre>${escape(formula.source)}</pre></details>` : "";
    const twin = formula.twin ? ` · readable form: ${escape(formula.twin)}` : "";
    const place = formula.place ? `<p class="place">${escape(formula.place)}${twin}</p>` : "";
    const summed = flow.summed ? `<p class="note">It had been spread by broadcasting, so its share is ${escape(flow.summed)}</p>` : "";
    const meets = flow.total === undefined ? "" : `<div class="meets"><p>Another path had arrived here before; they add up:</p>
      ${row(`${target} so far =`, show(flow.before))}${row("+ this =", show(flow.value))}${row("together", show(flow.total), "result")}</div>`;
    const arrives = flow.leaf && flow.last
      ? `<p class="note">Complete: this is what <code>backward()</code> adds to <code>.grad</code> of ${calls(flow.name, "the leaf")}.</p>` : "";
    return `<section class="card"><h3>to ${argument(flow)}</h3>
      <div class="formula"><div>${target}${html.startsWith("=") ? "" : ":"}</div><div>${lines.map((line) => `<p>${line}</p>`).join("")}</div></div>
      ${facts.length ? `<div class="reads">${facts.join("")}</div>` : ""}${summed}
      ${alone ? "" : row(`${target} =`, show(flow.value), "result")}${meets}${arrives}${place}${source}</section>`;
  }

  function backward(step) {
    const g = row(`<i>g</i> = ${derivative(calls(step.name, step.operation))} =`, show(step.value), "arrives");
    const hooked = step.hooked ? `<p class="note">a hook is registered here; it is not called on this page</p>` : "";
    return `<h3>arrives</h3>${g}${hooked}<h3>is handed on</h3>${step.flows.map((flow) => card(step, flow)).join("")}`;
  }

  const meanings = {
    input: "input", parameter: "parameter", operation: "operation and its result", module: "module, closed", output: "output",
    gradient: "gradient", bad: "⚠ NaN",
  };

  function legend() {
    const there = Object.keys(meanings).filter((kind) => levels.some((level) => level.querySelector(`.n.${kind}`)));
    return there.map((kind) => `<span style="background:var(--${kind});border-color:var(--${kind}-line)">${meanings[kind]}</span>`).join(" ")
      + "<br>solid arrow: a gradient flows back · dashed: none does";
  }

  function overview() {
    const told = run.steps.filter((step) => step.phase === "forward").length;
    const how = count
      ? `<p>${told} operation${told === 1 ? "" : "s"} forward, ${count - told} steps back. Press <kbd>→</kbd> to begin, or
         <kbd>space</kbd> to watch.</p>` : `<p class="note">${escape(run.note)}</p>`;
    const keys = count ? `<dt><kbd>←</kbd> <kbd>→</kbd></dt><dd>one step back, one step on</dd>
      <dt><kbd>Home</kbd> <kbd>End</kbd></dt><dd>the whole run, the last step</dd>
      <dt><kbd>space</kbd></dt><dd>play, pause</dd>` : "";
    const cut = now().note ? `<p class="note">${escape(now().note)}</p>` : "";
    return `<p class="phase">overview</p><h2>${escape(run.title)}</h2>${how}${cut}<dl>${keys}
      <dt><kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd></dt><dd>larger, smaller, all of it; or the wheel, dragging, two fingers</dd>
      <dt><kbd>/</kbd></dt><dd>find</dd>
      <dt>click</dt><dd>light what leads to a node and what it leads to; <kbd>Esc</kbd> clears</dd>
      ${count ? "<dt>double click</dt><dd>go to its step</dd>" : ""}</dl>
      <p class="legend">${legend()}</p>`;
  }

  const told = { forward, start, backward };

  function tell() {
    const step = run.steps[state.step - 1];
    panel.innerHTML = step ? heading(step) + told[step.phase](step) : overview();
    panel.scrollTop = 0;
    const title = step ? `step ${state.step} of ${count} · ${step.phase} · ${step.operation}` : count ? `${count} steps` : "";
    $("progress").textContent = title;
    $("slider").value = state.step;
    $("slider").setAttribute("aria-valuetext", title);
    $("back").disabled = $("first").disabled = state.step === 0;
    $("on").disabled = $("last").disabled = state.step === count;
  }

  // ---- the picture ------------------------------------------------------------------------------------------------

  const levels = [...canvas.querySelectorAll(".level")];
  const vertices = levels.map(() => null); // by level: id → element, collected when the level is first shown
  const edges = levels.map(() => null); // by level: [from, to, element]

  const now = () => run.levels[state.level];
  const places = (serial) => now().where[serial] || [];

  function enter(k) {
    if (!vertices[k]) {
      vertices[k] = new Map([...levels[k].querySelectorAll("g.n")].map((e) => [e.id.slice(e.id.indexOf("-") + 1), e]));
      edges[k] = [...levels[k].querySelectorAll("g.e")].map((e) => [e.dataset.from, e.dataset.to, e]);
    }
    levels.forEach((level, i) => { level.hidden = i !== k; });
    const before = state.level;
    state.level = k;
    $("depth").value = k;
    $("depth-label").textContent = run.levels[k].label;
    $("depth").setAttribute("aria-valuetext", run.levels[k].label);
    if (before !== k) {
      state.chosen = null;
      fit();
      if (view.scale < 0.25) toOutput();
    }
    paint();
    follow(false);
  }

  // What has been computed and what has arrived by now.
  function progress() {
    const done = new Set(), arrived = new Map();
    for (const step of run.steps.slice(0, state.step)) {
      if (step.phase === "forward") done.add(step.at);
      else if (step.phase === "start") arrived.set(step.at, step.value);
      for (const flow of step.flows) arrived.set(flow.to, flow.total === undefined ? flow.value : flow.total);
    }
    return { done, arrived };
  }

  function paint() {
    const step = run.steps[state.step - 1];
    const { done, arrived } = progress();
    const all = vertices[state.level];
    const here = new Set(step ? places(step.at) : []);
    const serials = now().members;
    const lit = state.chosen ? connected(state.chosen) : null;
    const query = state.query.toLowerCase();
    const found = [];
    for (const [id, element] of all) {
      const mine = serials[id] || [];
      const later = step && step.phase === "forward" && now().operations.includes(id) && !mine.some((s) => done.has(s));
      const matches = query && (now().words[id] || "").includes(query);
      if (matches) found.push(id);
      element.classList.toggle("now", here.has(id));
      element.classList.toggle("later", Boolean(later));
      element.classList.toggle("arrived", mine.some((s) => arrived.has(s)) && Boolean(step) && step.phase !== "forward");
      element.classList.toggle("dim", Boolean(lit ? !lit.has(id) : query && !matches));
      element.classList.toggle("lit", Boolean(lit ? lit.has(id) : matches));
    }
    const hot = new Map(); // the arrows of this step, by their ends
    if (step) {
      const sources = step.phase === "forward" ? step.takes.map((take) => take.from) : step.flows.map((flow) => flow.to);
      for (const source of sources) for (const from of source === null ? [] : places(source)) hot.set(from, true);
    }
    for (const [from, to, element] of edges[state.level]) {
      const passes = (here.has(to) && hot.has(from)) || (here.has(from) && hot.has(to)); // drawn this way or that way
      element.classList.toggle("hot", passes && step.phase === "forward");
      element.classList.toggle("hotback", passes && step.phase === "backward");
      element.classList.toggle("dim", Boolean(lit ? !(lit.has(from) && lit.has(to)) : query));
      element.classList.toggle("lit", Boolean(lit && lit.has(from) && lit.has(to)));
    }
    canvas.dataset.phase = step ? step.phase : "";
    badges(arrived, step);
    $("found").textContent = query ? `${found.length} found` : lit ? `${lit.size - 1} connected` : "";
    return found;
  }

  // Beside each leaf, the gradient that has arrived there.
  function badges(arrived, step) {
    levels[state.level].querySelectorAll(".badge").forEach((badge) => badge.remove());
    if (!step || step.phase === "forward") return;
    for (const leaf of run.leaves) {
      if (!arrived.has(leaf)) continue;
      const value = run.values[arrived.get(leaf)];
      const entries = value.entries === undefined ? [] : flat(value.entries);
      const text = entries.length && entries.length <= 2 ? `∂ ${entries.map((x) => number(x)).join(", ")}` : `‖∂‖ ${number(norm(value, entries), 3)}`;
      for (const id of places(leaf)) {
        const element = vertices[state.level].get(id);
        if (element && !now().operations.includes(id)) element.append(badge(element, text));
      }
    }
  }

  const norm = (value, entries) => (entries.length ? Math.hypot(...entries.map(Number)) : value.norm);

  function badge(element, text) {
    const svg = "http://www.w3.org/2000/svg";
    const box = (element.querySelector("rect, ellipse, path") || element).getBBox();
    const group = document.createElementNS(svg, "g"), rect = document.createElementNS(svg, "rect");
    const label = document.createElementNS(svg, "text");
    const width = text.length * 5.6 + 8;
    const x = box.x + box.width / 2 - width / 2, y = box.y + box.height - 7;
    group.setAttribute("class", "badge");
    for (const [name, to] of Object.entries({ x, y, width, height: 14, rx: 7 })) rect.setAttribute(name, to);
    label.setAttribute("x", x + width / 2);
    label.setAttribute("y", y + 10.5);
    label.textContent = text;
    group.append(rect, label);
    return group;
  }

  // Everything upstream and downstream of a vertex, and itself.
  function connected(id) {
    const found = new Set([id]);
    for (const [from, to] of [[0, 1], [1, 0]]) {
      const next = new Map();
      for (const edge of now().edges) next.set(edge[from], [...(next.get(edge[from]) || []), edge[to]]);
      const queue = [id], seen = new Set(queue);
      while (queue.length) {
        for (const other of next.get(queue.pop()) || []) {
          if (!seen.has(other)) { seen.add(other); found.add(other); queue.push(other); }
        }
      }
    }
    return found;
  }

  // ---- where one looks --------------------------------------------------------------------------------------------

  const view = { x: 0, y: 0, scale: 1, chosen: false }; // chosen: the reader has set the scale
  const READABLE = 0.8; // the scale for steps through a picture that is too large to be read as a whole
  const svg = () => levels[state.level].querySelector("svg");
  const size = () => [svg().width.baseVal.value, svg().height.baseVal.value];

  function place(smooth = false) {
    svg().classList.toggle("smooth", smooth && !matchMedia("(prefers-reduced-motion: reduce)").matches);
    svg().style.transform = `translate(${view.x}px,${view.y}px) scale(${view.scale})`;
    $("zoom").textContent = `${Math.round(view.scale * 100)} %`;
  }

  function centre() {
    const [width, height] = size();
    view.x = (canvas.clientWidth - width * view.scale) / 2;
    view.y = Math.max(8, (canvas.clientHeight - height * view.scale) / 2);
  }

  function fit() {
    const [width, height] = size();
    view.scale = Math.min(1.6, (canvas.clientWidth - 24) / width, (canvas.clientHeight - 24) / height);
    view.chosen = false;
    centre();
    place();
  }

  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const scale = Math.min(5, Math.max(0.05, view.scale * factor)), k = scale / view.scale;
    Object.assign(view, { x: x - (x - view.x) * k, y: y - (y - view.y) * k, scale, chosen: true });
    place();
  }

  // What is too large to be seen as a whole is first seen where it ends.
  function toOutput() {
    view.scale = READABLE;
    centre();
    place();
    const output = [...vertices[state.level]].find(([, element]) => element.classList.contains("output"));
    if (output) bring(output[0], false);
  }

  // Bring into view what the step is about.
  function follow(smooth = true) {
    const step = run.steps[state.step - 1];
    if (!step || !places(step.at).length) return;
    if (!view.chosen && view.scale < READABLE) {
      view.scale = READABLE;
      centre();
      place();
    }
    bring(places(step.at)[0], smooth);
  }

  function bring(id, smooth) {
    const element = vertices[state.level].get(id);
    if (!element) return;
    const box = element.getBoundingClientRect(), frame = canvas.getBoundingClientRect();
    const inside = box.left > frame.left + 40 && box.right < frame.right - 40 && box.top > frame.top + 60 && box.bottom < frame.bottom - 60;
    if (inside) return;
    view.x += frame.left + frame.width / 2 - (box.left + box.right) / 2;
    view.y += frame.top + frame.height / 2 - (box.top + box.bottom) / 2;
    place(smooth);
  }

  // ---- steps ------------------------------------------------------------------------------------------------------

  function go(step) {
    state.step = Math.min(count, Math.max(0, step));
    tell();
    paint();
    follow();
    if (state.step === count) pause();
  }

  function play() {
    if (!count) return;
    if (state.step === count) go(0);
    $("play").classList.add("playing");
    $("play").setAttribute("aria-label", "pause");
    const tick = () => { state.timer = setTimeout(() => { go(state.step + 1); if (state.timer) tick(); }, 1400 / $("speed").value); };
    tick();
  }

  function pause() {
    clearTimeout(state.timer);
    state.timer = 0;
    $("play").classList.remove("playing");
    $("play").setAttribute("aria-label", "play");
  }

  const toggle = () => (state.timer ? pause() : play());

  function stepBy(n) {
    pause();
    go(state.step + n);
  }

  $("first").onclick = () => stepBy(-Infinity);
  $("back").onclick = () => stepBy(-1);
  $("play").onclick = toggle;
  $("on").onclick = () => stepBy(1);
  $("last").onclick = () => stepBy(Infinity);
  $("slider").oninput = (event) => { pause(); go(Number(event.target.value)); };
  $("depth").oninput = (event) => enter(Number(event.target.value));

  // ---- mouse, fingers, keys ---------------------------------------------------------------------------------------

  const pointers = new Map();
  let moved = 0;

  canvas.onpointerdown = (event) => {
    if (!pointers.size) moved = 0;
    pointers.set(event.pointerId, event);
  };
  window.onpointermove = (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const others = [...pointers.values()].filter((other) => other.pointerId !== event.pointerId);
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    moved += Math.abs(dx) + Math.abs(dy);
    if (others.length) {
      const other = others[0], frame = canvas.getBoundingClientRect();
      const apart = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY) || 1;
      const middle = [(event.clientX + other.clientX) / 2 - frame.left, (event.clientY + other.clientY) / 2 - frame.top];
      zoom(apart(event) / apart(before), ...middle);
    } else if (moved > 4) {
      view.x += dx;
      view.y += dy;
      place();
    }
    pointers.set(event.pointerId, event);
  };
  window.onpointerup = window.onpointercancel = (event) => pointers.delete(event.pointerId);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = canvas.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  canvas.onclick = (event) => {
    if (moved > 4) return;
    const id = under(event);
    choose(id !== state.chosen ? id : null);
  };
  // A double click goes to the step of a vertex: on the way forward, or back if one is on the way back.
  canvas.ondblclick = (event) => {
    const serials = now().members[under(event)] || [];
    const current = run.steps[state.step - 1], phase = current && current.phase !== "forward" ? "backward" : "forward";
    const i = run.steps.findIndex((step) => step.phase === phase && serials.includes(step.at));
    choose(null);
    if (i >= 0) { pause(); go(i + 1); }
  };

  function under(event) {
    const element = event.target.closest(".level g.n");
    return element && element.id.slice(element.id.indexOf("-") + 1);
  }

  function choose(id) {
    state.chosen = id;
    paint();
  }

  const all = () => { fit(); view.chosen = true; };
  $("fit").onclick = all;
  $("whole").onclick = () => { view.scale = 1; view.chosen = true; centre(); place(); follow(false); };
  $("closer").onclick = () => zoom(1.25);
  $("farther").onclick = () => zoom(0.8);
  $("find").oninput = (event) => {
    state.query = event.target.value.trim();
    state.chosen = null;
    const found = paint();
    if (found.length) bring(found[0], true);
  };

  const keys = {
    ArrowLeft: () => stepBy(-1), ArrowRight: () => stepBy(1), Home: () => stepBy(-Infinity), End: () => stepBy(Infinity),
    " ": toggle, "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: all, "/": () => $("find").focus(),
    Escape: () => { $("find").value = state.query = ""; choose(null); document.activeElement.blur(); },
  };
  document.addEventListener("keydown", (event) => {
    const inside = (selector) => event.target.matches && event.target.matches(selector);
    const taken = event.key !== "Escape" && (inside("#find, #depth, select") || (event.key === " " && inside("button, summary")));
    if (taken || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // ---- light and dark ---------------------------------------------------------------------------------------------

  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  function theme(name) {
    document.documentElement.classList.toggle("dark", name === "dark");
    $("theme").setAttribute("aria-label", name === "dark" ? "switch to light" : "switch to dark");
  }
  const follows = () => theme(prefersDark.matches ? "dark" : "light");
  prefersDark.addEventListener("change", follows);
  $("theme").onclick = () => theme(document.documentElement.classList.contains("dark") ? "light" : "dark");

  // ---- beginning --------------------------------------------------------------------------------------------------

  // page.html#step=7&detail=2&theme=dark opens the page in that state.
  function open() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const asked = (name, usual) => (wanted.has(name) ? Number(wanted.get(name)) || 0 : usual);
    if (run.theme !== "auto") theme(run.theme); else follows();
    if (wanted.get("theme")) theme(wanted.get("theme") === "dark" ? "dark" : "light");
    enter(Math.min(levels.length - 1, Math.max(0, asked("detail", run.level))));
    if (wanted.has("node")) choose(wanted.get("node"));
    go(asked("step", 0));
  }
  document.body.classList.toggle("still", !count);
  $("slider").max = count;
  const turn = run.steps.findIndex((step) => step.phase === "start");
  $("slider").style.setProperty("--turn", `${count ? Math.max(0, turn) / count * 100 : 0}%`);
  $("depth").max = levels.length - 1;
  $("depth-box").hidden = levels.length < 2;
  window.onresize = () => { fit(); follow(false); };
  window.onhashchange = open;
  open();
})();
