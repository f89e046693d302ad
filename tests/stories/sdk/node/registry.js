// A registrar's program on azure-iothub: devices and modules by every way the SDK has, their twins, and queries over them.
// Environment: SERVICE (connection string). Prints one line for each thing it saw, as the Python program does; this SDK has no
// update under a condition and no replacement of twins.
'use strict';

const { Registry } = require('azure-iothub');

const PRIMARY = 'A'.repeat(40);
const SECONDARY = 'B'.repeat(40);
const registry = Registry.fromConnectionString(process.env.SERVICE);
const sorted = (list) => [...list].sort().join(',');

async function refused(what, call) {
  try {
    await call();
    console.log(what, 'was taken');
  } catch (problem) {
    console.log(what, problem.response ? problem.response.statusCode : problem);
  }
}

async function devices() {
  const made = (await registry.create({ deviceId: 'reg-1' })).responseBody;
  const keys = made.authentication.symmetricKey;
  console.log('made', made.deviceId, made.status, keys.primaryKey.length, keys.primaryKey !== keys.secondaryKey);
  await refused('again', () => registry.create({ deviceId: 'reg-1' }));
  const changed = (await registry.update({ ...made, status: 'disabled' })).responseBody;
  console.log('changed', changed.status, changed.etag !== made.etag);
  const x509Thumbprint = { primaryThumbprint: PRIMARY, secondaryThumbprint: SECONDARY };
  await registry.create({ deviceId: 'reg-2', authentication: { type: 'selfSigned', x509Thumbprint } });
  const thumbprints = (await registry.get('reg-2')).responseBody.authentication;
  console.log('thumbprints', thumbprints.type, thumbprints.x509Thumbprint.primaryThumbprint === PRIMARY);
  await registry.create({ deviceId: 'reg-3', authentication: { type: 'certificateAuthority' } });
  console.log('signed', (await registry.get('reg-3')).responseBody.authentication.type);
  console.log('list', sorted((await registry.list()).responseBody.map((device) => device.deviceId)));
}

async function bulk() {
  const items = [0, 1, 2, 3, 4].map((n) => ({ deviceId: `bulk-${n}`, status: 'enabled' }));
  console.log('bulk made', (await registry.addDevices(items)).responseBody.isSuccessful);
  console.log('bulk gone', (await registry.removeDevices(items.slice(1), true)).responseBody.isSuccessful);
  const counts = (await registry.getRegistryStatistics()).responseBody;
  console.log('counts', counts.totalDeviceCount, counts.enabledDeviceCount, counts.disabledDeviceCount);
}

async function modules() {
  await registry.addModule({ deviceId: 'reg-1', moduleId: 'camera' });
  const found = (await registry.getModulesOnDevice('reg-1')).responseBody;
  console.log('modules', found.map((module) => module.moduleId).join(','));
  const patch = { properties: { desired: { fps: 25 } } };
  const twin = (await registry.updateModuleTwin('reg-1', 'camera', patch, '*')).responseBody;
  console.log('module twin', twin.moduleId, twin.properties.desired.fps);
  await registry.removeModule('reg-1', 'camera');
  await refused('module gone', () => registry.getModule('reg-1', 'camera'));
}

async function twins() {
  const patch = { tags: { line: 'C', deep: { a: 1, b: 2 } }, properties: { desired: { level: 3 } } };
  let twin = (await registry.updateTwin('reg-1', patch, '*')).responseBody;
  console.log('patched', twin.tags.line, twin.properties.desired.level, twin.properties.desired.$version);
  twin = (await registry.updateTwin('reg-1', { tags: { deep: { a: null } } }, twin.etag)).responseBody;
  console.log('merged', JSON.stringify(twin.tags.deep));
  await refused('old twin', () => registry.updateTwin('reg-1', patch, 'AAAAAAAAAAA='));
}

async function queries() {
  const rows = async (text, size) => {
    const query = registry.createQuery(text, size);
    const found = [];
    do {
      const page = await query.next(query.continuationToken);
      found.push(...page.result);
    } while (query.hasMoreResults);
    return found;
  };
  const some = await rows("SELECT * FROM devices WHERE STARTSWITH(deviceId, 'reg-')", 2);
  console.log('pages', sorted(some.map((twin) => twin.deviceId)));
  const named = await rows("SELECT deviceId FROM devices WHERE tags.line = 'C' AND properties.desired.level > 2");
  console.log('found', named.map((row) => row.deviceId).join(','));
  const grouped = await rows('SELECT status, COUNT() AS n FROM devices GROUP BY status');
  console.log('groups', sorted(grouped.map((row) => `${row.status} ${row.n}`)));
  await refused('no query', () => rows('SELECT FROM'));
}

async function start() {
  await devices();
  await bulk();
  await modules();
  await twins();
  await queries();
  await registry.delete('reg-3');
  await refused('gone', () => registry.get('reg-3'));
}

start().then(
  () => process.exit(0),
  (problem) => {
    console.log('problem', problem);
    process.exit(3);
  },
);
