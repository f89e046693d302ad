// Opens a report as a browser does, does what a person would, and prints what was seen as JSON.
//   node page.js PAGE '[{ "do": "filter", .. }, { "do": "open", "device": ".." }, { "do": "keys", "keys": ["ArrowDown"] }]'
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const { JSDOM, VirtualConsole } = require("jsdom");

const [path, wanted] = process.argv.slice(2);
const html = fs.readFileSync(path, "utf8");
const seen = { bytes: html.length, errors: [], alerts: 0, drawn: 0, requests: 0, answers: [] };

const quiet = new VirtualConsole();
quiet.on("jsdomError", (error) => seen.errors.push(String(error.message)));
quiet.on("error", (...words) => seen.errors.push(words.join(" ")));
const began = Date.now();
const { window } = new JSDOM(html, {
  url: `file://${path}`,
  runScripts: "dangerously",
  pretendToBeVisual: true,
  virtualConsole: quiet,
  beforeParse(it) {
    it.alert = () => { seen.alerts += 1; };
    const pen = new Proxy({}, { get: (_, name) => (name === "fillRect" ? () => { seen.drawn += 1; } : () => {}), set: () => true });
    it.HTMLCanvasElement.prototype.getContext = () => pen;
    for (const name of ["fetch", "XMLHttpRequest", "WebSocket", "EventSource"]) {
      Object.defineProperty(it, name, { get() { seen.requests += 1; return undefined; } });
    }
  },
});
const { document } = window;
const by = (id) => document.getElementById(id);

// What a browser does with the page's own policy: only these run, only this styles.
const policy = document.querySelector("meta[http-equiv=Content-Security-Policy]").content;
const hash = (text) => `'sha256-${crypto.createHash("sha256").update(text, "utf8").digest("base64")}'`;
const running = [...document.querySelectorAll("script")].filter((script) => script.type !== "application/json");
seen.policy = policy.startsWith("default-src 'none'") && running.length === 1 && policy.includes(`script-src ${hash(running[0].textContent)}`)
  && policy.includes(`style-src ${hash(document.querySelector("style").textContent)}`);
seen.opened = Date.now() - began;
seen.title = by("title").textContent;
seen.tiles = Object.fromEntries([...by("tiles").children].map((tile) => [tile.dataset.outcome, Number(tile.querySelector("b").textContent.replace(/\D/g, ""))]));
seen.groups = [...by("groups").querySelectorAll("button")].map((button) => button.textContent);

function input(id, value, kind) {
  by(id).value = value;
  by(id).dispatchEvent(new window.Event(kind, { bubbles: true }));
}

function press(key, on) {
  on.dispatchEvent(new window.KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
}

const acts = {
  filter({ text = "", outcome = "", wave = "", step = "" }) {
    by("all").click();
    input("text", text, "input");
    for (const [id, value] of Object.entries({ outcome, wave, step })) input(id, String(value), "change");
    return { ids: window.iotplay.shown(), shown: by("shown").textContent, rows: by("rows").children.length };
  },
  group({ at }) {
    by("all").click();
    by("groups").querySelectorAll("button")[at].click();
    return { ids: window.iotplay.shown() };
  },
  tile({ outcome }) {
    by("all").click();
    [...by("tiles").children].find((tile) => tile.dataset.outcome === outcome).click();
    return { ids: window.iotplay.shown() };
  },
  open({ device }) {
    by("all").click();
    input("text", device, "input");
    const row = [...by("rows").children].find((one) => one.children[1].textContent === device);
    row.click();
    return { detail: by("detail").textContent, hidden: by("detail").hidden, pre: [...by("detail").querySelectorAll("pre")].map((one) => one.textContent) };
  },
  keys({ keys }) {
    by("all").click();
    for (const key of keys) press(key, key === "Escape" || key === "/" ? document.body : by("list"));
    const chosen = document.querySelector(".row[aria-selected=true]");
    return { chosen: chosen ? chosen.children[1].textContent : "", hidden: by("detail").hidden, focus: document.activeElement.id };
  },
  print() {
    by("all").click();
    window.dispatchEvent(new window.Event("beforeprint"));
    return { rows: by("print").querySelectorAll("tr").length };
  },
};
for (const act of JSON.parse(wanted)) seen.answers.push(acts[act.do](act));

// Whatever was shown, it was text.
seen.foreign = document.querySelectorAll("img, iframe, object, embed, link, svg, a, [onerror], [onload], [onclick]").length;
seen.scripts = document.querySelectorAll("script").length;
setTimeout(() => {
  process.stdout.write(`${JSON.stringify(seen)}\n`);
  process.exit(0);
}, 100);
