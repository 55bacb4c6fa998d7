"use strict";
// Draws the page from its data. Each text becomes a text node and nothing else, so that none can become markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const SLICE = 60;
const WAIT_MS = 4000;
const HOVER_MS = 100;
const STOPS = ".frame, .asked button, .asked a";
const rowsByNode = new WeakMap();

function make(tag, name, ...children) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  for (const child of children) if (child !== null && child !== undefined && child !== "") node.append(child);
  return node;
}
function said(tag, text, name) {
  return make(tag, name ? `said ${name}` : "said", String(text));
}
function link(text, href) {
  const anchor = make("a", "said", text);
  anchor.href = href;
  if (/^https?:/i.test(href)) anchor.rel = "noreferrer noopener";
  return anchor;
}
function button(text, name, act) {
  const node = make("button", name, text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

// ---- Playing: in a tile, in step in a row, on the whole page ----

class Player {
  constructor(tile, frame) {
    this.tile = tile;
    this.frame = frame;
    this.video = null;
    this.pinned = false;
    this.pause = 0;
  }
  hover(over) {
    // A mouse on its way across the page starts nothing.
    clearTimeout(this.pause);
    if (this.pinned) return;
    if (over) this.pause = setTimeout(() => this.start(), HOVER_MS); else this.stop();
  }
  load() {
    if (this.video) return this.video;
    const video = document.createElement("video");
    Object.assign(video, { muted: !sound.checked, playsInline: true, preload: "auto", src: this.tile.src, tabIndex: -1 });
    video.disablePictureInPicture = true;
    video.addEventListener("error", () => { if (this.video === video) this.fail(); }, { once: true });
    this.frame.append(video);
    this.video = video;
    return video;
  }
  fail() {
    this.stop();
    this.frame.append(make("span", "silent", "This browser cannot play it here. The file is under details."));
  }
  start() {
    const video = this.load();
    video.loop = true;
    this.show(true);
    video.play().catch(() => {});
  }
  show(playing) {
    this.frame.classList.toggle("playing", playing);
    this.frame.setAttribute("aria-pressed", String(playing));
  }
  stop() {
    clearTimeout(this.pause);
    this.pinned = false;
    this.show(false);
    if (!this.video) return;
    // Without this the browser keeps its decoder and its connection.
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
    this.video.remove();
    this.video = null;
  }
  toggle() {
    if (this.pinned) return this.stop();
    clearTimeout(this.pause);
    this.pinned = true;
    this.start();
  }
}

class Step {
  // The videos of a row begin together, and begin again together when the longest has ended.
  constructor(row) {
    this.row = row;
    this.on = false;
    this.round = 0;
  }
  async start() {
    this.on = true;
    const round = ++this.round;
    const players = this.row.players.filter((one) => !one.frame.closest("[hidden]"));
    const videos = players.map((one) => {
      const video = one.load();
      clearTimeout(one.pause);
      one.pinned = true;
      video.loop = false;
      return video;
    });
    const ready = videos.map((video) => new Promise((done) => {
      if (video.readyState >= 3) return done();
      video.addEventListener("canplay", done, { once: true });
      video.addEventListener("error", done, { once: true });
    }));
    await Promise.race([Promise.all(ready), new Promise((done) => setTimeout(done, WAIT_MS))]);
    if (round !== this.round || !this.on) return;
    const again = () => {
      if (round !== this.round || !this.on) return;
      if (videos.every((video) => video.ended || video.error || !video.isConnected)) videos.forEach(begin);
    };
    const begin = (video) => {
      if (video.error || !video.isConnected) return;
      video.currentTime = 0;
      video.play().catch(() => {});
    };
    players.forEach((one) => one.show(true));
    videos.forEach((video) => video.addEventListener("ended", again));
    videos.forEach(begin);
  }
  stop() {
    this.on = false;
    this.round += 1;
    this.row.players.forEach((one) => one.stop());
  }
}

// ---- One tile ----

function tileOf(tile, row, model) {
  const title = DATA.models[model].id + (tile.take > 1 ? `, take ${tile.take}` : "");
  const short = row.prompt.length > 120 ? `${row.prompt.slice(0, 119)}…` : row.prompt;
  tile.name = `${title}: ${short}`;
  const node = make("div", `tile ${tile.status}`, said("div", title, "who"));
  node.append(tile.src ? playable(tile, row) : tile.status === "completed" ? elsewhere(tile) : words(tile));
  const facts = make("div", "facts");
  if (row.cells[model].length > 1) facts.append(make("span", "take", `take ${tile.take}`));
  if (tile.price) facts.append(make("span", "price", tile.price));
  for (const text of [tile.seconds, tile.size, tile.made]) if (text) facts.append(make("span", "", text));
  for (const text of tile.best || []) facts.append(make("span", "tag", text));
  if (facts.childNodes.length) node.append(facts);
  node.append(more(tile));
  tile.node = node;
  return node;
}
function playable(tile, row) {
  const frame = button("", "frame", () => player.toggle());
  const player = new Player(tile, frame);
  frame.setAttribute("aria-pressed", "false");
  frame.setAttribute("aria-label", `Play: ${tile.name}`);
  row.players.push(player);
  if (tile.poster) {
    const image = document.createElement("img");
    Object.assign(image, { loading: "lazy", decoding: "async", alt: `Poster of ${tile.name}`, src: tile.poster });
    image.addEventListener("error", () => image.replaceWith(make("span", "silent", "no poster")), { once: true });
    frame.append(image);
  } else {
    frame.append(make("span", "silent", "no poster"));
  }
  frame.append(make("span", "sign"));
  frame.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "mouse" && !CALM.matches) player.hover(true);
  });
  frame.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") player.hover(false);
  });
  return frame;
}
function elsewhere(tile) {
  const frame = make("div", "frame word", make("strong", "", "completed"), make("span", "", "The video lies elsewhere: see details."));
  return named(frame, tile);
}
function words(tile) {
  return named(make("div", "frame word", make("strong", "", tile.status), said("span", tile.why || "")), tile);
}
function named(frame, tile) {
  frame.tabIndex = -1;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", `${tile.status}: ${tile.name}`);
  return frame;
}
function more(tile) {
  const details = make("details", "more");
  const summary = make("summary", "");
  for (const one of tile.checks || []) {
    const badge = make("span", "badge", one.name.replaceAll("_", " "));
    badge.title = one.says;
    summary.append(badge);
  }
  if (tile.failure) summary.append(make("span", "badge", tile.failure));
  if (tile.left_out) summary.append(make("span", "badge", `${tile.left_out} left out`));
  if (tile.reused) summary.append(make("span", "badge plain", "reused"));
  summary.append(make("span", "what", "details"));
  details.append(summary);
  // Not when it has opened, which is told too late for a quick next key.
  summary.addEventListener("click", () => {
    if (details.childNodes.length === 1) details.append(facts(tile));
  });
  return details;
}
function facts(tile) {
  const list = make("dl", "");
  for (const [label, text, href] of tile.details) {
    list.append(make("dt", "", label), make("dd", "", href ? link(text, href) : said("span", text)));
  }
  return list;
}

