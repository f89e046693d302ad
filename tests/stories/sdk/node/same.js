// A back end on azure-iothub that drives a mirror (`mirror.py`, `.js`, `.rhai`) and prints what it sees, `scenario | observation` per
// line, in the form that `same.py` prints. Environment: SERVICE, DEVICE_ID; AWAY and NOBODY: a device that sleeps, one that is none.
'use strict';

const { Client, Registry } = require('azure-iothub');

const PATIENCE = 90000;
const registry = Registry.fromConnectionString(process.env.SERVICE);
const operator = Client.fromConnectionString(process.env.SERVICE);
const device = process.env.DEVICE_ID;

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value === undefined ? null : value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
const form = (value) => JSON.stringify(sorted(value));
const say = (scenario, seen) => console.log(`${scenario} | ${seen}`);
const brief = (seen) => seen.replace(/ \{.+\}/, ' {..}');

function code(problem) {
  const body = typeof problem.responseBody === 'object' ? JSON.stringify(problem.responseBody) : problem.responseBody;
  const found = /errorCode\W+(\d{6})|ErrorCode:(\w+)/.exec(body);
  return found ? found[1] || found[2] : `${problem.name} ${problem.message} ${body}`;
}

async function call(methodName, payload, whom = device, seconds = 30) {
  try {
    const order = { methodName, payload, responseTimeoutInSeconds: seconds, connectTimeoutInSeconds: 0 };
    const { result } = await operator.invokeDeviceMethod(whom, order);
    return `${result.status} ${form(result.payload)}`;
  } catch (problem) {
    return code(problem);
  }
}

const look = async () => (await registry.getTwin(device)).responseBody;

async function twinWhen(good) {
  const until = Date.now() + PATIENCE;
  for (;;) {
    const twin = await look();
    if (good(twin.properties.reported) || Date.now() > until) return twin;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const wish = async (desired, etag) => (await registry.updateTwin(device, { properties: { desired } }, etag)).responseBody;

async function desired(scenario, name, value) {
  const before = await look();
  const asked = await wish({ [name]: value }, '*');
  const version = asked.properties.desired.$version;
  const twin = await twinWhen((reported) => (reported[name] || {}).version === version);
  const mirrored = { ...twin.properties.reported[name] };
  mirrored.version = mirrored.version === version;
  const step = version - before.properties.desired.$version;
  say(scenario, form({ desired: twin.properties.desired[name], etag: asked.etag !== before.etag, reported: mirrored, step }));
}

async function reported(scenario, patch) {
  const before = (await look()).properties.reported;
  const reply = await call('report', patch);
  const after = (await look()).properties.reported;
  say(scenario, form({ reply, reported: { a: after.a, t: after.t }, step: after.$version - before.$version }));
}

async function methods() {
  say('payload of every kind', await call('echo', { a: 1, b: [true, null, 1.5, 'é'], c: {} }));
  say('payload that is a text', await call('echo', 'x'));
  say('payload that is a list', await call('echo', [1, '2']));
  say('answer without payload', await call('nothing', {}));
  say('answer that is a text', await call('text', {}));
  say('refusal', await call('refuse', {}));
  say('unknown method', brief(await call('unknown', {}, device, 5)));
  say('handler fails', brief(await call('fails', {}, device, 5)));
  say('handler is silent', await call('silent', {}, device, 5));
  say("handler's deadline", brief(await call('deadline', {}, device, 15)));
  const accepted = await call('later', {});
  const twin = await twinWhen((now) => 'later' in now);
  say('answer before the work', `${accepted}, then ${form(twin.properties.reported.later)}`);
  say('device asleep', await call('echo', {}, process.env.AWAY));
  say('device unknown', await call('echo', {}, process.env.NOBODY));
}

async function twins() {
  await reported('report', { a: { b: 1, list: [1, 'x'] }, t: 'é' });
  await reported('report that removes', { a: { b: null }, t: null });
  await desired('desired value', 'interval', 30);
  await desired('desired value removed', 'interval', null);
  await desired('desired map', 'plan', { a: 1, b: { c: [1, 2] } });
  await desired('desired map changed in part', 'plan', { a: 2 });
  const old = (await look()).etag;
  await wish({ other: 1 }, old);
  try {
    await wish({ other: 2 }, old);
    say('stale etag', 'taken');
  } catch (problem) {
    say('stale etag', problem.response ? problem.response.statusCode : problem.name);
  }
  say('send', await call('send', {}));
}

methods()
  .then(twins)
  .then(
    () => process.exit(0),
    (problem) => {
      console.log('problem', problem.name, problem.message);
      process.exit(3);
    },
  );
