// An operator's program on azure-iothub: asks a board to restart, then looks at its twin until a new time is there.
// Environment: SERVICE (connection string; this SDK speaks to port 443 only), DEVICE_ID.
'use strict';

const { Client, Registry } = require('azure-iothub');

const LOOKS = 12;
const device = process.env.DEVICE_ID;

async function rebootTime(registry) {
  const answer = await registry.getTwin(device);
  return answer.responseBody.properties.reported.rebootTime;
}

async function start() {
  const registry = Registry.fromConnectionString(process.env.SERVICE);
  const operator = Client.fromConnectionString(process.env.SERVICE);
  const before = await rebootTime(registry);
  const answer = await operator.invokeDeviceMethod(device, {
    methodName: 'rebootDevice',
    payload: JSON.stringify({ method_number: '42' }),
    responseTimeoutInSeconds: 30,
  });
  const reply = answer.result;
  console.log('reply', reply.status, JSON.stringify(reply.payload));
  for (let look = 0; look < LOOKS; look += 1) {
    const now = await rebootTime(registry);
    if (now && now !== before) {
      console.log('rebootTime', now);
      return 0;
    }
    await new Promise((resolve) => setTimeout(resolve, 5000));
  }
  console.log('no new rebootTime');
  return 1;
}

start().then(
  (code) => process.exit(code),
  (problem) => {
    console.log('problem', problem.name, problem.message);
    process.exit(3);
  },
);