// ---- One row ----

function rowOf(row) {
  row.players = [];
  row.cellNodes = [];
  row.step = new Step(row);
  const node = make("article", "row line");
  if (row.ratio) node.style.setProperty("--ratio", row.ratio);
  const prompt = said("h3", row.prompt);
  const alone = DATA.rows.length === 1;
  const asked = make("div", "asked", alone && row.label === "1" ? null : said("div", row.label, "number"), prompt);
  if (row.settings) asked.append(said("p", row.settings));
  if (row.labels) asked.append(said("p", row.labels));
  if (row.total && !alone) asked.append(make("p", "", row.total));
  const actions = make("div", "actions");
  const cells = make("div", "cells");
  for (const [index, tiles] of row.cells.entries()) {
    const cell = make("div", "cell");
    cell.style.setProperty("--takes", Math.min(Math.max(tiles.length, 1), 3));
    cell.dataset.model = index;
    row.cellNodes.push(cell);
    cell.append(...tiles.map((tile) => tileOf(tile, row, index)));
    if (!tiles.length) cell.append(make("div", "nothing", "not asked"));
    cells.append(cell);
  }
  if (row.players.length > 1) {
    row.button = button("Play in step", "button small", () => toggleStep(row));
    row.button.setAttribute("aria-pressed", "false");
    actions.append(row.button);
  }
  if (row.prompt.length > 320) {
    prompt.classList.add("long");
    const whole = button("Whole prompt", "link", () => {
      const short = prompt.classList.toggle("long");
      whole.textContent = short ? "Whole prompt" : "Shorter";
      whole.setAttribute("aria-expanded", String(!short));
    });
    whole.setAttribute("aria-expanded", "false");
    actions.append(whole);
  }
  if (row.href) actions.append(link("its own page", row.href));
  if (actions.childNodes.length) asked.append(actions);
  node.append(asked, cells);
  for (const one of node.querySelectorAll(STOPS)) one.tabIndex = -1;
  for (const one of node.querySelectorAll("summary")) one.tabIndex = -1;
  row.node = node;
  rowsByNode.set(node, row);
  return node;
}
function setStep(row, on) {
  if (row.step.on === on) return;
  if (on) row.step.start(); else row.step.stop();
  if (row.button) {
    row.button.setAttribute("aria-pressed", String(on));
    row.button.textContent = on ? "Stop" : "Play in step";
  }
}
function toggleStep(row) {
  setStep(row, !row.step.on);
}

