// A device on azure-iot-device that prints each cloud-to-device message: body, ids, types, properties. Environment: DEVICE.
'use strict';

const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const board = Client.fromConnectionString(process.env.DEVICE, Mqtt);
board.on('message', (message) => {
  const properties = message.properties.propertyList.map(({ key, value }) => `${key}=${value}`).sort();
  const words = [message.messageId, message.correlationId, message.contentType, message.contentEncoding, message.ack];
  console.log('message', message.data.toString(), ...words, properties.join(','));
  console.log('expires', message.expiryTimeUtc);
  board.complete(message);
});
board.open().then(
  () => console.log('listening'),
  (problem) => {
    console.log('problem', problem);
    process.exit(3);
  },
);
