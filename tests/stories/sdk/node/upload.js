// A board that uploads files, on azure-iot-device: `uploadToBlob` (which brings @azure/storage-blob), and the same by hand.
// Environment: DEVICE (connection string), CERT and KEY (files, when that says x509=true), LARGE (bytes of the large one).
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const { Readable } = require('stream');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { BlockBlobClient } = require('@azure/storage-blob');

const say = (...words) => console.log(words.join(' '));

const sha256 = (content) => crypto.createHash('sha256').update(content).digest('hex');

async function byHand(board) {
  const info = await board.getBlobSharedAccessSignature('logs/today.txt');
  const url = `https://${info.hostName}/${info.containerName}/${info.blobName}${info.sasToken}`;
  const blob = new BlockBlobClient(url);
  const content = 'one line\n';
  const answer = await blob.upload(content, content.length, { metadata: { line: 'B' } });
  await board.notifyBlobUploadStatus(info.correlationId, true, answer._response.status, 'uploaded');
  say('sent', info.blobName, content.length);
  const seen = await blob.getProperties();
  say('seen', seen.contentLength, seen.blobType, seen.metadata.line);
}

async function main() {
  const board = Client.fromConnectionString(process.env.DEVICE, Mqtt);
  if (process.env.CERT) {
    await board.setOptions({ cert: fs.readFileSync(process.env.CERT, 'utf8'), key: fs.readFileSync(process.env.KEY, 'utf8') });
  }
  await board.open();
  await byHand(board);
  const large = crypto.randomBytes(Number(process.env.LARGE));
  await board.uploadToBlob('picture.bin', Readable.from([large]), large.length);
  say('sent picture.bin', large.length);
  say('sha256', sha256(large));
  const info = await board.getBlobSharedAccessSignature('never.txt');
  await board.notifyBlobUploadStatus(info.correlationId, false, 500, 'the camera is broken');
  say('gave up on', info.blobName);
  await board.close();
  say('done');
}

main().catch((problem) => {
  say('problem', problem.name, problem.message, problem.innerError || '');
  process.exit(1);
});
