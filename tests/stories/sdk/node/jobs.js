// An operator's jobs on azure-iothub: a twin update, a method, one that is planned and called off, and lists page by page.
// Environment: SERVICE (connection string; this SDK speaks to port 443 only), DEVICE_ID.
'use strict';

const { JobClient, Registry } = require('azure-iothub');

const PATIENCE_SECONDS = 60;
const device = process.env.DEVICE_ID;
const jobs = JobClient.fromConnectionString(process.env.SERVICE);
const say = (...words) => console.log(...words);

async function untilOver(name) {
  const end = Date.now() + PATIENCE_SECONDS * 1000;
  while (Date.now() < end) {
    const { jobStatus } = await jobs.getJob(name);
    if (['completed', 'failed', 'cancelled'].includes(jobStatus.status)) {
      return jobStatus;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${name} takes too long`);
}

function tell(job) {
  const count = job.deviceJobStatistics;
  const counts = count ? `${count.succeededCount} of ${count.deviceCount}, ${count.failedCount} failed` : '';
  say(job.jobId, job.status, counts);
}

async function list(type, status) {
  const query = jobs.createQuery(type, status, 2);
  const names = [];
  while (query.hasMoreResults) {
    // The promise form takes the token it is given, and begins anew without one.
    const page = await query.next(query.continuationToken);
    names.push(...page.result.map((job) => job.jobId));
  }
  return names.join(',');
}

async function start() {
  const condition = `deviceId IN ['${device}']`;
  const patch = { etag: '*', tags: { line: 3 }, properties: { desired: { speed: 7 } } };
  const { jobStatus: taken } = await jobs.scheduleTwinUpdate('twins', condition, patch, new Date(), PATIENCE_SECONDS);
  say('taken', taken.jobId, taken.type, taken.queryCondition);
  tell(await untilOver('twins'));
  const twin = (await Registry.fromConnectionString(process.env.SERVICE).getTwin(device)).responseBody;
  say('twin', twin.tags.line, twin.properties.desired.speed);

  const call = { methodName: 'rebootDevice', payload: { why: 'job' }, responseTimeoutInSeconds: 30 };
  // Without a date the SDK sends none, and means now.
  await jobs.scheduleDeviceMethod('calls', condition, call, undefined, PATIENCE_SECONDS);
  tell(await untilOver('calls'));

  const tomorrow = new Date(Date.now() + 24 * 3600 * 1000);
  const { jobStatus: planned } = await jobs.scheduleTwinUpdate('later', '*', patch, tomorrow, PATIENCE_SECONDS);
  say('planned', planned.status);
  const { jobStatus: off } = await jobs.cancelJob('later');
  say('called off', off.status, (await jobs.getJob('later')).jobStatus.status);

  await jobs.scheduleTwinUpdate('wrong', 'tags.line =', patch, new Date(), PATIENCE_SECONDS);
  const wrong = await untilOver('wrong');
  say('wrong', wrong.status, wrong.failureReason.split('\n')[0]);

  say('all', await list());
  say('some', await list('scheduleUpdateTwin', 'completed'));
  for (const [name, action] of [
    ['again', () => jobs.scheduleTwinUpdate('twins', condition, patch, new Date(), PATIENCE_SECONDS)],
    ['unknown', () => jobs.getJob('nobody')],
  ]) {
    try {
      await action();
      say(name, 'no problem');
    } catch (problem) {
      say(name, problem.constructor.name);
    }
  }
}

start().then(
  () => process.exit(0),
  (problem) => {
    say('problem', problem.name, problem.message);
    process.exit(3);
  },
);
