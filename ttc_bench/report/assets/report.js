"use strict";
// What a model wrote reaches this page as text only: it comes out of compressed JSON and goes in through textContent.
// Nothing here parses HTML, evaluates a string or asks the network.
(() => {
  const PER_PAGE = 25;
  const byId = (id) => document.getElementById(id);
  const json = (id) => JSON.parse(byId(id).textContent);

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

  const charts = json("charts"); // axis -> { title, wide, narrow }: Vega-Lite specifications
  const figures = json("figures"); // name -> { wide, narrow }, drawn into the element figure-NAME
  const slim = matchMedia("(max-width: 720px)");
  const tip = make("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  let axis = Object.keys(charts)[0];
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
    drawing = drawing.then(() => draw(id, specs)).then(done).catch((error) => {
      byId(id).textContent = `The chart could not be drawn (${error.message}); its numbers are in the table and the CSV files.`;
      console.error(error);
    });
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

  radios(byId("axes"), Object.entries(charts).map(([name, chart]) => [name, chart.title]), (value) => {
    axis = value;
    redraw();
  });
  slim.addEventListener("change", redraw);
  slim.addEventListener("change", redrawFigures);
  redraw();
  redrawFigures();

  // ---- problems and samples ---------------------------------------------------------------------------------------

  /** The JSON in script element `id`: gzip in base64. Chunks of samples are unpacked when first needed, once. */
  const unpacked = new Map();
  function unpack(id) {
    if (!unpacked.has(id)) {
      const bytes = Uint8Array.from(atob(byId(id).textContent), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      unpacked.set(id, new Response(stream).json());
    }
    return unpacked.get(id);
  }

  const marks = (group) => [...group.marks]; // one letter per sample: r right, w wrong, u unreadable
  const WORDS = { r: "right", w: "wrong", u: "unreadable" };
  const has = (groups, letter) => groups.some((g) => g.marks.includes(letter));
  const FILTERS = {
    all: ["all", () => true],
    some: ["solved by some samples", (g) => has(g, "r") && (has(g, "w") || has(g, "u"))],
    never: ["never solved", (g) => !has(g, "r")],
    always: ["always solved", (g) => !has(g, "w") && !has(g, "u")],
    truncated: ["truncated", (g) => g.some((group) => group.truncated > 0)],
    unreadable: ["unreadable", (g) => has(g, "u")],
  };

  let index, found = [], page = 0, filter = "all", asked = 0;

  const groupsOf = (problem) => {
    const prompt = byId("prompt").value;
    return prompt ? problem.groups.filter((g) => g.prompt === prompt) : problem.groups;
  };
  const samplesOf = async (problem) => (await unpack(`samples-${problem.chunk}`))[problem.row];

  async function texts(problem) {
    if (problem.texts === undefined) {
      problem.texts = (await samplesOf(problem)).map((s) => `${s.text}\n${s.reasoning}\n${s.answer}`).join("\n").toLowerCase();
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
      labels[name].textContent = `${label} (${matching.filter((p) => keep(groupsOf(p))).length.toLocaleString("en")})`;
    }
    found = matching.filter((p) => FILTERS[filter][1](groupsOf(p)));
    page = 0;
    list();
  }

  function list() {
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    byId("count").textContent = `${found.length.toLocaleString("en")} of ${index.length.toLocaleString("en")} problems`;
    byId("page").textContent = `page ${page + 1} of ${pages}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page + 1 >= pages;
    byId("problems").replaceChildren(...found.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map(row));
  }

  function strip(group) {
    const letters = marks(group);
    const right = letters.filter((m) => m === "r").length;
    const cells = make("span", "cells", ...letters.slice(0, 64).map((m) => make("span", `cell ${WORDS[m]}`)));
    cells.setAttribute("aria-hidden", "true");
    return make("span", "strip", group.prompt, cells, `${right}/${letters.length}`);
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
      else item.append(details(problem, await samplesOf(problem)));
    });
    return item;
  }

  function details(problem, samples) {
    const box = make("div", "opened");
    const facts = [problem.task, `gold answer: ${problem.gold === null ? "none, judged by a check" : problem.gold}`];
    if (problem.difficulty !== null) facts.push(`difficulty ${problem.difficulty}`);
    box.append(make("p", "muted", facts.join(" · ")), make("pre", "", problem.question));
    for (const group of groupsOf(problem)) {
      const letters = marks(group);
      const cut = group.truncated ? `, ${group.truncated} truncated` : "";
      box.append(make("h3", "", `${group.prompt}: ${letters.filter((m) => m === "r").length} of ${letters.length} right${cut}`));
      box.append(...samples.filter((s) => s.prompt === group.prompt).map(sample));
    }
    return box;
  }

  function sample(s) {
    const verdict = s.answer === null ? "unreadable" : s.correct ? "right" : "wrong";
    const sign = { right: "✓ right", wrong: "✗ wrong", unreadable: "? no answer found" }[verdict];
    const facts = [`${s.tokens.toLocaleString("en")} tokens`, s.stop_reason === "length" ? "cut at the limit" : s.stop_reason];
    if (s.rung) facts.push(`read by: ${s.rung}`);
    for (const [name, score] of Object.entries(s.scores)) {
      facts.push(`${name} ${typeof score === "number" ? Number(score.toPrecision(4)) : score}`);
    }
    const head = make("summary", "", make("span", "muted", `#${s.index}`), make("span", "verdict", sign));
    if (s.answer !== null) head.append(make("span", "", s.answer));
    head.append(make("span", "muted", facts.join(" · ")));
    const box = make("details", `sample ${verdict}`, head);
    if (s.reasoning) box.append(make("p", "muted", "reasoning"), make("pre", "reasoning", s.reasoning), make("p", "muted", "answer"));
    box.append(make("pre", "", s.text));
    return box;
  }

  function options(select, values) {
    for (const value of values) select.append(Object.assign(make("option", "", value), { value }));
    select.parentElement.hidden = values.length < 2;
  }

  let labels, waiting;
  async function browse() {
    index = await unpack("index");
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
  browse().catch((error) => {
    byId("count").textContent = `The samples could not be shown (${error.message}); a browser of 2023 or later can.`;
    console.error(error);
  });
})();
