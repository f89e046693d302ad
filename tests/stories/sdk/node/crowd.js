// A program on azure-iothub that asks for more than its hub sells: queries until one is refused, then shows the refusal.
// Environment: SERVICE (connection string), MOST (queries). Ends with 0 once it is refused.
'use strict';

const { Registry } = require('azure-iothub');

async function start() {
  const registry = Registry.fromConnectionString(process.env.SERVICE);
  for (let taken = 0; taken < Number(process.env.MOST); taken += 1) {
    try {
      await registry.createQuery('SELECT * FROM devices', 100).next();
    } catch (refused) {
      console.log('taken', taken, 'then', refused.response.statusCode, refused.name);
      console.log('retry-after', refused.response.headers['retry-after']);
      return 0;
    }
  }
  console.log('never refused');
  return 1;
}

start().then(
  (code) => process.exit(code),
  (problem) => {
    console.log('problem', problem.name, problem.message);
    process.exit(3);
  },
);
