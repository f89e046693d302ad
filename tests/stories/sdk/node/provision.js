// A device that asks the provisioning service for its hub, goes there and answers one call, on azure-iot-provisioning-device.
// Environment: HOST, SCOPE, REGISTRATION; KEY, or CERT and CERT_KEY (files); WEBSOCKET (to come by port 443).
'use strict';

const fs = require('fs');
const { Client } = require('azure-iot-device');
const device = require('azure-iot-device-mqtt');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const provisioning = require('azure-iot-provisioning-device-mqtt');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { X509Security } = require('azure-iot-security-x509');

const say = (...words) => console.log(...words);
const env = process.env;
const transport = (from) => (env.WEBSOCKET ? from.MqttWs : from.Mqtt);

async function main() {
  const certificate = env.CERT && { cert: fs.readFileSync(env.CERT, 'utf8'), key: fs.readFileSync(env.CERT_KEY, 'utf8') };
  const security = certificate
    ? new X509Security(env.REGISTRATION, certificate)
    : new SymmetricKeySecurityClient(env.REGISTRATION, env.KEY);
  const registrar = ProvisioningDeviceClient.create(env.HOST, env.SCOPE, new (transport(provisioning))(), security);
  registrar.setProvisioningPayload({ model: 'press' });
  const state = await registrar.register();
  say(state.status, state.assignedHub, state.deviceId, state.substatus, JSON.stringify(state.payload));
  const secret = certificate ? 'x509=true' : `SharedAccessKey=${env.KEY}`;
  const connection = `HostName=${state.assignedHub};DeviceId=${state.deviceId};${secret}`;
  const board = Client.fromConnectionString(connection, transport(device));
  if (certificate) await board.setOptions(certificate);
  await board.open();
  board.onDeviceMethod('hello', (request, response) => {
    response.send(200, { heard: request.payload }, async () => {
      await board.close();
      say('done');
      process.exit(0);
    });
  });
  say('connected');
}

main().catch((problem) => {
  say('problem', problem.name, problem.message);
  process.exit(3);
});
