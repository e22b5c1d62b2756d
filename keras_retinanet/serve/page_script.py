"""The script of the page: sends a picture, draws what came back, filters by score and class."""

SCRIPT = r"""
"use strict";
const $ = id => document.getElementById(id);
const facts = JSON.parse($("facts").textContent);
const hidden = new Set();
let bitmap = null, answer = null, asked = null, marked = -1;

const color = label => `rgb(${(facts.colors[label] || [0, 255, 0]).join(",")})`;
const isDark = label => {
  const [red, green, blue] = facts.colors[label] || [0, 255, 0];
  return 0.299 * red + 0.587 * green + 0.114 * blue < 140;
};
const shown = () => (answer ? answer.detections : []).filter(
  one => one.score > Number($("threshold").value) && !hidden.has(one.class));

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function draw() {
  if (!bitmap) return;
  const canvas = $("canvas"), pen = canvas.getContext("2d");
  const ratio = window.devicePixelRatio || 1, wide = $("drop").clientWidth;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.max(1, Math.round(canvas.width * bitmap.height / bitmap.width));
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  if (!answer) return;
  const scale = canvas.width / answer.width, font = 13 * ratio;
  pen.font = `600 ${font}px system-ui,sans-serif`;
  pen.textBaseline = "top";
  shown().slice().reverse().forEach(one => {
    const [x1, y1, x2, y2] = one.box.map(side => side * scale);
    const isMarked = answer.detections.indexOf(one) === marked;
    pen.globalAlpha = marked < 0 || isMarked ? 1 : 0.35;
    pen.strokeStyle = pen.fillStyle = color(one.label);
    pen.lineWidth = (isMarked ? 4 : 2) * ratio;
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
    const text = `${one.class} ${one.score.toFixed(2)}`;
    const width = pen.measureText(text).width + 8 * ratio, height = font + 6 * ratio;
    const left = Math.max(0, Math.min(x1, canvas.width - width));
    const top = y1 >= height ? y1 - height : y1;
    pen.fillRect(left, top, width, height);
    pen.fillStyle = isDark(one.label) ? "#fff" : "#000";
    pen.fillText(text, left + 4 * ratio, top + 3 * ratio);
  });
  pen.globalAlpha = 1;
}

function mark(one) {
  marked = one ? answer.detections.indexOf(one) : -1;
  draw();
}

function list() {
  const found = shown(), table = make("table"), body = make("tbody");
  found.forEach(one => {
    const row = make("tr", "", {tabindex: "0"});
    row.append(make("td", one.class), make("td", one.score.toFixed(2), {class: "number"}),
      make("td", one.box.map(Math.round).join(" "), {class: "number"}));
    for (const event of ["mouseenter", "focus"]) row.addEventListener(event, () => mark(one));
    for (const event of ["mouseleave", "blur"]) row.addEventListener(event, () => mark(null));
    body.append(row);
  });
  table.append(body);
  $("rows").replaceChildren(found.length ? table : make("p", "None.", {class: "empty"}));
}

function filters() {
  const least = Number($("threshold").value), counts = new Map();
  for (const one of answer ? answer.detections : []) {
    const [label, count] = counts.get(one.class) || [one.label, 0];
    counts.set(one.class, [label, count + (one.score > least ? 1 : 0)]);
  }
  const focused = document.activeElement && document.activeElement.dataset.name;
  const rows = [...counts].sort((a, b) => a[1][0] - b[1][0]).map(([name, [label, count]]) => {
    const row = make("label"), box = make("input", "", {type: "checkbox"}), chip = make("i");
    box.checked = !hidden.has(name);
    box.dataset.name = name;
    chip.style.background = color(label);
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(name); else hidden.add(name);
      update();
    });
    row.append(box, chip, make("span", name), make("b", String(count)));
    return row;
  });
  $("classes").replaceChildren(...(rows.length ? rows : [make("p", "None.", {class: "empty"})]));
  for (const box of $("classes").querySelectorAll("input"))
    if (box.dataset.name === focused) box.focus();
}

function update() {
  marked = -1;
  $("shown").textContent = Number($("threshold").value).toFixed(2);
  if (answer) {
    const count = shown().length, all = answer.detections.length;
    say(`${count} of ${all} detections shown; ${answer.width} x ${answer.height} pixels, ` +
      `${answer.milliseconds} ms.`);
    $("canvas").setAttribute("aria-label", `${count} detections`);
  }
  filters();
  list();
  draw();
}

async function send(file, signal) {
  const start = performance.now();
  const reply = await fetch(`detect?threshold=${facts.floor}`, {
    method: "POST", body: file, signal,
    headers: {"Content-Type": file.type || "application/octet-stream"}});
  const content = await reply.json();
  if (!reply.ok) throw new Error(content.error);
  content.milliseconds = Math.round(performance.now() - start);
  return content;
}

async function take(file) {
  if (asked) asked.abort();
  const own = asked = new AbortController();
  bitmap = answer = null;
  $("drop").classList.remove("full");
  if (file.size > facts.body) {
    update();
    say(`The file has more than ${Number((facts.body / 2 ** 20).toFixed(1))} MiB.`, true);
    return;
  }
  say("Detecting …");
  const picture = createImageBitmap(file).catch(() => null);
  try {
    const found = await send(file, own.signal), pixels = await picture;
    if (own !== asked) return;
    answer = found;
    bitmap = pixels;
    $("drop").classList.toggle("full", Boolean(bitmap));
    update();
  } catch (error) {
    if (own !== asked) return;
    update();
    say(`Not detected: ${error.message}`, true);
  }
}

function takeFirst(list) {
  const file = [...(list || [])].find(one => one instanceof File);
  if (file) take(file);
}

$("file").addEventListener("change", event => {
  takeFirst(event.target.files);
  event.target.value = "";
});
for (const name of ["dragenter", "dragover"]) document.addEventListener(name, event => {
  event.preventDefault();
  $("drop").classList.add("over");
});
document.addEventListener("dragleave", event => {
  if (!event.relatedTarget) $("drop").classList.remove("over");
});
document.addEventListener("drop", event => {
  event.preventDefault();
  $("drop").classList.remove("over");
  takeFirst(event.dataTransfer.files);
});
document.addEventListener("paste", event => takeFirst(event.clipboardData.files));
$("file").addEventListener("keydown", event => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  $("file").showPicker();
});
$("threshold").addEventListener("input", update);
$("all").addEventListener("click", () => { hidden.clear(); update(); });
$("none").addEventListener("click", () => {
  for (const one of answer ? answer.detections : []) hidden.add(one.class);
  update();
});
window.addEventListener("resize", draw);
"""
