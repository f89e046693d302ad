// What the page knows of a run, and the questions it asks of that: pure functions, no document. The data's shape is written by
// data.rs; texts are named by their place in `texts`, counted from 1, and 0 is none.
"use strict";

const Report = (() => {
  const CHANGED = 1;
  const IGNORED = 2;
  const RESCUED = 4;
  const EARLIER = 8;
  /** Outcomes of devices that did not work. */
  const BAD = new Set(["failed", "timeout", "rejected", "unreachable"]);

  /** From the JSON in the page to devices with names instead of numbers. */
  function read(json) {
    const raw = JSON.parse(json);
    const text = (place) => (place ? raw.texts[place - 1] : "");
    const step = (row) => {
      const [index, name, outcome, flags = 0, attempts = 1, began = 0, took = 0, said = 0, value = 0, at = 0, note = 0, help = 0, retries = []] = row;
      const bad = BAD.has(raw.words[outcome]);
      const word = bad && flags & RESCUED ? "rescued" : bad && flags & IGNORED ? "ignored" : raw.words[outcome];
      return {
        index, name: text(name), outcome: raw.words[outcome], word, changed: (flags & CHANGED) !== 0, earlier: (flags & EARLIER) !== 0, attempts, began, took,
        text: text(said), value: text(value), at: text(at), note: text(note), help: text(help),
        retries: retries.map(([attempt, why]) => ({ attempt, why: text(why) })),
        places: [name, said, value, note, ...retries.map(([, why]) => why)],
      };
    };
    const devices = [];
    const plays = raw.plays.map((play, number) => {
      const first = devices.length;
      for (const [id, outcome, wave, began, took, waited, error, more, steps] of play.devices) {
        devices.push({
          index: devices.length, play: number, id: text(id), outcome: raw.words[outcome], wave, began, took, waited,
          error: text(error), more, steps: steps.map(step), places: [id, error],
        });
      }
      return {
        name: text(play.name), file: text(play.file), steps: play.steps.map(text), began: play.began, took: play.took,
        size: play.size, waves: play.waves, spans: play.spans, own: play.own.map(step), first, end: devices.length,
      };
    });
    return {
      run: text(raw.run), hub: text(raw.hub), local: raw.local, began: raw.began, took: raw.took, exit: raw.exit,
      reason: text(raw.reason), counts: raw.counts, words: raw.words, texts: raw.texts, plays, devices,
      warnings: raw.warnings.map(text),
      stopped: raw.stopped.map(([label, message, at, note, help]) => ({ label: text(label), message: text(message), at: text(at), note: text(note), help: text(help) })),
    };
  }

  /** The step that failed a device. */
  function culprit(device) {
    for (let at = device.steps.length - 1; at >= 0; at -= 1) {
      const step = device.steps[at];
      if (BAD.has(step.word)) return step;
    }
    return null;
  }

  /** A device's message without its own id: thousands fail in a few ways. */
  function message(device) {
    return [...device.id].length < 3 ? device.error : device.error.split(device.id).join("\u2026");
  }

  function key(device) {
    const step = culprit(device);
    return JSON.stringify([device.outcome, step ? step.name : "", message(device)]);
  }

  /** The ways in which devices failed, the most frequent first. */
  function groups(report) {
    const known = new Map();
    for (const device of report.devices) {
      if (!BAD.has(device.outcome)) continue;
      const name = key(device);
      let group = known.get(name);
      if (!group) {
        const step = culprit(device);
        group = { key: name, outcome: device.outcome, step: step ? step.name : "", message: message(device), count: 0, first: [] };
        known.set(name, group);
      }
      group.count += 1;
      if (group.first.length < 5) group.first.push(device.id);
    }
    return [...known.values()].sort((a, b) => b.count - a.count);
  }

  /** How many devices ended in each way. */
  function tally(devices) {
    const counts = {};
    for (const device of devices) counts[device.outcome] = (counts[device.outcome] || 0) + 1;
    return counts;
  }

  /**
   * Devices that satisfy all of: `text` (in id, message, or what a step said), `outcome` (`bad` is any that did not work),
   * `wave`, `play`, `group` (a key of `groups`), `step` (a name; then `outcome` is asked of that step).
   */
  function filter(report, { text = "", outcome = "", wave = 0, step = "", play = -1, group = "" } = {}) {
    const needle = text.trim().toLowerCase();
    let hits = null;
    if (needle) {
      hits = new Set();
      report.texts.forEach((known, place) => {
        if (known.toLowerCase().includes(needle)) hits.add(place + 1);
      });
    }
    const is = (word) => !outcome || word === outcome || (outcome === "bad" && BAD.has(word));
    const said = (places) => places.some((place) => hits.has(place));
    return report.devices.filter((device) => {
      if (wave && device.wave !== wave) return false;
      if (play >= 0 && device.play !== play) return false;
      if (group && !(BAD.has(device.outcome) && key(device) === group)) return false;
      const steps = step ? device.steps.filter((one) => one.name === step) : device.steps;
      if (step ? !steps.some((one) => is(one.word)) : !is(device.outcome)) return false;
      return !hits || said(device.places) || steps.some((one) => said(one.places));
    });
  }

  /** The names of all steps, in the order of the book, then those that only devices know. */
  function stepNames(report) {
    const names = new Set();
    for (const device of report.devices) for (const step of device.steps) names.add(step.name);
    const order = report.plays.flatMap((play) => play.steps).filter((name) => names.has(name));
    return [...new Set([...order, ...names])].slice(0, 500);
  }

  /** `1.2 s`, `3m05s`, `2h10m`. */
  function seconds(millis) {
    if (millis < 600000) return `${(millis / 1000).toFixed(1)} s`;
    const whole = Math.floor(millis / 1000);
    const two = (number) => String(number).padStart(2, "0");
    return whole < 3600 ? `${Math.floor(whole / 60)}m${two(whole % 60)}s` : `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
  }

  /** The rows of a long list that are in sight: first, and one past the last. */
  function inSight(count, height, top, room) {
    const first = Math.max(0, Math.floor(top / height) - 4);
    return [Math.min(first, count), Math.min(count, Math.ceil((top + room) / height) + 4)];
  }

  return { BAD, read, culprit, groups, tally, filter, stepNames, seconds, inSight };
})();

if (typeof module !== "undefined") module.exports = Report;