// ---- Header, summary, filters ----

const state = { text: "", status: "", failure: "", check: "", label: "", sort: "", hidden: new Set() };
const matrix = document.getElementById("matrix");
const heads = document.getElementById("heads");
const count = make("div", "count");
const sound = Object.assign(document.createElement("input"), { type: "checkbox" });

function header() {
  const top = document.getElementById("top");
  const totals = make("p", "totals");
  DATA.totals.forEach((text, index) => {
    if (index) totals.append(" · ");
    totals.append(index ? text : make("strong", "", text));
  });
  top.append(said("h1", DATA.title), totals);
  if (DATA.sandbox) top.append(make("p", "notice", "Made in the sandbox: nothing was billed."));
  if (DATA.models.length) top.append(summary());
}
function summary() {
  const head = make("tr", "");
  for (const text of ["Model", ...DATA.columns]) {
    const cell = make("th", "", text);
    cell.scope = "col";
    head.append(cell);
  }
  const body = make("tbody", "");
  for (const [index, model] of DATA.models.entries()) {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      if (box.checked) state.hidden.delete(index); else state.hidden.add(index);
      columns();
      filter();
    });
    const name = make("th", "", make("label", "", box, said("span", model.id)));
    name.scope = "row";
    const line = make("tr", "", name);
    for (const [text, mark] of model.cells) line.append(make("td", mark, text));
    body.append(line);
  }
  const table = make("table", "", make("caption", "unseen", "What each model came to; untick one to hide it"), make("thead", "", head), body);
  return make("div", "summary", table);
}
function choice(label, all, options, act) {
  const select = document.createElement("select");
  for (const [value, text] of [["", all], ...options]) {
    const option = make("option", "", text);
    option.value = value;
    select.append(option);
  }
  select.addEventListener("change", () => act(select.value));
  return make("label", "", label, select);
}
function tools() {
  const bar = document.getElementById("tools");
  const text = Object.assign(document.createElement("input"), { type: "search", autocomplete: "off" });
  let pause = 0;
  text.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => set("text", text.value.trim().toLowerCase()), 120);
  });
  bar.append(make("label", "find", "Find in prompts, ids and reasons", text));
  const offer = (name, label, all, values) => {
    if (values.length > (name === "status" ? 1 : 0)) {
      bar.append(choice(label, all, values.map((one) => [one, one.replaceAll("_", " ")]), (value) => set(name, value)));
    }
  };
  offer("status", "Status", "all", DATA.statuses);
  offer("failure", "Failure", "any or none", DATA.failures);
  offer("check", "Check", "any or none", DATA.checks.length ? ["no check", "any check", ...DATA.checks] : []);
  offer("label", "Label", "all", DATA.labels);
  if (DATA.rows.length > 1) {
    const orders = [["price", "price, lowest first"], ["-price", "price, highest first"]];
    bar.append(choice("Order", "number", orders, (value) => set("sort", value)));
  }
  const silent = make("label", "switch", sound, "Sound");
  sound.addEventListener("change", () => {
    for (const video of document.querySelectorAll("video")) video.muted = !sound.checked;
  });
  const all = button("Play all in step", "button", () => playAll(all));
  all.setAttribute("aria-pressed", "false");
  count.setAttribute("role", "status");
  bar.append(all, silent, count);
}
function set(name, value) {
  state[name] = value;
  if (name === "sort") arrange();
  filter();
}

