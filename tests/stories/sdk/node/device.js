// A board that can be restarted from afar, on azure-iot-device over MQTT: takes its time, reports when it came back, answers.
// Environment: DEVICE (connection string), REBOOT_SECONDS, TOKEN_SECONDS and TOKEN_MARGIN (life and renewal of its SAS tokens),
// WEBSOCKET (to come by port 443).
// It says one word per line about what it does, so that a story can follow it.
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');

const rebootMillis = Number(process.env.REBOOT_SECONDS || '20') * 1000;
const say = (...words) => console.log(...words);

async function start() {
  const board = Client.fromConnectionString(process.env.DEVICE, process.env.WEBSOCKET ? MqttWs : Mqtt);
  if (process.env.TOKEN_SECONDS) {
    await board.setOptions({
      tokenRenewal: {
        tokenValidTimeInSeconds: Number(process.env.TOKEN_SECONDS),
        tokenRenewalMarginInSeconds: Number(process.env.TOKEN_MARGIN),
      },
    });
  }
  board.on('error', (problem) => say('problem', problem.message));
  board.on('disconnect', () => say('disconnected'));
  await board.open();
  say('connected');

  board.onDeviceMethod('rebootDevice', async (request, response) => {
    say('called', JSON.stringify(request.payload));
    await new Promise((resolve) => setTimeout(resolve, rebootMillis));
    const cameBack = new Date().toISOString();
    const twin = await board.getTwin();
    twin.properties.reported.update({ rebootTime: cameBack }, (problem) => {
      say(problem ? `problem ${problem.message}` : `reported ${cameBack}`);
      board.sendEvent(new Message(JSON.stringify({ rebootTime: cameBack })), (late) => late && say('problem', late.message));
      response.send(200, { text: 'back again', rebootTime: cameBack }, (late) => say(late ? `problem ${late.message}` : 'answered'));
    });
  });

  // The hub works a connection's packets off in order: with the twin here, the subscription above has been made.
  await board.getTwin();
  say('listening');
}

start().catch((problem) => {
  say('problem', problem.name, problem.message);
  process.exit(3);
});
