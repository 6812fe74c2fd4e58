"use strict";
// What a model wrote reaches this page as text only: it comes out of compressed JSON and goes in through textContent.
// Nothing here parses HTML, evaluates a string or asks the network.
(() => {
  const PER_PAGE = 25; // problems
  const AT_ONCE = 100; // samples under one prompt; a button shows as many more
  const CELLS = 64; // marks in a row of the list; more samples are a bar
  const GRID = 4096; // marks of an open problem
  const byId = (id) => document.getElementById(id);

  /** The JSON in script element `id`: gzip in base64. It is unpacked when it is first needed, once. The chunks of samples
   * stand after this script, so that the page shows something while the browser still reads them. */
  const unpacked = new Map();
  const whole = new Promise((done) => document.addEventListener("DOMContentLoaded", done, { once: true }));
  async function unpackNow(id) {
    if (id.startsWith("samples-")) await whole;
    const binary = atob(byId(id).textContent), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i); // several times as fast as Uint8Array.from
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }
  function unpack(id) {
    if (!unpacked.has(id)) unpacked.set(id, unpackNow(id));
    return unpacked.get(id);
  }

  /** An element with a class and a text (or children). */
  function make(tag, name, ...content) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...content.map((c) => (c instanceof Node ? c : document.createTextNode(String(c)))));
    return element;
  }

  /** Radio buttons into a fieldset; `pick` is called with the chosen value. Returns value -> the text of its label. */
  function radios(fieldset, entries, pick) {
    const texts = {};
    entries.forEach(([value, text], i) => {
      const input = make("input");
      Object.assign(input, { type: "radio", name: fieldset.id, value, checked: i === 0 });
      input.addEventListener("change", () => pick(value));
      texts[value] = make("span", "", text);
      fieldset.append(make("label", "", input, " ", texts[value]));
    });
    return texts;
  }

  // ---- chart ------------------------------------------------------------------------------------------------------

  let charts = {}; // axis -> { title, wide, narrow }: Vega-Lite specifications
  let figures = {}; // name -> { wide, narrow }, drawn into the element figure-NAME
  let axis = "";
  const slim = matchMedia("(max-width: 720px)");
  const tip = make("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const drawn = {}; // id of an element -> what Vega drew into it

  function showTip(_handler, event, _item, value) {
    tip.hidden = !value;
    if (!value) return;
    const list = make("dl");
    for (const [name, text] of Object.entries(value)) if (text !== "") list.append(make("dt", "", name), make("dd", "", text));
    tip.replaceChildren(list);
    const left = event.clientX + 16 + tip.offsetWidth > innerWidth ? event.clientX - 16 - tip.offsetWidth : event.clientX + 16;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 12, innerHeight - tip.offsetHeight - 4))}px`;
  }

  /** Draws the specification that fits the width of the page into an element, in place of what was there. */
  async function draw(id, { wide, narrow }) {
    if (drawn[id]) drawn[id].finalize();
    tip.hidden = true;
    // ast: expressions are interpreted, not compiled, so that the page's policy can forbid eval
    const options = { ast: true, actions: false, renderer: "svg", defaultStyle: false, tooltip: showTip };
    drawn[id] = await vegaEmbed(`#${id}`, slim.matches ? narrow : wide, options);
  }

  let drawing = Promise.resolve(); // one drawing after the other, however fast the choices come
  function enqueue(id, specs, done) {
    drawing = drawing.then(() => draw(id, specs)).then(done).catch((error) => undrawn(id, error));
  }

  function undrawn(id, error) {
    byId(id).textContent = `The chart could not be drawn (${error.message}); its numbers are in the table and the CSV files.`;
    console.error(error);
  }

  function redraw() {
    const name = axis;
    enqueue("chart", charts[name], () => (document.documentElement.dataset.chart = name));
  }

  function redrawFigures() {
    for (const [name, specs] of Object.entries(figures)) {
      enqueue(`figure-${name}`, specs, () => (byId(`figure-${name}`).dataset.drawn = slim.matches ? "narrow" : "wide"));
    }
  }

  async function drawAll() {
    [charts, figures] = await Promise.all([unpack("charts"), unpack("figures")]);
    axis = Object.keys(charts)[0];
    radios(byId("axes"), Object.entries(charts).map(([name, chart]) => [name, chart.title]), (value) => {
      axis = value;
      redraw();
    });
    slim.addEventListener("change", redraw);
    slim.addEventListener("change", redrawFigures);
    redraw();
    redrawFigures();
  }

  // ---- problems and samples ---------------------------------------------------------------------------------------

  const WORDS = { r: "right", w: "wrong", u: "unreadable" }; // the letters of marks, in the order of counts
  const total = (group) => group.counts[0] + group.counts[1] + group.counts[2];
  const has = (groups, letter) => groups.some((g) => g.counts["rwu".indexOf(letter)] > 0);
  const FILTERS = {
    all: ["all", () => true],
    some: ["solved by some samples", (g) => has(g, "r") && (has(g, "w") || has(g, "u"))],
    never: ["never solved", (g) => !has(g, "r")],
    always: ["always solved", (g) => !has(g, "w") && !has(g, "u")],
    truncated: ["truncated", (g) => g.some((group) => group.truncated > 0)],
    unreadable: ["unreadable", (g) => has(g, "u")],
  };

  let index, file, found = [], page = 0, filter = "all", asked = 0;

  const groupsOf = (problem) => {
    const prompt = byId("prompt").value;
    return prompt ? problem.groups.filter((g) => g.prompt === prompt) : problem.groups;
  };
  const count = (n) => n.toLocaleString("en");

  /** The records of a problem that are in this page: its samples, and its question where the index has cut it. */
  async function recordsOf(problem) {
    const runs = problem.runs.map(async ([chunk, row, count]) => (await unpack(`samples-${chunk}`)).slice(row, row + count));
    return (await Promise.all(runs)).flat();
  }

  const uncut = (text) => (Array.isArray(text) ? `${text[0]}\n${text[2]}` : text);

  async function texts(problem) {
    if (problem.texts === undefined) {
      problem.texts = (await recordsOf(problem))
        .map((r) => (r.question ? uncut(r.question) : `${uncut(r.text)}\n${uncut(r.reasoning)}\n${r.answer}`))
        .join("\n")
        .toLowerCase();
    }
    return problem.texts;
  }

  /** Applies task, prompt, search and filter, and shows the first page. A later search overtakes an earlier one. */
  async function look() {
    const mine = ++asked;
    const words = byId("search").value.trim().toLowerCase();
    const deep = byId("in-samples").checked && words !== "";
    const task = byId("task").value;
    if (deep) byId("count").textContent = "searching the samples…";
    const matching = [];
    for (const problem of index) {
      if (task && problem.task !== task) continue;
      if (groupsOf(problem).length === 0) continue;
      if (words && !problem.head.includes(words) && !(deep && (await texts(problem)).includes(words))) continue;
      if (mine !== asked) return;
      matching.push(problem);
    }
    for (const [name, [label, keep]] of Object.entries(FILTERS)) {
      labels[name].textContent = `${label} (${count(matching.filter((p) => keep(groupsOf(p))).length)})`;
    }
    found = matching.filter((p) => FILTERS[filter][1](groupsOf(p)));
    page = 0;
    list();
  }

  function list() {
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    byId("count").textContent = `${count(found.length)} of ${count(index.length)} problems`;
    byId("page").textContent = `page ${page + 1} of ${pages}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page + 1 >= pages;
    byId("problems").replaceChildren(...found.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map(row));
  }

  /** The samples of a group as a row of marks, or, where they are many, as a bar of the three shares. */
  function strip(group) {
    const many = total(group);
    let cells;
    if (group.marks && many <= CELLS) {
      cells = make("span", "cells", ...[...group.marks].map((m) => make("span", `cell ${WORDS[m]}`)));
    } else {
      cells = make("span", "cells bar", ...[..."rwu"].map((m) => make("span", `cell ${WORDS[m]}`)));
      group.counts.forEach((count, i) => Object.assign(cells.children[i].style, { flexGrow: count, display: count ? "" : "none" }));
    }
    cells.setAttribute("aria-hidden", "true");
    return make("span", "strip", group.prompt, cells, `${count(group.counts[0])}/${count(many)}`);
  }

  function row(problem) {
    const question = make("span", "question", make("span", "id", problem.id), problem.question);
    const button = make("button", "problem", question, make("span", "strips", ...groupsOf(problem).map(strip)));
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    const item = make("li", "", button);
    button.addEventListener("click", async () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) item.lastChild.remove();
      else item.append(details(problem, await recordsOf(problem)));
    });
    return item;
  }

  function details(problem, records) {
    const box = make("div", "opened");
    const facts = [problem.task, `gold answer: ${problem.gold === null ? "none, judged by a check" : problem.gold}`];
    if (problem.difficulty !== null) facts.push(`difficulty ${problem.difficulty}`);
    const question = records.find((r) => r.question);
    box.append(make("p", "muted", facts.join(" · ")), ...prose("", question ? question.question : problem.question, null));
    for (const group of groupsOf(problem)) {
      const cut = group.truncated ? `, ${count(group.truncated)} truncated` : "";
      box.append(make("h3", "", `${group.prompt}: ${count(group.counts[0])} of ${count(total(group))} right${cut}`));
      const mine = records.filter((r) => r.g === problem.groups.indexOf(group)).sort((a, b) => a.i - b.i);
      box.append(...samples(group, mine));
    }
    return box;
  }

  /** The samples of a group: those in the page, some at a time, and a mark for each where they are not all listed. */
  function samples(group, mine) {
    const list = make("div"), more = make("button", "more");
    const boxes = new Map(); // position -> element
    let shown = 0;
    function grow(until) {
      for (const s of mine.slice(shown, until)) {
        boxes.set(s.i, sample(s, group));
        list.append(boxes.get(s.i));
      }
      shown = Math.max(shown, Math.min(until, mine.length));
      more.hidden = shown >= mine.length;
      more.textContent = `Show ${count(Math.min(AT_ONCE, mine.length - shown))} more of ${count(mine.length)}`;
    }
    more.type = "button";
    more.addEventListener("click", () => grow(shown + AT_ONCE));
    grow(AT_ONCE);
    if (mine.length === total(group) && mine.length <= AT_ONCE) return [list];
    const place = make("p", "muted");
    if (mine.length < total(group)) {
      const last = group.row + total(group) - 1;
      place.textContent = `${count(mine.length)} of these samples are in this page, all are in ${file}, rows ${count(group.row)} to ${count(last)}.`;
    }
    return [place, ...(group.marks ? grid(group, mine, boxes, grow) : []), list, more];
  }

  /** A small button for each sample: it opens the sample, or says where it lies. Arrow keys move along. */
  function grid(group, mine, boxes, grow) {
    const box = make("div", "grid"), told = make("p", "muted");
    const held = new Map(mine.map((s, place) => [s.i, place]));
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `Marks of ${group.prompt}`);
    told.setAttribute("role", "status");
    [...group.marks.slice(0, GRID)].forEach((letter, i) => {
      const cell = make("button", `cell ${WORDS[letter]}${held.has(i) ? " held" : ""}`);
      Object.assign(cell, { type: "button", tabIndex: i ? -1 : 0, title: `sample ${count(i + 1)}: ${WORDS[letter]}` });
      box.append(cell);
    });
    box.addEventListener("click", ({ target }) => {
      const i = [...box.children].indexOf(target);
      if (i < 0) return;
      if (held.has(i)) {
        grow(held.get(i) + 1);
        told.textContent = "";
        boxes.get(i).open = true;
        boxes.get(i).scrollIntoView({ block: "nearest" });
      } else {
        told.textContent = `${target.title}; its text is not in this page, but in ${file}, row ${count(group.row + i)}.`;
      }
    });
    box.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = step && box.children[[...box.children].indexOf(event.target) + step];
      if (!next) return;
      event.target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
    return [box, told];
  }

  /** A text, or the beginning and the end of one that is too long for the page. `row`: where the whole one lies. */
  function prose(name, text, row) {
    if (!Array.isArray(text)) return [make("pre", name, text)];
    const where = row === null ? `it is whole in ${file}` : `it is whole in ${file}, row ${count(row)}`;
    const gap = make("p", "muted", `… ${count(text[1])} characters are left out here; ${where} …`);
    return [make("pre", name, text[0]), gap, make("pre", name, text[2])];
  }

  function sample(s, group) {
    const verdict = s.answer === null ? "unreadable" : s.correct ? "right" : "wrong";
    const sign = { right: "✓ right", wrong: "✗ wrong", unreadable: "? no answer found" }[verdict];
    const ends = { length: "cut at the limit", unknown: "not known whether cut" };
    const facts = [s.tokens === null ? "tokens not known" : `${count(s.tokens)} tokens`, ends[s.stop_reason] || s.stop_reason];
    if (s.rung) facts.push(`read by: ${s.rung}`);
    for (const [name, score] of Object.entries(s.scores)) {
      facts.push(`${name} ${typeof score === "number" ? Number(score.toPrecision(4)) : score}`);
    }
    const head = make("summary", "", make("span", "muted", `#${s.index}`), make("span", "verdict", sign));
    if (s.answer !== null) head.append(make("span", "", s.answer));
    head.append(make("span", "muted", facts.join(" · ")));
    const box = make("details", `sample ${verdict}`, head), row = group.row + s.i;
    if (s.reasoning) box.append(make("p", "muted", "reasoning"), ...prose("reasoning", s.reasoning, row), make("p", "muted", "answer"));
    box.append(...prose("", s.text, row));
    return box;
  }

  function options(select, values) {
    for (const value of values) select.append(Object.assign(make("option", "", value), { value }));
    select.parentElement.hidden = values.length < 2;
  }

  let labels, waiting;
  async function browse() {
    ({ file, problems: index } = await unpack("index"));
    if (file) byId("deep").textContent = "also in the sample texts of this page";
    for (const p of index) p.head = `${p.id}\n${p.question}\n${p.gold}`.toLowerCase();
    options(byId("task"), [...new Set(index.map((p) => p.task))]);
    options(byId("prompt"), [...new Set(index.flatMap((p) => p.groups.map((g) => g.prompt)))]);
    labels = radios(byId("filters"), Object.entries(FILTERS).map(([name, [text]]) => [name, text]), (value) => {
      filter = value;
      look();
    });
    byId("search").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(look, 120);
    });
    for (const id of ["in-samples", "task", "prompt"]) byId(id).addEventListener("change", look);
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
    const turn = (by) => () => {
      page += by;
      list();
      byId("count").scrollIntoView({ block: "start" });
    };
    byId("previous").addEventListener("click", turn(-1));
    byId("next").addEventListener("click", turn(1));
    await look();
    document.documentElement.dataset.browser = "ready";
  }
  drawAll().catch((error) => undrawn("chart", error));
  browse().catch((error) => {
    byId("count").textContent = `The samples could not be shown (${error.message}); a browser of 2023 or later can.`;
    console.error(error);
  });
})();