// ---- What is shown, in which order ----

let order = [...DATA.rows];
let drawn = 0;
let turns = 0;
let lastGroup = null;

function arrange() {
  const price = (row) => row.cost ?? Infinity;
  order = [...DATA.rows];
  if (state.sort === "price") order.sort((one, other) => price(one) - price(other));
  if (state.sort === "-price") order.sort((one, other) => (other.cost ?? -1) - (one.cost ?? -1));
}
function matches(tile) {
  if (state.status && tile.status !== state.status) return false;
  if (state.failure && tile.failure !== state.failure) return false;
  const names = (tile.checks || []).map((one) => one.name);
  if (state.check === "no check" && (names.length || tile.status !== "completed")) return false;
  if (state.check === "any check" && !names.length) return false;
  if (state.check && !state.check.includes(" ") && !names.includes(state.check)) return false;
  return !state.label || (tile.labels || []).includes(state.label);
}
function found(row, tile, index) {
  if (!state.text) return true;
  row.words ??= `${row.label} ${row.prompt} ${row.labels || ""}`.toLowerCase();
  tile.words ??= `${DATA.models[index].id} ${tile.status} ${tile.details.map((one) => one[1]).join(" ")}`.toLowerCase();
  return row.words.includes(state.text) || tile.words.includes(state.text);
}
function filter() {
  let videos = 0;
  let rows = 0;
  const plain = !state.text && !state.status && !state.failure && !state.check && !state.label && !state.hidden.size;
  for (const row of order) {
    row.shown = false;
    row.cells.forEach((tiles, index) => {
      for (const tile of tiles) {
        tile.shown = plain || (!state.hidden.has(index) && matches(tile) && found(row, tile, index));
        if (tile.shown) videos += 1;
        row.shown ||= tile.shown;
      }
    });
    rows += row.shown;
  }
  const of = (some, all, word) => (some === all ? `${all} ${word}${all === 1 ? "" : "s"}` : `${some} of ${all} ${word}s`);
  count.textContent = `${of(videos, DATA.videos, "video")}, ${of(rows, DATA.rows.length, "prompt")}`;
  draw();
}
function columns() {
  const widths = DATA.models.map((model, index) => (state.hidden.has(index) ? 0 : Math.min(model.takes, 3)));
  const shown = widths.filter(Boolean);
  const least = (takes) => [0, 210, 316, 414][takes];
  const tracks = shown.map((takes) => `minmax(${least(takes)}px, ${takes}fr)`);
  const width = shown.reduce((sum, takes) => sum + least(takes) + 12, 200);
  document.body.style.setProperty("--columns", `calc(var(--side) + clamp(200px, 18vw, 280px)) ${tracks.join(" ")}`);
  document.body.style.setProperty("--width", `${width}px`);
  document.querySelectorAll("[data-model]").forEach((cell) => { cell.hidden = state.hidden.has(Number(cell.dataset.model)); });
}
function draw() {
  stopAll();
  drawn = 0;
  lastGroup = null;
  matrix.replaceChildren();
  slice();
  if (!order.some((row) => row.shown)) matrix.append(make("p", "empty", "Nothing here is like that. Change the filters above."));
}
function slice() {
  // Some rows at once, so that the first of thousands stand there at once; the others follow in idle moments.
  const until = Math.min(drawn + SLICE, order.length);
  const part = document.createDocumentFragment();
  for (; drawn < until; drawn += 1) {
    const row = order[drawn];
    if (!row.shown) continue;
    if (row.group !== lastGroup && !state.sort && row.group !== null) part.append(groupOf(DATA.groups[row.group]));
    lastGroup = row.group;
    const node = row.node || rowOf(row);
    row.cells.forEach((tiles, index) => {
      for (const tile of tiles) tile.node.hidden = !tile.shown;
      const cell = row.cellNodes[index];
      cell.hidden = state.hidden.has(index);
      cell.classList.toggle("void", !tiles.some((tile) => tile.shown));
    });
    part.append(node);
    watch.observe(node);
  }
  matrix.append(part);
  if (!current || !current.isConnected) mark(matrix.querySelector(".frame"));
  if (drawn < order.length) {
    const turn = ++turns;
    setTimeout(() => { if (turn === turns) slice(); }, 16);
  }
}
function groupOf(group) {
  const node = make("div", "group", make("h2", "", group.href ? link(group.name, group.href) : said("span", group.name)));
  node.append(make("p", "", group.says));
  return node;
}

