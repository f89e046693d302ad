// A device that logs in with a certificate, on azure-iot-device: answers one call and reports it.
// Environment: HOST, DEVICE_ID, CERT and KEY (files), WEBSOCKET (to come by port 443).
'use strict';

const fs = require('fs');
const { Client } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');

const say = (...words) => console.log(...words);

async function main() {
  const connection = `HostName=${process.env.HOST};DeviceId=${process.env.DEVICE_ID};x509=true`;
  const board = Client.fromConnectionString(connection, process.env.WEBSOCKET ? MqttWs : Mqtt);
  await board.setOptions({ cert: fs.readFileSync(process.env.CERT, 'utf8'), key: fs.readFileSync(process.env.KEY, 'utf8') });
  await board.open();
  board.onDeviceMethod('hello', async (request, response) => {
    const twin = await board.getTwin();
    twin.properties.reported.update({ said: request.payload }, (problem) => {
      if (problem) say('problem', problem.message);
      response.send(200, { heard: request.payload }, async () => {
        await board.close();
        say('done');
      });
    });
  });
  say('connected');
}

main().catch((problem) => {
  say('problem', problem.name);
  process.exit(3);
});
