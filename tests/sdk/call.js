// Calls the API with Alibaba Cloud's official SDKs for JavaScript: reads calls, one JSON object a line, and answers
// each with what the SDK made of the answer. `sdks.py` says what is in them.
'use strict';

const readline = require('readline');
const $dara = require('@darabonba/typescript');
const ecs = require('@alicloud/ecs20140526');
const { RPCClient } = require('@alicloud/pop-core');
const { $OpenApiUtil } = require('@alicloud/openapi-core');

const ECS = '2014-05-26';

// The older SDK has no classes for requests and answers.
async function pop({ endpoint, key, region, action, version, parameters }) {
  const client = new RPCClient({
    endpoint,
    apiVersion: version,
    credentialsProvider: {
      getCredentials: async () => key && {
        accessKeyId: key.access_key_id,
        accessKeySecret: key.access_key_secret,
        securityToken: key.security_token,
      },
    },
  });
  return client.request(action, { RegionId: region, ...parameters }, { method: 'POST' });
}

async function tea({ endpoint, key, region, algorithm, action, version, parameters }) {
  const client = new ecs.default(new $OpenApiUtil.Config({
    endpoint: endpoint.replace('http://', ''),
    protocol: 'HTTP',
    regionId: region,
    signatureAlgorithm: algorithm || undefined,
    accessKeyId: key ? key.access_key_id : undefined,
    accessKeySecret: key ? key.access_key_secret : undefined,
    securityToken: key && key.security_token || undefined,
  }));
  const runtime = new $dara.RuntimeOptions({});
  if (version === ECS) {
    const request = $dara.cast(parameters, new ecs[`${action}Request`]({}));
    const method = action[0].toLowerCase() + action.slice(1);
    return (await client[`${method}WithOptions`](request, runtime)).body.toMap();
  }
  const params = new $OpenApiUtil.Params({
    action,
    version,
    protocol: 'HTTPS',
    pathname: '/',
    method: 'POST',
    authType: key ? 'AK' : 'Anonymous',
    style: 'RPC',
    reqBodyType: 'formData',
    bodyType: 'json',
  });
  const request = new $OpenApiUtil.OpenApiRequest({ query: parameters });
  return (await client.callApi(params, request, runtime)).body;
}

async function answer(call) {
  try {
    return { body: await { pop, tea }[call.client](call) };
  } catch (error) {
    if (!error.code || !error.data) throw error;
    const status = error.entry ? error.entry.response.statusCode : error.statusCode;
    const { Message: message, RequestId: request_id } = error.data;
    return { error: { code: error.code, status, message, request_id } };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n');
  }
})();
