// A program on azure-iothub that shows what its hub says to each of its calls. Environment: SERVICE (connection string), DEVICE_ID.
'use strict';

const { Client, Registry } = require('azure-iothub');

const device = process.env.DEVICE_ID;
const registry = Registry.fromConnectionString(process.env.SERVICE);
const client = Client.fromConnectionString(process.env.SERVICE);
const calls = {
  registry: () => registry.get(device),
  twin: () => registry.getTwin(device),
  query: () => registry.createQuery('SELECT * FROM devices', 100).next(),
  methods: () => client.invokeDeviceMethod(device, { methodName: 'ping', responseTimeoutInSeconds: 10 }),
};

async function start() {
  for (const [name, call] of Object.entries(calls)) {
    try {
      await call();
      console.log(name, 'done');
    } catch (problem) {
      if (problem.response) console.log(name, problem.response.statusCode, problem.response.headers['iothub-errorcode']);
      else console.log(name, 'lost', problem.name);
    }
  }
}

start().then(() => process.exit(0));
