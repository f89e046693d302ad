// An operator of the provisioning service, on azure-iot-provisioning-service: enrols, changes, lists, removes.
// Environment: SERVICE (connection string). It says one line about each step.
'use strict';

const { ProvisioningServiceClient } = require('azure-iot-provisioning-service');

const say = (...words) => console.log(...words);
const refused = (what, work) => work.then(() => say(what, 'not refused'), (problem) => say(what, problem.response && problem.response.statusCode));

async function main() {
  const service = ProvisioningServiceClient.fromConnectionString(process.env.SERVICE);
  const asked = { registrationId: 'node-1', deviceId: 'press-1', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: '', secondaryKey: '' } } };
  const made = (await service.createOrUpdateIndividualEnrollment(asked)).responseBody;
  say('made', made.registrationId, made.provisioningStatus, made.attestation.symmetricKey.primaryKey.length);
  await refused('again', service.createOrUpdateIndividualEnrollment(asked));
  const got = (await service.getIndividualEnrollment('node-1')).responseBody;
  got.initialTwin = { tags: { site: 's' }, properties: { desired: { a: 1 } } };
  const changed = (await service.createOrUpdateIndividualEnrollment(got)).responseBody;
  say('changed', changed.initialTwin.tags.site, changed.etag !== made.etag);
  await refused('old', service.createOrUpdateIndividualEnrollment(made));
  const keys = (await service.getIndividualEnrollmentAttestationMechanism('node-1')).responseBody;
  say('keys', keys.symmetricKey.primaryKey === made.attestation.symmetricKey.primaryKey);
  const group = (await service.createOrUpdateEnrollmentGroup({ enrollmentGroupId: 'line', attestation: { type: 'symmetricKey' } })).responseBody;
  say('group', group.enrollmentGroupId, group.attestation.symmetricKey.primaryKey.length);
  const bulk = { mode: 'create', enrollments: [{ registrationId: 'node-2', attestation: { type: 'symmetricKey' } }] };
  // Its promise form never ends; the callback does.
  const done = await new Promise((resolve, reject) =>
    service.runBulkEnrollmentOperation(bulk, (problem, result) => (problem ? reject(problem) : resolve(result))));
  say('bulk', done.isSuccessful);
  const query = service.createIndividualEnrollmentQuery({ query: '*' }, 1);
  const ids = [];
  do {
    const page = await new Promise((resolve, reject) => query.next((problem, rows) => (problem ? reject(problem) : resolve(rows))));
    page.forEach((row) => ids.push(row.registrationId));
  } while (query.hasMoreResults);
  say('listed', ids.join(','));
  await refused('unregistered', service.getDeviceRegistrationState('node-1'));
  await service.deleteIndividualEnrollment('node-1');
  await service.deleteEnrollmentGroup('line');
  await refused('gone', service.getIndividualEnrollment('node-1'));
}

main().catch((problem) => {
  say('problem', problem.name, problem.message);
  process.exit(3);
});
