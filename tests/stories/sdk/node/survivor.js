// A device on azure-iot-device that keeps sending numbered messages and answers `ping`, whatever its hub does to it.
// A message that the SDK gives back is sent anew, with one attempt more in its property `attempt`. Says `sent N` for each number that
// the hub has acknowledged. Environment: DEVICE (connection string), ASK (a fault that it asks its hub for, after the fifth message).
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const PACE = 100;
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
const say = (...words) => console.log(...words);

async function deliver(board, number) {
  for (let attempt = 1; ; attempt += 1) {
    const message = new Message(`message ${number}`);
    message.properties.add('attempt', String(attempt));
    try {
      return await board.sendEvent(message);
    } catch (problem) {
      say('again', number, problem.name);
      await pause(PACE);
    }
  }
}

function ask(board, fault) {
  const message = new Message('');
  message.properties.add('AzIoTHub_FaultOperationType', fault);
  message.properties.add('AzIoTHub_FaultOperationCloseReason', 'boom');
  message.properties.add('AzIoTHub_FaultOperationDelayInSecs', '1');
  board.sendEvent(message).then(
    () => say('asked, and heard'),
    (problem) => say('asked, and got', problem.name),
  );
}

async function start() {
  const board = Client.fromConnectionString(process.env.DEVICE, Mqtt);
  await board.setOptions({ keepalive: 5 });
  board.on('error', (problem) => say('problem', problem.message));
  await board.open();
  board.onDeviceMethod('ping', (request, response) => {
    response.send(200, { pong: request.payload }, (problem) => problem && say('could not answer', problem.name));
  });
  for (let number = 1; ; number += 1) {
    await deliver(board, number);
    say('sent', number);
    if (number === 5 && process.env.ASK) ask(board, process.env.ASK);
    await pause(PACE);
  }
}

start().catch((problem) => {
  say('problem', problem.name, problem.message);
  process.exit(3);
});
