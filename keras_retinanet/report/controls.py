"""Style and script of pages that one works with: sorted tables, filters, pictures that open."""

CONTROLS_STYLE = """
:root{--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#e69f00;--c5:#56b4e9;--c6:#8a7d00}
@media (prefers-color-scheme:dark){:root{--c0:#4aa8e0;--c6:#f0e442}}
.line{fill:none;stroke-width:1.8}.line.all{stroke:var(--ink);stroke-width:3}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}
.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}.c6{stroke:var(--c6)}
.lines{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:13px;margin:4px 0 0}
.lines span{display:inline-flex;align-items:center;gap:6px;overflow-wrap:anywhere;min-width:0}
.lines svg{width:26px;height:10px;flex:none}
button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer;text-align:inherit}
:focus-visible{outline:3px solid var(--c4);outline-offset:2px;border-radius:4px}
th button{font-weight:600}th button::after{content:" \\2195" / "";opacity:.5}
th[aria-sort=ascending] button::after{content:" \\2191" / "";opacity:1}
th[aria-sort=descending] button::after{content:" \\2193" / "";opacity:1}
td:first-child,figcaption{overflow-wrap:anywhere}td:first-child{min-width:92px}
.matrix td,.matrix th{padding:2px;border:0;text-align:center;font-size:13px}
.matrix th[scope=row]{text-align:right;padding-right:8px;max-width:180px;overflow-wrap:anywhere}
.matrix thead th{max-width:110px;overflow-wrap:anywhere;vertical-align:bottom}
.matrix tbody td,.matrix tbody th{vertical-align:middle}.matrix td:first-child{min-width:0}
.matrix button{display:block;width:100%;min-width:46px;padding:8px 4px;border-radius:4px;
text-align:center}
.matrix button[aria-pressed=true]{outline:3px solid var(--c4)}
.filters{display:flex;flex-wrap:wrap;gap:10px 18px;align-items:end;position:sticky;top:0;z-index:1;
background:var(--card);border-bottom:1px solid var(--line);padding:10px 0;margin-bottom:12px}
.filters label{display:block;font-size:12px;color:var(--soft)}
.filters select,.filters input{display:block;font:inherit;color:var(--ink);background:var(--ground);
border:1px solid var(--line);border-radius:5px;padding:3px 6px;max-width:170px}
.filters button,dialog button{border:1px solid var(--line);border-radius:5px;padding:4px 12px}
[hidden]{display:none!important}
figure button{display:block;max-width:100%}
dialog{width:min(1100px,96vw);max-height:96vh;border:1px solid var(--line);border-radius:10px;
background:var(--card);color:var(--ink);padding:14px}
dialog::backdrop{background:#000a}
dialog svg.large{max-height:76vh;width:100%}
dialog nav{display:flex;gap:8px;margin-bottom:8px}dialog nav button:last-child{margin-left:auto}
dialog p{margin:8px 0 0;overflow-wrap:anywhere}
.box{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}
.box.true{stroke:#009e73;stroke-dasharray:6 4}.box.right{stroke:#56b4e9}.box.wrong{stroke:#d55e00}
.box.focus{stroke-width:4}
@media (max-width:600px){main{padding:14px 10px 40px}section{padding:14px 12px}
.filters{position:static}.pictures{gap:8px}figure{max-width:calc(50% - 4px)}
.tiles{grid-template-columns:repeat(2,1fr)}}
@media print{:root{--ground:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--bar:#0072b2;
--bad:#c2410c;--c0:#0072b2;--c6:#8a7d00}
.filters,dialog,.hint{display:none!important}.scroll{max-height:none;overflow:visible}
section{border:0;padding:8px 0}figure,svg,tr,.tile{break-inside:avoid}
h2,h3,h2+p,h3+p{break-after:avoid}
.matrix td,.bar,.bad,i{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""

CONTROLS_SCRIPT = r"""
"use strict";
const $ = id => document.getElementById(id);
const all = (what, from = document) => [...from.querySelectorAll(what)];
const facts = JSON.parse($("facts").textContent);

