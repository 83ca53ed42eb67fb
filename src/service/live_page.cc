#include "service/live_page.h"

namespace tsingest::internal {

// Reads /live.json once a second. No request leaves the server it came from; text of the input is
// only ever set as text, never as HTML.
const std::string_view kLivePage = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>tsingest</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M1 12l4-5 3 3 6-8' fill='none' stroke='%232a78d6' stroke-width='2'/%3E%3C/svg%3E">
<style>
:root {
  --page: #f4f5f7; --card: #fff; --ink: #16181d; --dim: #5d6470; --line: #dfe2e8;
  --a: #2a6fd0; --b: #c2571a; --good: #1d7f45; --bad: #c0262d; --warn: #96650a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101216; --card: #1a1d23; --ink: #e8eaee; --dim: #9aa2af; --line: #2c313a;
    --a: #6aa5f2; --b: #f0985c; --good: #55c383; --bad: #ff7b7b; --warn: #e0b252;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 16px; }
header { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: baseline; margin-bottom: 12px; }
h1 { font-size: 20px; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 15px; margin: 22px 0 8px; }
.dim { color: var(--dim); }
.pill { border: 1px solid currentColor; border-radius: 99px; padding: 1px 10px; font-weight: 600; font-size: 13px; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
#banner { border-left: 4px solid var(--bad); background: var(--card); padding: 10px 14px; margin-bottom: 12px;
  border-radius: 4px; overflow-wrap: anywhere; }
#banner[hidden] { display: none; }
.grid { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; min-width: 0;
  display: flex; flex-direction: column; }
.card h3 { font-size: 13px; font-weight: 600; margin: 0; color: var(--dim); }
.big { font-size: 27px; font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.25; white-space: nowrap; }
.big small { font-size: 14px; font-weight: 400; color: var(--dim); }
.sub { font-size: 13px; color: var(--dim); min-height: 1.4em; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.sub b { font-weight: 600; } .ka { color: var(--a); } .kb { color: var(--b); }
.chart { position: relative; margin-top: auto; padding-top: 13px; touch-action: pan-y; }
svg.plot { display: block; width: 100%; height: 64px; overflow: visible; }
.scale { position: absolute; right: 0; top: 0; font-size: 11px; line-height: 14px; color: var(--dim); }
.at { position: absolute; top: 16px; bottom: 0; width: 1px; background: var(--dim); pointer-events: none; }
.at span { position: absolute; top: -4px; left: 5px; font-size: 11px; white-space: nowrap; background: var(--card);
  border: 1px solid var(--line); border-radius: 4px; padding: 0 5px; z-index: 1; }
.at.flip span { left: auto; right: 5px; } .at[hidden] { display: none; }
.plot path { fill: none; stroke-width: 1.6; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.plot .a { stroke: var(--a); } .plot .b { stroke: var(--b); }
.plot .area { fill: var(--a); opacity: .12; stroke: none; }
.plot line { stroke: var(--line); vector-effect: non-scaling-stroke; }
.axis { display: flex; justify-content: space-between; font-size: 11px; color: var(--dim); margin-top: 2px; }
.bar { display: flex; gap: 2px; height: 12px; border-radius: 6px; overflow: hidden; background: var(--line); margin: 2px 0 10px; }
.bar i { min-width: 3px; } .bar i[hidden] { display: none; }
.k { display: inline-block; width: 9px; height: 9px; border-radius: 3px; margin-right: 5px; background: var(--line); }
.written { background: var(--a); } .dedup { background: var(--dim); } .dead { background: var(--bad); } .flight { background: var(--b); }
.sums { display: flex; flex-wrap: wrap; gap: 4px 18px; font-variant-numeric: tabular-nums; }
.sums div { white-space: nowrap; } .sums b { font-weight: 650; }
.reject { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 9px 12px; margin-bottom: 8px; }
.reject .top { display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: 13px; color: var(--dim); }
.reject .code { color: var(--bad); font-weight: 600; }
.reject code { display: block; font: 12.5px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; color: var(--dim); margin-top: 3px; white-space: pre-wrap; }
.reject .why { overflow-wrap: anywhere; }
footer { margin: 22px 0 6px; font-size: 13px; color: var(--dim); }
footer a { color: inherit; margin-right: 12px; }
@media (max-width: 520px) {
  main { padding: 12px; }
  .grid { grid-template-columns: 1fr 1fr; gap: 8px; }
  .card { padding: 9px 10px; }
  .big { font-size: 21px; } .big small { font-size: 12px; } .sub { font-size: 12px; }
  svg.plot { height: 46px; }
}
</style>
</head>
<body>
<main>
<header>
  <h1 id="service">tsingest</h1>
  <span id="pill" class="pill dim" role="status">connecting</span>
  <span class="dim" id="about"></span>
</header>
<div id="banner" role="alert" hidden></div>
<div class="grid" id="cards"></div>
<h2>Where every row is</h2>
<div class="card"><div class="bar" id="bar" aria-hidden="true"></div><div class="sums" id="sums"></div></div>
<h2>Last dead letters <span class="dim" id="dead"></span></h2>
<div id="rejects"><p class="dim">None since the start.</p></div>
<footer><a href="status">status</a><a href="metrics">metrics</a><a href="health">health</a><span id="version"></span></footer>
</main>
<script>
"use strict";
const KEEP = 300;
const $ = id => document.getElementById(id);
const make = (tag, cls, text) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
};
const group = n => Math.round(n).toLocaleString("en-US");
const short = n => {
  if (!isFinite(n)) return "-";
  if (n >= 1e9) return (n / 1e9).toFixed(2) + "G";
  if (n >= 1e6) return (n / 1e6).toFixed(2) + "M";
  if (n >= 1e4) return (n / 1e3).toFixed(1) + "k";
  return n >= 100 || Number.isInteger(n) ? group(n) : n.toFixed(1);
};
const bytes = n => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; ++i; }
  return (i === 0 ? n : n.toFixed(1)) + " " + units[i];
};
const ms = s => {
  if (s === 0) return "-";
  const v = s * 1000;
  return v >= 10000 ? (v / 1000).toFixed(1) + " s" : v >= 100 ? Math.round(v) + " ms" : v.toFixed(1) + " ms";
};

let samples = [];
const cards = {};

function card(key, title) {
  const box = make("section", "card");
  box.append(make("h3", "", title));
  const big = make("div", "big", "-");
  const sub = make("div", "sub");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "plot");
  svg.setAttribute("viewBox", "0 0 300 60");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const axis = make("div", "axis");
  axis.append(make("span", ""), make("span", "", "now"));
  const chart = make("div", "chart");
  const at = make("div", "at");
  at.hidden = true;
  at.append(make("span", ""));
  const top = make("span", "scale");
  chart.append(svg, top, at);
  box.append(big, sub, chart, axis);
  $("cards").append(box);
  cards[key] = { big, sub, svg, top, at, since: axis.children[0], pointer: null };
  chart.addEventListener("pointermove", event => {
    const area = chart.getBoundingClientRect();
    cards[key].pointer = Math.min(1, Math.max(0, (event.clientX - area.left) / area.width));
    point(key);
  });
  chart.addEventListener("pointerleave", () => { cards[key].pointer = null; point(key); });
}
card("rate", "Rows written per second");
card("latency", "Time to write a batch");
card("age", "From arrival to commit (p99)");
card("buffer", "Buffer");
card("window", "Not acknowledged");
card("errors", "Trouble per second");

