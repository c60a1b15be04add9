// Signs calls as Alibaba Cloud's official SDKs for JavaScript do: reads cases, one JSON object a line, and answers each
// with a signature by each SDK. `cases.py` says what is in them.
'use strict';

const readline = require('readline');
const httpx = require('httpx');
const { RPCClient } = require('@alicloud/pop-core');
const { OpenApiUtil } = require('@alicloud/openapi-core');

// The older SDK signs where it sends, so it sends to nowhere.
class Sent extends Error {}
httpx.request = async (url, options) => {
  throw Object.assign(new Sent(), { encoded: options.data || url.slice(url.indexOf('?') + 1) });
};

// Parameters of the call replace those that the SDK would set, nonce and time among them.
async function pop({ method, parameters, access_key_id, access_key_secret, security_token, action, version }) {
  const client = new RPCClient({
    endpoint: 'http://localhost',
    accessKeyId: access_key_id,
    accessKeySecret: access_key_secret,
    securityToken: security_token,
    apiVersion: version,
  });
  try {
    await client.request(action, parameters, { method, formatParams: false });
  } catch (error) {
    if (error instanceof Sent) return new URLSearchParams(error.encoded).get('Signature');
    throw error;
  }
}

async function answer({ common, query, headers, payload, ...call }) {
  const { method, access_key_id: id, access_key_secret: secret } = call;
  const request = { method, pathname: '/', query, headers };
  return {
    pop: await pop({ ...call, parameters: common }),
    rpc: OpenApiUtil.getRPCSignature(common, method, secret),
    acs3: OpenApiUtil.getAuthorization(request, 'ACS3-HMAC-SHA256', payload, id, secret),
  };
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n');
  }
})();
