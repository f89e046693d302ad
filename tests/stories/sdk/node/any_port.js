// Loaded before an operator's program where port 443 is not ours to take: lets `HostName=host:port` reach that port. The SDK hands
// the whole HostName to https.request as `host` and never sets a port; everything else about the call stays as it is.
'use strict';

const https = require('https');

const dial = https.request;
https.request = function request(options, ...rest) {
  const parts = options && typeof options.host === 'string' && /^(.+):(\d+)$/.exec(options.host);
  return parts ? dial.call(this, { ...options, host: parts[1], port: Number(parts[2]) }, ...rest) : dial.call(this, options, ...rest);
};
