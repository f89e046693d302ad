// A device on azure-iot-device with a handler of every kind; `mirror.py` and `mirror.rhai` do the same. Environment: DEVICE.
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const say = (...words) => console.log(...words);
// A handler that throws ends the process otherwise; a program that is to live on does this.
process.on('uncaughtException', (problem) => say('uncaught', problem.message));

async function start() {
  const board = Client.fromConnectionString(process.env.DEVICE, Mqtt);
  board.on('error', (problem) => say('problem', problem.message));
  await board.open();
  const twin = await board.getTwin();
  const report = (patch) =>
    new Promise((resolve, reject) => {
      twin.properties.reported.update(patch, (problem) => (problem ? reject(problem) : resolve()));
    });

  board.onDeviceMethod('echo', (request, response) => response.send(200, request.payload));
  board.onDeviceMethod('nothing', (request, response) => response.send(200));
  board.onDeviceMethod('text', (request, response) => response.send(200, 'done'));
  board.onDeviceMethod('refuse', (request, response) => response.send(409, { why: 'busy' }));
  board.onDeviceMethod('later', async (request, response) => {
    await response.send(202, { accepted: true });
    await report({ later: true });
  });
  board.onDeviceMethod('fails', () => {
    throw new Error('broken');
  });
  board.onDeviceMethod('silent', () => {});
  board.onDeviceMethod('deadline', () => {});
  board.onDeviceMethod('report', async (request, response) => {
    await report(request.payload);
    await response.send(200, 'reported');
  });
  board.onDeviceMethod('send', async (request, response) => {
    const message = new Message('{"t":21}');
    message.messageId = 't1';
    message.correlationId = 'c+1';
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.properties.add('line', 'B 2/é');
    await board.sendEvent(message);
    await response.send(200, 'sent');
  });

  // The first call of this one is the whole twin, at once; only changes are looked at.
  let first = true;
  twin.on('properties.desired', (patch) => {
    if (!first) {
      for (const name of ['interval', 'plan']) {
        if (name in patch) report({ [name]: { value: patch[name], version: patch.$version } }).catch((late) => say('problem', late));
      }
    }
    first = false;
  });

  board.on('message', (message) => {
    const body = message.data.toString();
    if (body === 'unwanted') {
      board.reject(message, (problem) => say('rejected', problem ? problem.name : 'well'));
      return;
    }
    const properties = Object.fromEntries(message.properties.propertyList.map(({ key, value }) => [key, value]));
    const seen = {
      body,
      id: message.messageId,
      correlation: message.correlationId,
      type: message.contentType,
      encoding: message.contentEncoding,
      properties,
    };
    report({ message: seen }).then(() => board.complete(message)).catch((problem) => say('problem', problem));
  });
  // The hub works a connection's packets off in order: with the twin here, the subscriptions above have been made.
  await board.getTwin();
  await board.getTwin();
  say('listening');
}

start().catch((problem) => {
  say('problem', problem.name, problem.message);
  process.exit(3);
});