// The plots begin with the tool, a minute ago at least, and KEEP seconds ago at most.
const span = () => Math.max(60, Math.min(KEEP, samples.length));
const ago = n => n <= 0 ? "now" : n < 120 ? Math.round(n) + " s ago" : Math.round(n / 60) + " min ago";

// The value under the pointer.
function point(key) {
  const c = cards[key];
  c.at.hidden = c.pointer === null || !c.series || c.series[0].values.length === 0;
  if (c.at.hidden) return;
  const back = Math.round((1 - c.pointer) * (span() - 1));
  const texts = c.series.map(s => {
    const value = s.values[s.values.length - 1 - back];
    return value === undefined ? "-" : c.format(value);
  });
  c.at.style.left = 100 * (1 - back / (span() - 1)) + "%";
  c.at.className = "at" + (c.pointer > 0.5 ? " flip" : "");
  c.at.firstChild.textContent = texts.join(" / ") + ", " + ago(back);
}

// Lines over span() seconds, newest at the right edge. `floor`: the least height of the scale.
function plot(key, series, floor, format) {
  const c = cards[key];
  Object.assign(c, { series, format });
  const top = Math.max(floor, ...series.flatMap(s => s.values)) || 1;
  const nodes = [];
  for (const y of [3, 60]) {
    const line = document.createElementNS(c.svg.namespaceURI, "line");
    for (const [k, v] of [["x1", 0], ["x2", 300], ["y1", y], ["y2", y]]) line.setAttribute(k, v);
    nodes.push(line);
  }
  const path = (cls, d) => {
    const e = document.createElementNS(c.svg.namespaceURI, "path");
    e.setAttribute("class", cls);
    e.setAttribute("d", d);
    nodes.push(e);
  };
  series.forEach((s, index) => {
    const values = s.values.slice(-span());
    const points = values.map((v, i) => {
      const x = 300 - (values.length - 1 - i) * 300 / (span() - 1);
      return x.toFixed(1) + "," + (60 - 57 * v / top).toFixed(1);
    });
    if (points.length === 0) return;
    const line = "M" + points.join("L");
    if (index === 0) path("area", line + "L300,60L" + points[0].split(",")[0] + ",60Z");
    path(index === 0 ? "a" : "b", line);
  });
  c.svg.replaceChildren(...nodes);
  c.top.textContent = format(top);
  c.since.textContent = ago(span());
  point(key);
}

