// A device on azure-iot-device that sends a message with every property, and a plain one. Environment: DEVICE.
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

async function start() {
  const board = Client.fromConnectionString(process.env.DEVICE, Mqtt);
  await board.open();
  const message = new Message('{"t": 21}');
  message.messageId = 'm/1';
  message.correlationId = 'c+1';
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  message.properties.add('line', 'B 2/é');
  await board.sendEvent(message);
  await board.sendEvent(new Message('plain'));
  console.log('sent');
  await board.close();
}

start().then(
  () => process.exit(0),
  (problem) => {
    console.log('problem', problem);
    process.exit(3);
  },
);