// ---- All in step: what can be seen plays; a row begins when it comes into sight ----

let playing = false;
const seen = new Set();
const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const row = rowsByNode.get(entry.target);
    if (entry.isIntersecting) seen.add(row); else seen.delete(row);
    if (playing || !entry.isIntersecting) setStep(row, playing && entry.isIntersecting);
  }
});
function playAll(all) {
  playing = !playing;
  all.setAttribute("aria-pressed", String(playing));
  all.textContent = playing ? "Stop all" : "Play all in step";
  for (const row of seen) setStep(row, playing && row.players.length > 0);
}
function stopAll() {
  watch.disconnect();
  for (const row of seen) setStep(row, false);
  seen.clear();
}

// ---- The keyboard: one stop for the matrix, arrows inside it ----

let current = null;
function stops(row) {
  return [...row.querySelectorAll(STOPS)].filter((one) => one.offsetParent !== null);
}
function mark(node) {
  if (!node) return;
  current = node;
  const tile = node.closest(".tile");
  node.tabIndex = 0;
  if (tile) for (const inner of tile.querySelectorAll("summary, dd a")) inner.tabIndex = 0;
}
function go(node) {
  if (!node) return;
  const tile = current?.closest(".tile");
  if (current) current.tabIndex = -1;
  if (tile) for (const inner of tile.querySelectorAll("summary, dd a")) inner.tabIndex = -1;
  mark(node);
  node.focus({ preventScroll: true });
  const box = node.closest(".tile") || node;
  box.scrollIntoView({ block: "nearest", inline: "nearest" });
}
matrix.addEventListener("focusin", (event) => {
  const node = event.target.closest(STOPS);
  if (node && node !== current) go(node);
});
matrix.addEventListener("keydown", (event) => {
  const node = event.target.closest(STOPS);
  const row = node?.closest(".row");
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = stops(row);
  const at = all.indexOf(node);
  const rows = (step) => {
    let next = row;
    do next = step > 0 ? next.nextElementSibling : next.previousElementSibling; while (next && !next.matches(".row"));
    if (!next) return null;
    const there = stops(next);
    const model = node.closest(".cell")?.dataset.model;
    return there.find((one) => model !== undefined && one.closest(".cell")?.dataset.model === model) || there[Math.min(at, there.length - 1)];
  };
  const moves = {
    ArrowRight: () => all[at + 1],
    ArrowLeft: () => all[at - 1],
    ArrowDown: () => rows(1),
    ArrowUp: () => rows(-1),
    Home: () => all[0],
    End: () => all[all.length - 1],
  };
  if (!(event.key in moves)) return;
  event.preventDefault();
  go(moves[event.key]());
});

// ---- Begin ----

function headings() {
  const line = make("div", "line", make("div", "", "Prompt"));
  for (const [index, model] of DATA.models.entries()) {
    const head = said("div", model.id);
    head.dataset.model = index;
    line.append(head);
  }
  heads.append(line);
  matrix.addEventListener("scroll", () => { heads.scrollLeft = matrix.scrollLeft; }, { passive: true });
}
header();
tools();
headings();
columns();
filter();