function sortBy(head) {
  const table = head.closest("table"), place = [...head.parentNode.children].indexOf(head);
  const up = head.getAttribute("aria-sort") === "descending";
  all("th", table).forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = row => row.children[place].dataset.value ?? row.children[place].textContent;
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const order = head.dataset.kind === "number" ? x - y : x.localeCompare(y);
    return up ? order : -order;
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}
all("th button").forEach(one => one.addEventListener("click", () => sortBy(one.parentNode)));

const figures = all("figure[data-score]");
const has = (list, value) => value === "" || list.split(" ").includes(value);
function filter() {
  const [kind, label, size] = ["kind", "label", "size"].map(name => $(name).value);
  const [low, high] = ["low", "high"].map(name => Number($(name).value));
  let shown = 0, count = 0;
  for (const one of figures) {
    const given = one.dataset;
    const scored = given.score === "" ? low === 0 : given.score >= low && given.score <= high;
    const fits = scored && [["kind", kind], ["label", label], ["size", size]].every(
      ([name, value]) => has(given[name], value));
    const inCell = one.closest("#cell");
    one.hidden = inCell ? given.cell !== inCell.dataset.cell : !fits;
    if (!inCell) { count += 1; shown += fits; }
  }
  $("count").textContent = `${shown} of ${count} shown`;
}
all(".filters select,.filters input").forEach(one => one.addEventListener("input", filter));
$("clear").addEventListener("click", () => {
  all(".filters select").forEach(one => { one.value = ""; });
  $("low").value = 0; $("high").value = 1; filter();
});

all(".matrix button").forEach(one => one.addEventListener("click", () => {
  all(".matrix button").forEach(other => other.setAttribute("aria-pressed", other === one));
  $("cell").dataset.cell = one.dataset.cell;
  $("cell-name").textContent = one.title;
  $("cell").hidden = false;
  filter();
}));

const SVG = "http:" + "//www.w3.org/2000/svg";
function make(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.append(make("title", {})), made.firstChild.textContent = text;
  return made;
}
function rect(box, kind, text) {
  const [x, y, width, height] = box;
  return make("rect", {x, y, width: Math.max(width, 0), height: Math.max(height, 0),
                       class: `box ${kind}`}, text);
}
let current = null;
function show(one) {
  if (!one) return;
  current = one;
  const picture = facts.pictures[one.dataset.picture], small = one.querySelector("img");
  const [width, height] = picture ? [picture.width, picture.height] : [small.width, small.height];
  const large = make("svg", {viewBox: `0 0 ${width} ${height}`, class: "large"});
  large.append(make("image", {href: picture ? picture.uri : small.src, width, height}));
  if (picture) {
    picture.true.forEach(([label, ...box]) => large.append(rect(box, "true", facts.names[label])));
    picture.found.forEach(([label, score, right, ...box]) => large.append(rect(
      box, right ? "right" : "wrong", `${facts.names[label]} ${score.toFixed(2)}`)));
    JSON.parse(one.dataset.focus).forEach(
      ([kind, ...box]) => large.append(rect(box, `${kind} focus`)));
  }
  $("large").replaceChildren(large);
  $("large-name").textContent = one.querySelector("figcaption").textContent;
  if (!$("viewer").open) $("viewer").showModal();
}
function step(by) {
  const shown = all("figure[data-score]").filter(one => one.offsetParent !== null);
  show(shown[shown.indexOf(current) + by]);
}
figures.forEach(one => one.querySelector("button").addEventListener("click", () => show(one)));
$("before").addEventListener("click", () => step(-1));
$("after").addEventListener("click", () => step(1));
$("close").addEventListener("click", () => $("viewer").close());
$("viewer").addEventListener("keydown", event => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
$("viewer").addEventListener("close", () => current && current.querySelector("button").focus());
filter();
"""
