// Draws the page from the report's data. Every text goes in as text, never as markup: what a device says cannot become a page.
"use strict";

(() => {
  const report = Report.read(document.getElementById("data").textContent);
  const MARKS = { ok: "\u2713", failed: "\u2717", timeout: "\u25f7", rejected: "\u2298", unreachable: "\u25cc", skipped: "\u2013", check: "\u2248", stopped: "\u25a0", ignored: "~", rescued: "\u21ba" };
  const ROW = 30;
  const PRINTED = 1000;
  const by = (id) => document.getElementById(id);
  const state = { text: "", outcome: "", wave: 0, step: "", play: -1, group: "" };
  let shown = [];
  let chosen = -1;

  function make(name, text = "", kind = "") {
    const element = document.createElement(name);
    if (text !== "") element.textContent = text;
    if (kind) element.className = kind;
    return element;
  }

  function plural(count, noun) {
    return `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;
  }

  function color(word) {
    return `var(--${word in MARKS ? word : "skipped"})`;
  }

  function badge(word) {
    const element = make("span", `${MARKS[word] || ""} ${word}`);
    const swatch = make("i", "", "swatch");
    swatch.style.background = color(word);
    element.prepend(swatch);
    return element;
  }

  function head() {
    const play = report.plays[0];
    const names = report.plays.map((one) => one.name).join(", ");
    if (names) by("title").textContent = names;
    const verdict = by("verdict");
    const bad = report.exit !== 0;
    verdict.textContent = bad ? `\u2717 exit ${report.exit}` : "\u2713 all as wanted";
    verdict.classList.toggle("bad", bad);
    const when = new Date(report.began);
    const parts = [play ? play.file : "", report.hub + (report.local ? " (local)" : ""), when.toLocaleString(), Report.seconds(report.took), plural(report.devices.length, "device"), `run ${report.run}`];
    by("meta").textContent = parts.filter(Boolean).join(" \u00b7 ");
    by("meta").title = report.began;
    by("reason").textContent = report.reason;
    for (const found of report.stopped) {
      const lines = [`${found.label}: ${found.message}`, found.at && `at ${found.at}`, found.note, found.help && `help: ${found.help}`];
      by("found").append(make("p", lines.filter(Boolean).join("\n"), "finding"));
    }
    for (const warning of report.warnings) by("found").append(make("p", `warning: ${warning}`, "finding warning"));
  }

  function tiles() {
    const counts = Report.tally(report.devices);
    for (const word of report.words) {
      if (!counts[word]) continue;
      const tile = make("button", "", "tile");
      tile.type = "button";
      tile.style.borderLeftColor = color(word);
      tile.dataset.outcome = word;
      tile.append(make("b", counts[word].toLocaleString()), `${MARKS[word]} ${word}`);
      tile.addEventListener("click", () => change({ outcome: state.outcome === word ? "" : word, step: "" }));
      by("tiles").append(tile);
      const part = make("i");
      part.style.flexGrow = counts[word];
      part.style.background = color(word);
      by("share").append(part);
      const entry = make("li");
      entry.append(badge(word));
      by("legend").append(entry);
    }
  }

  function failures() {
    const groups = Report.groups(report);
    by("failures").hidden = groups.length === 0;
    for (const group of groups.slice(0, 200)) {
      const entry = make("li");
      const button = make("button");
      button.type = "button";
      button.dataset.group = group.key;
      const why = make("span", group.step ? `${group.step}: ${group.message}` : group.message);
      const more = group.count > group.first.length ? ", .." : "";
      why.append(make("br"), make("small", group.first.join(", ") + more, "soft"));
      button.append(make("b", group.count.toLocaleString()), badge(group.outcome), why);
      button.addEventListener("click", () => change({ group: state.group === group.key ? "" : group.key }));
      entry.append(button);
      by("groups").append(entry);
    }
    if (groups.length > 200) by("groups").append(make("li", `${groups.length - 200} more ways of failing`));
  }

  function options(id, first, entries) {
    const select = by(id);
    select.append(new Option(first, ""));
    for (const [value, label] of entries) select.append(new Option(label, value));
    select.parentElement.hidden = entries.length < 2;
  }

  function filters() {
    const words = [...new Set(report.devices.flatMap((device) => [device.outcome, ...device.steps.map((step) => step.word)]))];
    const known = [...report.words, "ignored", "rescued"].filter((word) => words.includes(word));
    options("outcome", "any", [["bad", "not ok"], ...known.map((word) => [word, `${MARKS[word]} ${word}`])]);
    const waves = Math.max(0, ...report.plays.map((play) => play.waves));
    options("wave", "any", Array.from({ length: waves }, (_, at) => [at + 1, at + 1]));
    options("step", "any", Report.stepNames(report).map((name) => [name, name]));
    options("play", "all", report.plays.map((play, at) => [at, play.name]));
    by("text").addEventListener("input", () => change({ text: by("text").value }));
    by("outcome").addEventListener("change", () => change({ outcome: by("outcome").value }));
    by("wave").addEventListener("change", () => change({ wave: Number(by("wave").value) }));
    by("step").addEventListener("change", () => change({ step: by("step").value }));
    by("play").addEventListener("change", () => change({ play: by("play").value === "" ? -1 : Number(by("play").value) }));
    by("all").addEventListener("click", () => change({ text: "", outcome: "", wave: 0, step: "", play: -1, group: "" }));
    by("filters").addEventListener("submit", (event) => event.preventDefault());
  }

  function change(wanted) {
    Object.assign(state, wanted);
    if (by("text").value !== state.text) by("text").value = state.text;
    by("outcome").value = state.outcome;
    by("wave").value = state.wave || "";
    by("step").value = state.step;
    by("play").value = state.play < 0 ? "" : state.play;
    for (const tile of by("tiles").children) tile.setAttribute("aria-pressed", String(tile.dataset.outcome === state.outcome));
    for (const button of by("groups").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.group === state.group));
    shown = Report.filter(report, state);
    by("shown").textContent = `${shown.length.toLocaleString()} of ${plural(report.devices.length, "device")}`;
    by("rows").style.height = `${shown.length * ROW}px`;
    by("list").style.height = `${Math.min(544, Math.max(120, shown.length * ROW + 2))}px`;
    by("list").scrollTop = 0;
    if (!shown.some((device) => device.index === chosen)) close();
    rows();
    redraw();
  }

  /** The longest device's time: what a bar over its whole width means. */
  const longest = report.devices.reduce((most, device) => Math.max(most, device.took), 1);

  function bar(device) {
    const element = make("div", "", "bar");
    const whole = Math.max(longest, device.took);
    device.steps.forEach((step, at) => {
      const part = make("i");
      const left = Math.min(100, (100 * Math.max(0, step.began - device.began)) / whole);
      part.style.left = `${left}%`;
      part.style.width = `${Math.max(0, Math.min(100 - left, (100 * step.took) / whole))}%`;
      part.style.background = step.word === "ok" && at % 2 ? "var(--ok-2)" : color(step.word);
      element.append(part);
    });
    return element;
  }

  function rows() {
    const list = by("list");
    const [first, end] = Report.inSight(shown.length, ROW, list.scrollTop, list.clientHeight || 600);
    const fresh = [];
    for (let at = first; at < end; at += 1) {
      const device = shown[at];
      const row = make("div", "", "row");
      row.id = `device-${device.index}`;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(device.index === chosen));
      row.setAttribute("aria-posinset", String(at + 1));
      row.setAttribute("aria-setsize", String(shown.length));
      row.style.top = `${at * ROW}px`;
      const id = make("span", device.id);
      id.title = device.id;
      const wave = make("span", report.plays[device.play].waves > 1 ? `wave ${device.wave}` : "", "soft");
      row.append(badge(device.outcome), id, wave, bar(device), make("span", Report.seconds(device.took), "num"), make("span", device.error, "soft"));
      row.addEventListener("click", () => open(device));
      fresh.push(row);
    }
    by("rows").replaceChildren(...fresh);
    const active = by("list");
    if (by(`device-${chosen}`)) active.setAttribute("aria-activedescendant", `device-${chosen}`);
    else active.removeAttribute("aria-activedescendant");
  }

  function choose(at) {
    if (shown.length === 0) return;
    const place = Math.max(0, Math.min(shown.length - 1, at));
    chosen = shown[place].index;
    const list = by("list");
    const room = list.clientHeight || 600;
    if (place * ROW < list.scrollTop) list.scrollTop = place * ROW;
    if ((place + 1) * ROW > list.scrollTop + room) list.scrollTop = (place + 1) * ROW - room;
    rows();
    if (!by("detail").hidden) detail(shown[place]);
  }

  function open(device) {
    const at = shown.findIndex((one) => one.index === device.index);
    if (at < 0) {
      change({ text: "", outcome: "", wave: 0, step: "", play: -1, group: "" });
      return open(device);
    }
    by("detail").hidden = false;
    choose(at);
    detail(device);
    return undefined;
  }

  function close() {
    chosen = -1;
    by("detail").hidden = true;
    rows();
  }

  function stepDetail(step) {
    const element = make("div", "", "step");
    const line = make("p");
    line.append(badge(step.word), " ", make("strong", step.name), ` ${Report.seconds(step.took)}`);
    if (step.changed) line.append(" (changed)");
    if (step.earlier) line.append(" (before the interruption)");
    element.append(line);
    for (const retry of step.retries) element.append(make("p", `attempt ${retry.attempt}: ${retry.why}`, "soft"));
    if (step.attempts > 1) element.append(make("p", `${step.attempts} attempts`, "soft"));
    if (step.text) element.append(make("p", step.text));
    if (step.at) element.append(make("p", `at ${step.at}`, "soft"));
    if (step.note) element.append(make("p", step.note, "soft"));
    if (step.help) element.append(make("p", `help: ${step.help}`, "soft"));
    if (step.value) element.append(make("pre", pretty(step.value)));
    return element;
  }

  /** A reply over several lines; one that was cut stays as it is. */
  function pretty(value) {
    try {
      return JSON.stringify(JSON.parse(value), null, 2);
    } catch {
      return value;
    }
  }

  function detail(device) {
    const play = report.plays[device.play];
    const button = make("button", "Close");
    button.type = "button";
    button.addEventListener("click", () => { close(); by("list").focus(); });
    const top = make("div", "", "line");
    top.append(make("h3", device.id), button);
    const facts = [play.waves > 1 ? `wave ${device.wave}` : "", Report.seconds(device.took), device.waited ? `of it waiting ${Report.seconds(device.waited)}` : "", `began after ${Report.seconds(device.began)}`];
    const line = make("p");
    line.append(badge(device.outcome), ` ${facts.filter(Boolean).join(" \u00b7 ")}`);
    const parts = [top, line, bar(device)];
    if (device.error) parts.push(make("p", device.error, "finding"));
    parts.push(...device.steps.map(stepDetail));
    if (device.more) parts.push(make("p", `${plural(device.more, "step")} left out`, "soft"));
    by("detail").replaceChildren(...parts);
    by("detail").scrollTop = 0;
  }

  function keys() {
    by("list").addEventListener("keydown", (event) => {
      const at = shown.findIndex((device) => device.index === chosen);
      const page = Math.max(1, Math.floor((by("list").clientHeight || 600) / ROW) - 1);
      const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: shown.length - 1 };
      if (event.key in to) {
        event.preventDefault();
        choose(to[event.key]);
      } else if (event.key === "Enter" && at >= 0) {
        event.preventDefault();
        open(shown[at]);
      }
    });
    by("list").addEventListener("scroll", () => rows());
    document.addEventListener("keydown", (event) => {
      const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
      if (event.key === "/" && !typing) {
        event.preventDefault();
        by("text").focus();
      } else if (event.key === "Escape" && !by("detail").hidden) {
        close();
        by("list").focus();
      }
    });
  }

  /** Where each device stands on the timeline: by play, wave and begin. */
  const order = [...report.devices].sort((a, b) => a.play - b.play || a.wave - b.wave || a.began - b.began || a.index - b.index);

  let drawing = false;

  /** Draws the timeline before the next frame, once however often it is asked. */
  function redraw() {
    if (drawing) return;
    drawing = true;
    const later = window.requestAnimationFrame || ((work) => setTimeout(work, 0));
    later(() => { drawing = false; draw(); });
  }

  function draw() {
    const canvas = by("canvas");
    by("time").hidden = order.length === 0;
    const pen = order.length > 0 && canvas.getContext ? canvas.getContext("2d") : null;
    if (!pen) return;
    const width = by("chart").clientWidth || 900;
    const height = Math.max(48, Math.min(420, order.length * 14));
    const fine = window.devicePixelRatio || 1;
    canvas.width = width * fine;
    canvas.height = height * fine;
    canvas.style.height = `${height}px`;
    pen.setTransform(fine, 0, 0, fine, 0, 0);
    const style = getComputedStyle(document.documentElement);
    const paint = (word) => style.getPropertyValue(`--${word}`).trim() || "gray";
    const paints = new Map();
    const of = (word) => paints.get(word) || (paints.set(word, paint(word)), paints.get(word));
    const whole = report.devices.reduce((most, device) => Math.max(most, device.began + device.took), Math.max(1, report.took));
    const each = height / order.length;
    const inside = new Set(shown.map((device) => device.index));
    bands(pen, of, each, width);
    // Failures last and never thinner than a pixel: one among thousands must be seen.
    for (const bad of [false, true]) {
      order.forEach((device, at) => {
        if (Report.BAD.has(device.outcome) !== bad) return;
        pen.globalAlpha = inside.has(device.index) ? 1 : 0.15;
        const top = at * each + (each > 4 ? 1 : 0);
        const tall = Math.max(bad ? 1.5 : 0.5, each - (each > 4 ? 2 : 0));
        if (device.steps.length === 0 && device.took === 0) return;
        device.steps.forEach((step, place) => {
          pen.fillStyle = of(step.word === "ok" && place % 2 ? "ok-2" : step.word);
          pen.fillRect((step.began / whole) * width, top, Math.max(1, (step.took / whole) * width), tall);
        });
        if (bad) {
          pen.fillStyle = of(device.outcome);
          pen.fillRect(((device.began + device.took) / whole) * width - 2, top, 4, tall);
        }
      });
    }
    pen.globalAlpha = 1;
    const counts = Report.tally(report.devices);
    canvas.setAttribute("aria-label", `Timeline over ${Report.seconds(report.took)}: ${Object.entries(counts).map(([word, count]) => `${count} ${word}`).join(", ")}`);
    by("axis").replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((part) => make("span", Report.seconds(part * report.took))));
  }

  function bands(pen, of, each, width) {
    let from = 0;
    for (let at = 1; at <= order.length; at += 1) {
      const here = order[from];
      if (at < order.length && order[at].wave === here.wave && order[at].play === here.play) continue;
      if (report.plays[here.play].waves > 1 || report.plays.length > 1) {
        pen.fillStyle = of("edge");
        pen.fillRect(0, at * each - 0.5, width, 1);
        if ((at - from) * each > 12) {
          pen.fillStyle = of("soft");
          pen.font = "11px system-ui, sans-serif";
          pen.textAlign = "right";
          pen.fillText(`wave ${here.wave}`, width - 6, from * each + 11);
        }
      }
      from = at;
    }
  }

  function chart() {
    const found = (event) => {
      const box = by("canvas").getBoundingClientRect();
      return order[Math.floor(((event.clientY - box.top) / Math.max(1, box.height)) * order.length)];
    };
    by("canvas").addEventListener("mousemove", (event) => {
      const device = found(event);
      by("hover").textContent = device ? `${MARKS[device.outcome]} ${device.id} (${device.outcome})` : "";
    });
    by("canvas").addEventListener("mouseleave", () => { by("hover").textContent = ""; });
    by("canvas").addEventListener("click", (event) => { const device = found(event); if (device) open(device); });
    window.addEventListener("resize", () => { rows(); redraw(); });
    if (window.matchMedia) window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  function printing() {
    window.addEventListener("beforeprint", () => {
      const top = make("tr");
      for (const name of ["outcome", "device", "wave", "seconds", "why"]) top.append(make("th", name));
      const lines = shown.slice(0, PRINTED).map((device) => {
        const line = make("tr");
        for (const text of [`${MARKS[device.outcome]} ${device.outcome}`, device.id, String(device.wave), (device.took / 1000).toFixed(1), device.error]) line.append(make("td", text));
        return line;
      });
      by("print").replaceChildren(top, ...lines);
      if (shown.length > PRINTED) by("print").append(make("caption", `the first ${PRINTED} of ${shown.length}`));
    });
    window.addEventListener("afterprint", () => by("print").replaceChildren());
  }

  head();
  tiles();
  failures();
  const own = report.plays.flatMap((play) => play.own);
  by("runner").hidden = own.length === 0;
  by("own").append(...own.map(stepDetail));
  filters();
  keys();
  chart();
  printing();
  change({});
  // For whoever asks the page from a console.
  window.iotplay = { report, shown: () => shown.map((device) => device.id), change, open, choose };
})();