// Growth per second of a counter, between neighbouring samples.
const rates = pick => samples.slice(1).map((s, i) => {
  const before = samples[i];
  return Math.max(0, (pick(s) - pick(before)) / Math.max(0.001, (s.t - before.t) / 1000));
});
const last = a => a.length ? a[a.length - 1] : 0;

function big(key, value, unit) {
  const e = cards[key].big;
  e.replaceChildren(document.createTextNode(value + " "), make("small", "", unit || ""));
}
function sub(key, parts) {
  cards[key].sub.replaceChildren(...parts.map(p => typeof p === "string" ? document.createTextNode(p) : p));
}

function draw(live) {
  const now = samples[samples.length - 1];
  const rate = rates(s => s.written + s.deduplicated);
  big("rate", short(last(rate)), "rows/s");
  const minute = rate.slice(-60);
  sub("rate", ["mean of a minute " + short(minute.reduce((a, b) => a + b, 0) / Math.max(1, minute.length))]);
  plot("rate", [{ values: rate }], 10, short);

  big("latency", ms(now.p50), now.p50 ? "p50" : "none was written");
  sub("latency", [make("b", "ka", "p50"), " and ", make("b", "kb", "p99"), ": " + ms(now.p99)]);
  plot("latency", [{ values: samples.map(s => s.p50) }, { values: samples.map(s => s.p99) }], 0.001, ms);

  big("age", ms(now.age), "");
  sub("age", ["oldest message of a batch, until it is committed"]);
  plot("age", [{ values: samples.map(s => s.age) }], 0.001, ms);

  const limit = live.buffer_limit || 1;
  big("buffer", (100 * now.buffer / limit).toFixed(0), "% of " + bytes(limit));
  sub("buffer", [group(now.in_flight) + " rows in flight, " + bytes(now.buffer)]);
  plot("buffer", [{ values: samples.map(s => 100 * s.buffer / limit) }], 100, v => Math.round(v) + " %");

  const source = live.source;
  if (source.lag !== null) {
    big("window", short(source.lag), "behind");
    sub("window", ["messages until the end of the log"]);
    plot("window", [{ values: samples.map(s => s.in_flight) }], 1, short);
  } else {
    const known = source.window_size > 0;
    big("window", group(now.window), known ? "of " + group(source.window_size) : "messages");
    sub("window", [known ? "window: most the broker sends ahead" : "the broker's window was not reached yet"]);
    plot("window", [{ values: samples.map(s => s.window) }], Math.max(1, source.window_size), short);
  }

  const dead = rates(s => s.dead_lettered);
  const errors = rates(s => s.errors);
  big("errors", short(last(dead) + last(errors)), "per s");
  const codes = Object.entries(live.errors).map(([code, n]) => code + " × " + group(n));
  const rejects = Object.entries(live.rejects).map(([code, n]) => code + " × " + group(n));
  sub("errors", [make("b", "ka", "dead letters"), " " + (rejects.join(", ") || "none") + "; ",
                 make("b", "kb", "errors"), " " + (codes.join(", ") || "none")]);
  plot("errors", [{ values: dead }, { values: errors }], 1, short);

  const parts = [["written", "written", now.written], ["deduplicated", "dedup", now.deduplicated],
                 ["dead-lettered", "dead", now.dead_lettered], ["in flight", "flight", now.in_flight]];
  $("bar").replaceChildren(...parts.map(([, cls, n]) => {
    const e = make("i", cls);
    e.style.flex = n + " 0 0";
    e.hidden = n === 0;
    return e;
  }));
  const sums = [["received", "", now.received], ...parts];
  if (source.dropped > 0) sums.push(["dropped (QoS 0)", "", source.dropped]);
  $("sums").replaceChildren(...sums.map(([name, cls, n]) => {
    const e = make("div", "");
    if (cls) e.append(make("i", "k " + cls));
    e.append(name + " ", make("b", name === "dead-lettered" && n > 0 ? "bad" : "", group(n)));
    return e;
  }));
  $("dead").textContent = now.dead_lettered > 0 ? group(now.dead_lettered) + " since the start" : "";
}

