// A device on azure-iot-device that asks more of its hub than the hub sells, and gets over it.
// Environment: DEVICE (connection string), WHAT:
// `twins`  patches and reads its twin until each was refused once, then until each is taken again;
// `burst`  sends MOST messages at once and waits until the hub has acknowledged each of them;
// `flood`  sends until the hub has ended the connection, and waits until each message it sent is acknowledged.
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const AT_ONCE = 50;
const ROUNDS = 200;

const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
const many = (ask) => Promise.all(Array.from({ length: AT_ONCE }, (_, number) => ask(number)));
const refused = (promise) =>
  promise.then(
    () => undefined,
    (problem) => `${problem.name} ${problem.message}`,
  );

async function untilRefused(name, ask) {
  let said;
  for (let round = 0; round < ROUNDS && !said; round += 1) {
    said = (await many((number) => refused(ask(number)))).find((answer) => answer);
  }
  if (!said) throw new Error(`${name} never refused`);
  console.log(name, 'refused', said);
  while (await refused(ask(0))) await pause(100);
  console.log(name, 'taken again');
}

async function twins(board) {
  const twin = await board.getTwin();
  const patch = (number) =>
    new Promise((resolve, reject) => {
      twin.properties.reported.update({ n: number }, (problem) => (problem ? reject(problem) : resolve()));
    });
  await untilRefused('patch', patch);
  // This SDK ignores the status of an answer and tells a refusal by its body only; what `getTwin` makes of one is a twin without
  // its properties.
  await untilRefused('get', () =>
    twin.get().then(() => {
      if (!twin.properties.reported.$version) throw new Error('no properties');
    }),
  );
}

async function burst(board) {
  const most = Number(process.env.MOST);
  await Promise.all(Array.from({ length: most }, (_, number) => board.sendEvent(new Message(`message ${number}`))));
  console.log('acknowledged', most);
}

async function flood(board) {
  // The SDK mends its connection by itself and says nothing; mqtt.js below it does.
  let cut = false;
  const client = () => board._transport._mqtt._mqttClient;
  client().on('close', () => {
    cut = true;
  });
  const sent = [];
  for (let round = 0; round < ROUNDS && !cut; round += 1) {
    for (let number = 0; number < AT_ONCE; number += 1) sent.push(board.sendEvent(new Message(`message ${sent.length}`)));
    await Promise.race([Promise.all(sent), new Promise((resolve) => client().once('close', resolve))]);
  }
  console.log('cut', cut);
  await Promise.all(sent);
  console.log('acknowledged', sent.length);
}

async function start() {
  const board = Client.fromConnectionString(process.env.DEVICE, Mqtt);
  await board.open();
  await { twins, burst, flood }[process.env.WHAT](board);
  await board.close();
}

start().then(
  () => process.exit(0),
  (problem) => {
    console.log('problem', problem);
    process.exit(3);
  },
);
