// A module and its back end in one program, on azure-iot-device and azure-iothub: twin, desired change, method, report.
// Environment: SERVICE (connection string). Prints one line for each thing that either side saw, as the Python program does.
'use strict';

const { Message, ModuleClient } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Client, Registry } = require('azure-iothub');

const PATIENCE = 30;

async function start() {
  const registry = Registry.fromConnectionString(process.env.SERVICE);
  const service = Client.fromConnectionString(process.env.SERVICE);
  const host = process.env.SERVICE.split(';')[0];
  await registry.create({ deviceId: 'carrier' });
  await registry.addModule({ deviceId: 'carrier', moduleId: 'camera' });
  const key = (await registry.getModule('carrier', 'camera')).responseBody.authentication.symmetricKey.primaryKey;
  const text = `${host};DeviceId=carrier;ModuleId=camera;SharedAccessKey=${key}`;
  const module_ = ModuleClient.fromConnectionString(text, Mqtt);
  await module_.open();
  module_.onMethod('zoom', (request, response) => {
    console.log('called', request.methodName, request.payload.zoom);
    response.send(201, { zoomed: true });
  });
  const twin = await module_.getTwin();
  console.log('twin', Object.keys(twin.properties.desired).filter((name) => name.startsWith('$')));
  const changed = new Promise((resolve) => {
    twin.on('properties.desired', (patch) => {
      if (patch.fps) {
        console.log('desired', patch.fps, patch.$version);
        resolve();
      }
    });
  });
  // The subscription is on its way; an answer that was asked for behind it says that the hub has it.
  await module_.getTwin();
  await registry.updateModuleTwin('carrier', 'camera', { properties: { desired: { fps: 25 } } }, '*');
  await changed;
  const order = { methodName: 'zoom', payload: { zoom: 3 }, responseTimeoutInSeconds: PATIENCE, connectTimeoutInSeconds: PATIENCE };
  const reply = (await service.invokeDeviceMethod('carrier', 'camera', order)).result;
  console.log('reply', reply.status, reply.payload.zoomed);
  await new Promise((resolve, reject) => {
    twin.properties.reported.update({ fps: 25 }, (problem) => (problem ? reject(problem) : resolve()));
  });
  const seen = (await registry.getModuleTwin('carrier', 'camera')).responseBody;
  console.log('reported', seen.properties.reported.fps, seen.connectionState);
  await module_.sendEvent(new Message('a frame'));
  await module_.close();
}

start().then(
  () => process.exit(0),
  (problem) => {
    console.log('problem', problem);
    process.exit(3);
  },
);