// Bytes that would not show, as \xNN.
const shown = text => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
                                   c => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"));

function drawRejects(list) {
  if (list.length === 0) return;
  $("rejects").replaceChildren(...list.map(r => {
    const e = make("div", "reject");
    const top = make("div", "top");
    top.append(make("span", "", r.at.slice(0, 19).replace("T", " ") + " UTC"), make("span", "code", r.code));
    const place = [r.topic, r.stream && r.stream !== r.topic ? r.stream : "",
                   r.line ? "line " + r.line : "at " + r.position].filter(x => x).join(" · ");
    top.append(make("span", "", place));
    e.append(top, make("div", "why", r.reason), make("code", "", shown(r.payload)));
    return e;
  }));
}

function banner(text, pillText, pillClass) {
  $("banner").hidden = !text;
  $("banner").textContent = text;
  $("pill").textContent = pillText;
  $("pill").className = "pill " + pillClass;
}

async function step() {
  try {
    const since = samples.length ? last(samples).n : 0;
    const answer = await fetch("live.json?since=" + since, { cache: "no-store" });
    if (!answer.ok) throw new Error("HTTP " + answer.status);
    const live = await answer.json();
    if (live.samples.length && samples.length && live.samples[0].n <= last(samples).n) samples = [];
    samples = samples.concat(live.samples).slice(-KEEP);
    $("service").textContent = live.service;
    $("about").textContent = [live.source.address, "up " + live.uptime].filter(x => x).join(" · ");
    $("version").textContent = "tsingest " + live.version;
    const slow = live.state === "paused";
    banner(live.not_ready, live.not_ready ? "not ready" : slow ? "waiting for the sink" : live.state,
           live.not_ready ? "bad" : slow ? "warn" : "good");
    if (samples.length) draw(live);
    document.title = (live.not_ready ? "! " : cards.rate.big.textContent + " · ") + live.service;
    drawRejects(live.recent_rejects);
  } catch (error) {
    banner("No answer from the tool (" + error.message + "). Trying again.", "no answer", "bad");
  }
  setTimeout(step, 1000);
}
step();
</script>
</body>
</html>
)html";

}  // namespace tsingest::internal
